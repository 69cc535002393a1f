package admin

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault"
)

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
	p.Detail = sentence(strings.ReplaceAll(err.Error(), "\n", "; "))
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
		return v, problem(http.StatusBadGateway, "TEST_FAILED", "The test request could not be sent; the log has the cause.")
	case !v.Tested || v.OK:
		return v, nil
	case v.Unfit:
		return v, problem(http.StatusUnprocessableEntity, "INVALID_CREDENTIALS", sentence("these credentials cannot be sent: "+v.problem()))
	case v.Rejected:
		return v, problem(http.StatusUnprocessableEntity, "CREDENTIALS_REJECTED", sentence("the service does not take these credentials: "+v.problem()))
	}
	return v, problem(http.StatusBadGateway, "TEST_FAILED", sentence("the test request did not succeed: "+v.problem()))
}

// orUntested adds to a test that failed how to do without.
func orUntested(err error) error {
	var p *Problem
	if !errors.As(err, &p) || p.Code != "TEST_FAILED" {
		return err
	}
	told := *p
	told.Detail += " Nothing was stored. Try again, or send \"test\": false to store the credentials untested: POST …/test tests them later, POST …/activate lets them work without."
	return &told
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
			return nil, orUntested(err)
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
