package api

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/attache-proxy/attache/caddymodule/admin/paths"
	"github.com/attache-proxy/attache/caddymodule/admin/rest"
	"github.com/attache-proxy/attache/caddymodule/admin/signin"
	"github.com/attache-proxy/attache/resolver/connect"
	"github.com/attache-proxy/attache/resolver/problem"
	"github.com/attache-proxy/attache/resolver/vault"
)

func mountAccounts(a *API) {
	rest.Register(a.rest, rest.Operation{ID: "list-accounts", Method: http.MethodGet, Path: "/accounts", Role: vault.RoleViewer, Noun: "ACCOUNT", Summary: "List accounts",
		Detail: "In the order in which they were made. Accounts of the configuration file come first and are read-only."}, a.listAccounts)
	rest.Register(a.rest, rest.Operation{ID: "create-account", Method: http.MethodPost, Path: "/accounts", Role: vault.RoleOperator, Noun: "ACCOUNT", Status: http.StatusCreated, Summary: "Make an account",
		Detail: "Credentials are checked against the connector's fields and by its test request. Those that the service does not take make no account."}, a.createAccount)
	rest.Register(a.rest, rest.Operation{ID: "get-account", Method: http.MethodGet, Path: "/accounts/{id}", Role: vault.RoleViewer, Noun: "ACCOUNT", Summary: "Read an account"}, a.getAccount)
	rest.Register(a.rest, rest.Operation{ID: "update-account", Method: http.MethodPatch, Path: "/accounts/{id}", Role: vault.RoleOperator, Noun: "ACCOUNT", Summary: "Edit an account"}, a.patchAccount)
	rest.Register(a.rest, rest.Operation{ID: "delete-account", Method: http.MethodDelete, Path: "/accounts/{id}", Role: vault.RoleOperator, Noun: "ACCOUNT", Status: http.StatusNoContent, Summary: "Delete an account",
		Detail: "Deletes its secrets, grants and usage too. Tokens are taken back at the service first, as by revoke, which may take up to 40 s; the audit (account.service_revocation) and the header Attache-At-Service say what came of it. It is deleted in every case."}, a.deleteAccount)
	rest.Register(a.rest, rest.Operation{ID: "set-credentials", Method: http.MethodPut, Path: "/accounts/{id}/credentials", Role: vault.RoleOperator, Noun: "ACCOUNT", Summary: "Replace an account's credentials",
		Detail: "They are tested first; those that the service does not take change nothing."}, a.setCredentials)
}

type accountOut struct {
	ETag     string `header:"ETag"`
	Location string `header:"Location"`
	Body     Account
}

// shown is the answer with one account, its secrets' fingerprints included.
func (a *API) shown(ctx context.Context, c *signin.Caller, acct vault.Account) (*accountOut, error) {
	infos, err := c.AccountSecrets(ctx, acct.ID)
	if err != nil {
		return nil, err
	}
	out := &accountOut{ETag: rest.Etag(acct.Version), Body: AccountOf(acct)}
	out.Body.Secrets = secretsOf(infos)
	return out, nil
}

type listAccountsIn struct {
	rest.PageQuery
	Connector      string    `query:"connector"`
	State          []string  `query:"state" doc:"One or several states, separated by commas."`
	Status         []string  `query:"status" doc:"The same as state."`
	Identifier     string    `query:"identifier"`
	IdentifierType string    `query:"identifier_type" enum:"user,org,custom"`
	Organisation   string    `query:"organisation"`
	Name           string    `query:"name"`
	TestMode       string    `query:"test_mode" enum:"true,false"`
	ExpiresBefore  time.Time `query:"expires_before"`
	Q              string    `query:"q" maxLength:"128" doc:"Part of a name, an identifier, a connector's key, or a label or e-mail address at the service."`
	Sort           string    `query:"sort" enum:"created,-created,name,-name" doc:"Default: created, the oldest first. A cursor belongs to its order."`
}

