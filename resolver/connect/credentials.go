package connect

import (
	"context"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/problem"
	"github.com/attache-proxy/attache/resolver/vault"
)

// Validated checks what was pasted against the option's fields.
func Validated(opt *providers.Option, pasted map[string]string) (secret.Values, error) {
	values := secret.Values{}
	for name, v := range pasted {
		values[name] = secret.New(v)
	}
	out, err := opt.Validate(values)
	if err == nil {
		return out, nil
	}
	p := problem.New(http.StatusUnprocessableEntity, "INVALID_CREDENTIALS", "")
	for line := range strings.SplitSeq(err.Error(), "\n") {
		// "field NAME is missing"
		name, rest, _ := strings.Cut(strings.TrimPrefix(line, "field "), " ")
		p.At("body.credentials."+name, rest)
	}
	p.Detail = problem.Sentence(strings.ReplaceAll(err.Error(), "\n", "; "))
	return nil, p
}

// CredentialsOf sorts values into those that are secret and those that are shown.
func CredentialsOf(con *providers.Connector, opt *providers.Option, values secret.Values) *vault.Credentials {
	c := &vault.Credentials{Checked: con.Digest(), Fields: map[string]string{}, Secrets: maps.Clone(values)}
	for _, f := range opt.Fields {
		if v, ok := values[f.Name]; ok && !f.Secret {
			c.Fields[f.Name] = v.Reveal()
			delete(c.Secrets, f.Name)
		}
	}
	return c
}

// Prove runs the test request with the app of that id, or else the one of the
// connector's mode, as calls will be made, for an account of organisation org. It returns nil, nil where the connector needs a
// person or a token endpoint first.
func (a *Turns) Prove(ctx context.Context, con *providers.Connector, opt *providers.Option, values secret.Values, org, appID string) (*vault.Connection, error) {
	if NeedsPerson(opt) {
		return nil, nil
	}
	t := Trial{Connector: con, Option: opt, Fields: values}
	if appID == "" && opt.OAuth != nil {
		apps, err := a.v.AppsFor(ctx, con.Key, org)
		if err != nil {
			return nil, err
		}
		if len(apps) > 0 {
			appID = apps[0].ID
		}
	}
	if appID != "" {
		app, secrets, err := a.v.UnsealApp(ctx, appID, con)
		switch {
		case err != nil:
			return nil, err
		case !app.Serves(con.Key, org):
			return nil, ErrNoSuchApp
		}
		t.App = app.Client(secrets)
	}
	v, err := a.Test(ctx, t)
	if err != nil {
		return nil, err
	}
	c := &vault.Connection{}
	if v.Tested {
		c.Provider = &v.Provider
	}
	return c, nil
}

// try runs a test and makes problems of its failures.
func (a *Turns) Test(ctx context.Context, t Trial) (Verdict, error) {
	if a.c.Tester == nil {
		return Verdict{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 45*time.Second)
	defer cancel()
	v, err := a.c.Tester.Test(ctx, t)
	switch {
	case err != nil:
		a.log.Warn("testing credentials", "connector", t.Connector.Key, "error", err)
		return v, problem.New(http.StatusBadGateway, "TEST_FAILED", "The test request could not be sent; the log has the cause.")
	case !v.Tested && !v.Asked || v.OK:
		return v, nil
	case v.Unfit:
		return v, problem.New(http.StatusUnprocessableEntity, "INVALID_CREDENTIALS", problem.Sentence("these credentials cannot be sent: "+v.Why()))
	case v.Rejected:
		return v, problem.New(http.StatusUnprocessableEntity, "CREDENTIALS_REJECTED", problem.Sentence("the service does not take these credentials: "+v.Why()))
	}
	if v.Asked {
		return v, problem.New(http.StatusBadGateway, "TEST_FAILED", problem.Sentence("no token came: "+v.Why()))
	}
	return v, problem.New(http.StatusBadGateway, "TEST_FAILED", problem.Sentence("the test request did not succeed: "+v.Why()))
}

var ErrSuspended = problem.New(http.StatusConflict, "ACCOUNT_SUSPENDED", "The account is suspended. Resume it first.")
