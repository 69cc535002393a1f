package admin

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault"
)

func mountAccounts(a *API) {
	register(a, operation{id: "list-accounts", method: http.MethodGet, path: "/accounts", role: vault.RoleViewer, noun: "ACCOUNT", summary: "List accounts",
		detail: "In the order in which they were made. Accounts of the configuration file come first and are read-only."}, a.listAccounts)
	register(a, operation{id: "create-account", method: http.MethodPost, path: "/accounts", role: vault.RoleOperator, noun: "ACCOUNT", status: http.StatusCreated, summary: "Make an account",
		detail: "Credentials are checked against the connector's fields and by its test request. Those that the service does not take make no account."}, a.createAccount)
	register(a, operation{id: "get-account", method: http.MethodGet, path: "/accounts/{id}", role: vault.RoleViewer, noun: "ACCOUNT", summary: "Read an account"}, a.getAccount)
	register(a, operation{id: "update-account", method: http.MethodPatch, path: "/accounts/{id}", role: vault.RoleOperator, noun: "ACCOUNT", summary: "Edit an account"}, a.patchAccount)
	register(a, operation{id: "delete-account", method: http.MethodDelete, path: "/accounts/{id}", role: vault.RoleOperator, noun: "ACCOUNT", status: http.StatusNoContent, summary: "Delete an account",
		detail: "Deletes its secrets, grants and usage too. Revoke it first where the service should forget it as well."}, a.deleteAccount)
	register(a, operation{id: "set-credentials", method: http.MethodPut, path: "/accounts/{id}/credentials", role: vault.RoleOperator, noun: "ACCOUNT", summary: "Replace an account's credentials",
		detail: "They are tested first; those that the service does not take change nothing."}, a.setCredentials)
}

type accountOut struct {
	ETag     string `header:"ETag"`
	Location string `header:"Location"`
	Body     Account
}

// shown is the answer with one account, its secrets' fingerprints included.
func (a *API) shown(ctx context.Context, c *Caller, acct vault.Account) (*accountOut, error) {
	infos, err := c.AccountSecrets(ctx, acct.ID)
	if err != nil {
		return nil, err
	}
	out := &accountOut{ETag: etag(acct.Version), Body: accountOf(acct)}
	out.Body.Secrets = secretsOf(infos)
	return out, nil
}

type listAccountsIn struct {
	PageQuery
	Connector      string    `query:"connector"`
	State          []string  `query:"state" doc:"One or several states, separated by commas."`
	Status         []string  `query:"status" doc:"The same as state."`
	Identifier     string    `query:"identifier"`
	IdentifierType string    `query:"identifier_type" enum:"user,org,custom"`
	Organisation   string    `query:"organisation"`
	Name           string    `query:"name"`
	TestMode       string    `query:"test_mode" enum:"true,false"`
	ExpiresBefore  time.Time `query:"expires_before"`
}

func (a *API) listAccounts(ctx context.Context, c *Caller, in *listAccountsIn) (*listOut[Account], error) {
	f := vault.AccountFilter{
		Connector: in.Connector, Identifier: in.Identifier, IdentifierType: in.IdentifierType, Organisation: in.Organisation, Name: in.Name,
		ExpiresBefore: in.ExpiresBefore,
	}
	for _, s := range append(in.State, in.Status...) {
		if !isState(s) {
			return nil, problem(http.StatusUnprocessableEntity, "INVALID_INPUT", "A state is one of pending, active, expired, revoked, error, suspended.").at("query.state", "is no state")
		}
		f.States = append(f.States, vault.State(s))
	}
	if in.TestMode != "" {
		test := in.TestMode == "true"
		f.TestMode = &test
	}
	l, err := c.Accounts(ctx, f, in.page())
	out, err := listed(l, err, accountOf)
	if err == nil && in.After == "" {
		out.Body.Items = slices.Insert(out.Body.Items, 0, a.fileAccounts(c, &f)...)
	}
	return out, err
}

func isState(s string) bool {
	for _, known := range vault.States {
		if s == string(known) {
			return true
		}
	}
	return false
}