func (a *API) listAccounts(ctx context.Context, c *signin.Caller, in *listAccountsIn) (*rest.ListOut[Account], error) {
	f := vault.AccountFilter{
		Connector: in.Connector, Identifier: in.Identifier, IdentifierType: in.IdentifierType, Organisation: in.Organisation, Name: in.Name,
		ExpiresBefore: in.ExpiresBefore, Words: strings.TrimSpace(in.Q),
	}
	for _, s := range append(in.State, in.Status...) {
		if !isState(s) {
			return nil, problem.New(http.StatusUnprocessableEntity, "INVALID_INPUT", "A state is one of pending, active, expired, revoked, error, suspended.").At("query.state", "is no state")
		}
		f.States = append(f.States, vault.State(s))
	}
	if in.TestMode != "" {
		test := in.TestMode == "true"
		f.TestMode = &test
	}
	l, err := c.Accounts(ctx, f, in.Ordered(in.Sort))
	out, err := rest.Listed(l, err, AccountOf)
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
func (a *API) fileAccounts(c *signin.Caller, f *vault.AccountFilter) (out []Account) {
	if a.c.Declared == nil || !seesFile(c, f.Organisation) || f.Identifier != "" || f.IdentifierType != "" || !f.ExpiresBefore.IsZero() || f.TestMode != nil && *f.TestMode {
		return nil
	}
	for _, d := range a.c.Declared.Accounts() {
		b := fileAccount(d)
		active := len(f.States) == 0
		for _, s := range f.States {
			active = active || s == vault.Active
		}
		if active && (f.Connector == "" || f.Connector == d.Connector) && (f.Name == "" || f.Name == d.Name) && holds(f.Words, d.Name, d.Connector) {
			out = append(out, b)
		}
	}
	return out
}

// holds reports whether one of the names has text in it, whatever its case.
func holds(text string, names ...string) bool {
	for _, name := range names {
		if strings.Contains(strings.ToLower(name), strings.ToLower(text)) {
			return true
		}
	}
	return false
}

// seesFile reports whether the caller sees what the configuration file declares,
// which belongs to the default organisation.
func seesFile(c *signin.Caller, org string) bool {
	mine := c.Organisation() == vault.All || c.Organisation() == vault.DefaultOrganisation
	return mine && (org == "" || org == vault.DefaultOrganisation)
}

// errReadOnly refuses edits of what the configuration file declares.
var errReadOnly = problem.New(http.StatusConflict, "READ_ONLY", "The configuration file declares this; edit it there.")

// editable refuses ids of the configuration file.
func (a *API) editable(id string) error {
	if strings.HasPrefix(id, vault.FileAgent) {
		return errReadOnly
	}
	return nil
}

// named reads the account that a request acts on, and the version at which it
// wants to find it; 0 is any.
func (a *API) named(ctx context.Context, c *signin.Caller, id string, at rest.IfMatch) (acct vault.Account, version int64, err error) {
	if err = a.editable(id); err != nil {
		return acct, 0, err
	}
	if version, err = at.Version(); err != nil {
		return acct, 0, err
	}
	acct, err = c.Account(ctx, id)
	return acct, version, err
}

func (a *API) getAccount(ctx context.Context, c *signin.Caller, in *rest.PathID) (*accountOut, error) {
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

func (a *API) createAccount(ctx context.Context, c *signin.Caller, in *createAccountIn) (*accountOut, error) {
	acct, err := a.makeAccount(ctx, c, &in.Body)
	if err != nil {
		return nil, err
	}
	out, err := a.shown(ctx, c, acct)
	if err == nil {
		out.Location = paths.API + "/accounts/" + acct.ID
	}
	return out, err
}

// makeAccount validates, tests and stores an account.
func (a *API) makeAccount(ctx context.Context, c *signin.Caller, b *NewAccount) (vault.Account, error) {
	con, opt, err := a.turns.Option(ctx, c.View, b.Connector, b.Option)
	if err != nil {
		return vault.Account{}, err
	}
	n := vault.NewAccount{
		Organisation: b.Organisation, Connector: con.Key, Option: opt.Name, Name: b.Name, Identifier: b.Identifier, IdentifierType: b.IdentifierType,
		AppID: b.AppID, Metadata: b.Metadata, Settings: b.Settings.over(vault.Settings{Budgets: b.Budgets}), TestMode: b.TestMode,
	}
	if len(b.Scopes) > 0 {
		if n.Settings.Scopes, err = asked(opt, b.Scopes); err != nil {
			return vault.Account{}, err
		}
	}
	if b.AppID != "" {
		if app, err := c.App(ctx, b.AppID); err != nil || !app.Serves(con.Key, c.Placed(b.Organisation)) {
			return vault.Account{}, connect.ErrNoSuchApp
		}
	}
	if b.TestMode {
		b.Credentials = connect.TestFields(opt, b.Credentials)
	}
	if b.Credentials == nil {
		return c.CreateAccount(ctx, n)
	}
	values, err := connect.Validated(opt, b.Credentials)
	if err != nil {
		return vault.Account{}, err
	}
	n.Credentials = connect.CredentialsOf(con, opt, values)
	switch {
	case b.TestMode:
		connect.GiveTestToken(opt, n.Credentials)
		n.Connected = &vault.Connection{}
	case b.Test == nil || *b.Test:
		if n.Connected, err = a.turns.Prove(ctx, con, opt, values, c.Placed(b.Organisation), b.AppID); err != nil {
			return vault.Account{}, orUntested(err)
		}
	}
	return c.CreateAccount(ctx, n)
}

type patchAccountIn struct {
	rest.PathID
	rest.IfMatch
	Body PatchAccount
}

func (a *API) patchAccount(ctx context.Context, c *signin.Caller, in *patchAccountIn) (*accountOut, error) {
	if err := a.editable(in.ID); err != nil {
		return nil, err
	}
	version, err := in.EditVersion(in.Body.Version)
	if err != nil {
		return nil, err
	}
	e := vault.AccountEdit{Name: in.Body.Name, Identifier: in.Body.Identifier, IdentifierType: in.Body.IdentifierType, Metadata: in.Body.Metadata,
		ChangeSettings: in.Body.settings}
	acct, err := c.UpdateAccount(ctx, in.ID, version, e)
	if err != nil {
		return nil, err
	}
	return a.shown(ctx, c, acct)
}

type deleteAccountIn struct {
	rest.PathID
	rest.IfMatch
	Revoke bool `query:"revoke" default:"true" doc:"Whether the service is asked to forget the account's tokens. false is for an account that goes on elsewhere, or whose authorization others share."`
}

// deletedAccount has what the service said, where it was asked.
type deletedAccount struct {
	AtService string `header:"Attache-At-Service" enum:"revoked,cannot_revoke,failed,skipped" doc:"What became of the tokens at the service; absent where there were none. skipped: by revoke=false."`
}

func (a *API) deleteAccount(ctx context.Context, c *signin.Caller, in *deleteAccountIn) (*deletedAccount, error) {
	acct, version, err := a.named(ctx, c, in.ID, in.IfMatch)
	if err != nil {
		return nil, err
	}
	result, err := a.turns.Remove(ctx, c.View, acct, version, in.Revoke)
	return &deletedAccount{AtService: result}, err
}