// fileAccounts are the accounts of the configuration file that the filter lets through.
func (a *API) fileAccounts(c *Caller, f *vault.AccountFilter) (out []Account) {
	if a.c.Declared == nil || !seesFile(c, f.Organisation) || f.Identifier != "" || f.IdentifierType != "" || !f.ExpiresBefore.IsZero() || f.TestMode != nil && *f.TestMode {
		return nil
	}
	for _, d := range a.c.Declared.Accounts() {
		b := fileAccount(d)
		active := len(f.States) == 0
		for _, s := range f.States {
			active = active || s == vault.Active
		}
		if active && (f.Connector == "" || f.Connector == d.Connector) && (f.Name == "" || f.Name == d.Name) {
			out = append(out, b)
		}
	}
	return out
}

// seesFile reports whether the caller sees what the configuration file declares,
// which belongs to the default organisation.
func seesFile(c *Caller, org string) bool {
	mine := c.Organisation() == vault.All || c.Organisation() == vault.DefaultOrganisation
	return mine && (org == "" || org == vault.DefaultOrganisation)
}

// errReadOnly refuses edits of what the configuration file declares.
var errReadOnly = problem(http.StatusConflict, "READ_ONLY", "The configuration file declares this; edit it there.")

// editable refuses ids of the configuration file.
func (a *API) editable(id string) error {
	if strings.HasPrefix(id, vault.FileAgent) {
		return errReadOnly
	}
	return nil
}

func (a *API) getAccount(ctx context.Context, c *Caller, in *PathID) (*accountOut, error) {
	if strings.HasPrefix(in.ID, vault.FileAgent) {
		for _, b := range a.fileAccounts(c, &vault.AccountFilter{}) {
			if b.ID == in.ID {
				return &accountOut{Body: b}, nil
			}
		}
		return nil, vault.ErrNotFound
	}
	acct, err := c.Account(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return a.shown(ctx, c, acct)
}

type createAccountIn struct{ Body NewAccount }

func (a *API) createAccount(ctx context.Context, c *Caller, in *createAccountIn) (*accountOut, error) {
	acct, err := a.makeAccount(ctx, c, &in.Body)
	if err != nil {
		return nil, err
	}
	out, err := a.shown(ctx, c, acct)
	if err == nil {
		out.Location = Base + "/accounts/" + acct.ID
	}
	return out, err
}

// makeAccount validates, tests and stores an account.
func (a *API) makeAccount(ctx context.Context, c *Caller, b *NewAccount) (vault.Account, error) {
	con, opt, err := a.option(ctx, c, b.Connector, b.Option)
	if err != nil {
		return vault.Account{}, err
	}
	n := vault.NewAccount{
		Organisation: b.Organisation, Connector: con.Key, Option: opt.Name, Name: b.Name, Identifier: b.Identifier, IdentifierType: b.IdentifierType,
		AppID: b.AppID, Metadata: b.Metadata, Settings: b.Settings.over(vault.Settings{}), TestMode: b.TestMode,
	}
	if b.AppID != "" {
		if app, err := c.App(ctx, b.AppID); err != nil || app.Connector != con.Key {
			return vault.Account{}, problem(http.StatusUnprocessableEntity, "APP_NOT_FOUND", "There is no such app of this connector here.").at("body.app_id", "is no app of this connector")
		}
	}
	if b.TestMode {
		b.Credentials = madeUp(opt, b.Credentials)
	}
	if b.Credentials == nil {
		return c.CreateAccount(ctx, n)
	}
	values, err := validated(opt, b.Credentials)
	if err != nil {
		return vault.Account{}, err
	}
	n.Credentials = credentialsOf(opt, values)
	switch {
	case b.TestMode:
		n.Connected = &vault.Connection{}
	case b.Test == nil || *b.Test:
		if n.Connected, err = a.prove(ctx, con, opt, values, b.AppID); err != nil {
			return vault.Account{}, err
		}
	}
	return c.CreateAccount(ctx, n)
}

// option finds a connector, built in or custom, and one of its options.
func (a *API) option(ctx context.Context, c *Caller, key, name string) (*providers.Connector, *providers.Option, error) {
	con, err := a.connector(ctx, c, key)
	if err != nil {
		if errors.Is(err, vault.ErrNotFound) {
			err = problem(http.StatusUnprocessableEntity, "CONNECTOR_NOT_FOUND", "There is no connector of that key; GET "+Base+"/connectors lists them.").at("body.connector", "is no connector")
		}
		return nil, nil, err
	}
	opt, ok := con.Option(name)
	if !ok {
		return nil, nil, problem(http.StatusUnprocessableEntity, "OPTION_NOT_FOUND", "This connector has the options "+con.OptionNames()+".").at("body.option", "is none of "+con.OptionNames())
	}
	return con, opt, nil
}

// validated checks what was pasted against the option's fields.
func validated(opt *providers.Option, pasted map[string]string) (secret.Values, error) {
	values := secret.Values{}
	for name, v := range pasted {
		values[name] = secret.New(v)
	}
	out, err := opt.Validate(values)
	if err == nil {
		return out, nil
	}
	p := problem(http.StatusUnprocessableEntity, "INVALID_CREDENTIALS", "")
	for line := range strings.SplitSeq(err.Error(), "\n") {
		// "field NAME is missing"
		name, rest, _ := strings.Cut(strings.TrimPrefix(line, "field "), " ")
		p.at("body.credentials."+name, rest)
	}
	p.Detail = sentence(err.Error())
	return nil, p
}

// credentialsOf sorts values into those that are secret and those that are shown.
func credentialsOf(opt *providers.Option, values secret.Values) *vault.Credentials {
	c := &vault.Credentials{Fields: map[string]string{}, Secrets: maps.Clone(values)}
	for _, f := range opt.Fields {
		if v, ok := values[f.Name]; ok && !f.Secret {
			c.Fields[f.Name] = v.Reveal()
			delete(c.Secrets, f.Name)
		}
	}
	return c
}

// madeUp fills in the fields of an account in test mode.
func madeUp(opt *providers.Option, pasted map[string]string) map[string]string {
	out := maps.Clone(pasted)
	if out == nil {
		out = map[string]string{}
	}
	for _, f := range opt.Fields {
		if out[f.Name] != "" || f.Optional {
			continue
		}
		switch {
		case f.Default != "":
			out[f.Name] = f.Default
		case len(f.Enum) > 0:
			out[f.Name] = f.Enum[0]
		case f.Format == "email":
			out[f.Name] = "test@example.com"
		case f.Format == "uri" || f.Format == "url":
			out[f.Name] = "https://test.example.com"
		default:
			out[f.Name] = madeUpText(f.Pattern)
		}
	}
	return out
}

// madeUpText is a value that fits a pattern, if that is one of the usual ones.
// Otherwise it is empty, and the caller must send the field.
func madeUpText(pattern string) string {
	random := strings.ToLower(rand.Text())
	for _, s := range []string{"test_" + random, "test-" + random, "test" + random, "https://test.example.com", "test.example.com", "100000001", "test"} {
		if ok, err := regexp.MatchString(pattern, s); ok || err != nil {
			return s
		}
	}
	return ""
}

// prove runs the test request. It returns nil, nil where the connector needs a
// person or a token endpoint first.
func (a *API) prove(ctx context.Context, con *providers.Connector, opt *providers.Option, values secret.Values, appID string) (*vault.Connection, error) {
	if needsPerson(opt) {
		return nil, nil
	}
	t := Trial{Connector: con, Option: opt, Fields: values}
	if appID != "" {
		app, secrets, err := a.v.UnsealApp(ctx, appID)
		if err != nil {
			return nil, err
		}
		t.App = appValues(app, secrets)
	}
	v, err := a.try(ctx, t)
	if err != nil {
		return nil, err
	}
	return &vault.Connection{Provider: &v.Provider}, nil
}

// appValues are an app's values as OAuth wants them.
func appValues(app vault.App, secrets secret.Values) secret.Values {
	out := maps.Clone(secrets)
	if out == nil {
		out = secret.Values{}
	}
	for name, v := range app.Params {
		out[name] = secret.New(v)
	}
	if app.ClientID != "" {
		out["client_id"] = secret.New(app.ClientID)
	}
	return out
}

// needsPerson reports whether only a person in a browser can finish connecting.
func needsPerson(opt *providers.Option) bool {
	switch opt.Type {
	case providers.TypeOAuth1, providers.TypeMCP:
		return true
	case providers.TypeOAuth2:
		grant := opt.OAuth.GrantType()
		return grant == "authorization_code" || grant == "device_code"
	}
	return false
}

// try runs a test and makes problems of its failures.
func (a *API) try(ctx context.Context, t Trial) (Verdict, error) {
	if a.c.Tester == nil {
		return Verdict{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 45*time.Second)
	defer cancel()
	v, err := a.c.Tester.Test(ctx, t)
	switch {
	case err != nil:
		a.log.Warn("testing credentials", "connector", t.Connector.Key, "error", err)
		return v, problem(http.StatusBadGateway, "TEST_FAILED", "The test request could not be sent; the log has the cause. Send \"test\": false to store the credentials without a test.")
	case !v.Tested || v.OK:
		return v, nil
	case v.Rejected:
		return v, problem(http.StatusUnprocessableEntity, "CREDENTIALS_REJECTED", sentence("the service does not take these credentials: "+v.Problem))
	}
	return v, problem(http.StatusBadGateway, "TEST_FAILED", sentence("the test request did not succeed: "+v.Problem))
}

type patchAccountIn struct {
	PathID
	IfMatch
	Body PatchAccount
}

func (a *API) patchAccount(ctx context.Context, c *Caller, in *patchAccountIn) (*accountOut, error) {
	if err := a.editable(in.ID); err != nil {
		return nil, err
	}
	version, err := in.editVersion(in.Body.Version)
	if err != nil {
		return nil, err
	}
	e := vault.AccountEdit{Name: in.Body.Name, Identifier: in.Body.Identifier, IdentifierType: in.Body.IdentifierType, Metadata: in.Body.Metadata}
	if in.Body.Settings != nil {
		before, err := c.Account(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		merged := in.Body.Settings.over(before.Settings)
		e.Settings = &merged
		if version == 0 { // what was merged must still be so
			version = before.Version
		}
	}
	acct, err := c.UpdateAccount(ctx, in.ID, version, e)
	if err != nil {
		return nil, err
	}
	return a.shown(ctx, c, acct)
}

type deleteIn struct {
	PathID
	IfMatch
}

func (a *API) deleteAccount(ctx context.Context, c *Caller, in *deleteIn) (*nothing, error) {
	if err := a.editable(in.ID); err != nil {
		return nil, err
	}
	version, err := in.version()
	if err != nil {
		return nil, err
	}
	return &nothing{}, c.DeleteAccount(ctx, in.ID, version)
}

type setCredentialsIn struct {
	PathID
	IfMatch
	Body struct {
		Credentials map[string]string `json:"credentials" writeOnly:"true" doc:"All of the option's fields."`
		Option      string            `json:"option,omitempty" doc:"Another way to authenticate; default: the account's."`
		Test        *bool             `json:"test,omitempty" doc:"Whether they are tested first; default true."`
		Version     int64             `json:"version,omitempty" doc:"The version that is edited; or use If-Match."`
	}
}

func (a *API) setCredentials(ctx context.Context, c *Caller, in *setCredentialsIn) (*accountOut, error) {
	if err := a.editable(in.ID); err != nil {
		return nil, err
	}
	version, err := in.editVersion(in.Body.Version)
	if err != nil {
		return nil, err
	}
	acct, err := c.Account(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if acct.State == vault.Suspended {
		return nil, suspended
	}
	name := in.Body.Option
	if name == "" {
		name = acct.Option
	}
	con, opt, err := a.option(ctx, c, acct.Connector, name)
	if err != nil {
		return nil, err
	}
	values, err := validated(opt, in.Body.Credentials)
	if err != nil {
		return nil, err
	}
	var proof *vault.Connection
	if in.Body.Test == nil || *in.Body.Test {
		if proof, err = a.prove(ctx, con, opt, values, acct.AppID); err != nil {
			return nil, err
		}
	}
	if version == 0 {
		version = acct.Version // the account that was looked at
	}
	cred := credentialsOf(opt, values)
	cred.Option = opt.Name
	if proof == nil {
		acct, err = c.SetCredentials(ctx, in.ID, version, *cred)
	} else {
		proof.Credentials = cred
		acct, err = c.Connect(ctx, in.ID, version, *proof)
	}
	if err != nil {
		return nil, err
	}
	return a.shown(ctx, c, acct)
}

var suspended = problem(http.StatusConflict, "ACCOUNT_SUSPENDED", "The account is suspended. Resume it first.")
