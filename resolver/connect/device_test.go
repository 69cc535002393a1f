package connect

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/providers/oauth/oauthtest"
	"github.com/attache-proxy/attache/providers/providerstest"
	"github.com/attache-proxy/attache/resolver/vault"
	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
)

// one is a catalogue of one connector, and its service.
type one struct{ c *providers.Connector }

func (o one) Connectors() []*providers.Connector                { return []*providers.Connector{o.c} }
func (o one) Connector(key string) (*providers.Connector, bool) { return o.c, key == o.c.Key }
func (o one) Check(*providers.Definition) (*providers.Connector, error) {
	return o.c, nil
}
func (o one) Sharing(string, *providers.Connector) []string { return nil }
func (o one) Refresh(context.Context, string) error         { return errors.New("not asked for") }
func (o one) Revocation(context.Context, string) (Revocation, error) {
	return nil, oauth.ErrCannotRevoke
}
func (o one) Client(*providers.Connector) oauth.Doer       { return http.DefaultClient }
func (o one) Test(context.Context, Trial) (Verdict, error) { return Verdict{}, nil }

// A replica that asks about a device code keeps the others away for 45 seconds.
// One that died is replaced then, and what it hears later changes nothing.
func TestDeviceClaim(t *testing.T) {
	asked, answer := make(chan int, 10), make(chan struct{})
	idp := oauthtest.New(oauthtest.Options{ClientID: "client-1", Interval: time.Second, Fault: func(c *oauthtest.Call) oauthtest.Fault {
		asked <- c.N
		if c.N == 1 {
			<-answer // its replica hangs, or is gone
		}
		return oauthtest.Fault{}
	}})
	server := httptest.NewServer(idp)
	defer server.Close()
	con := providerstest.Connector(t, strings.ReplaceAll(`
key: cal
hosts: [api.cal.example]
auth:
  device:
    type: oauth2
    grant_type: device_code
    device_url: IDP/device
    token_url: IDP/token
`, "IDP", server.URL))
	clock := vaulttest.NewClock()
	c := vaulttest.SQLite(t)
	c.Now = clock.Now
	v := vaulttest.Open(t, c)
	replica := func() *Turns {
		return New(Config{Vault: v, Catalogue: one{con}, Tester: one{con}, Connections: one{con}, Log: slog.New(slog.DiscardHandler)})
	}
	first, second := replica(), replica()
	s, code := begun(t, first, v)
	idp.Approve(code, "ann")
	read := func() vault.Session {
		t.Helper()
		now, err := v.System().Session(t.Context(), s.ID)
		if err != nil {
			t.Fatal(err)
		}
		return now
	}
	if after, err := first.PollDevice(t.Context(), s); err != nil || len(asked) != 0 || after.Version != s.Version {
		t.Fatalf("before its turn: %d requests, %v", len(asked), err)
	}
	clock.Advance(time.Second)
	done := make(chan vault.Session)
	go func() {
		after, _ := first.PollDevice(t.Context(), s)
		done <- after
	}()
	<-asked
	for _, step := range []struct {
		what    string
		session vault.Session
		later   time.Duration
	}{{"with what it read before", s, 0}, {"while the first asks", read(), 0}, {"just before the claim ends", read(), deviceClaim - time.Millisecond}} {
		clock.Advance(step.later)
		if _, err := second.PollDevice(t.Context(), step.session); err != nil || len(asked) != 0 {
			t.Fatalf("another replica, %s: %d requests, %v", step.what, len(asked), err)
		}
	}
	clock.Advance(time.Millisecond)
	after, err := second.PollDevice(t.Context(), read())
	if err != nil || len(asked) != 1 || after.Stage != vault.SessionDone {
		t.Fatalf("after the claim: %d requests, %s, %v; want one, and done", len(asked), after.Stage, err)
	}
	close(answer)
	if after := <-done; after.Stage != vault.SessionDone {
		t.Errorf("the first replica leaves the session %s", after.Stage)
	}
	acct, err := v.System().Account(t.Context(), s.AccountID)
	if err != nil || acct.State != vault.Active || acct.Generation != 1 {
		t.Errorf("the account is %s with %d credentials, %v; want active with those of the second", acct.State, acct.Generation, err)
	}
}

// begun is an account whose device code was asked for, with the code.
func begun(t *testing.T, a *Turns, v *vault.Vault) (vault.Session, string) {
	t.Helper()
	ctx, view := t.Context(), v.System()
	con := a.c.Catalogue.Connectors()[0]
	hosts, err := con.FixHosts(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := view.CreateApp(ctx, vault.App{Connector: con.Key, Mode: vault.AppManaged, Name: "default", ClientID: "client-1", Hosts: hosts, Checked: con.Digest()}, nil); err != nil {
		t.Fatal(err)
	}
	acct, err := view.CreateAccount(ctx, vault.NewAccount{Connector: con.Key, Option: "device", Name: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	sub, err := a.Subject(ctx, view, acct.ID, Choice{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := a.Begin(ctx, sub, "https://attache.example/callback", nil)
	if err != nil {
		t.Fatal(err)
	}
	s, _, err := view.CreateSession(ctx, vault.NewSession{AccountID: acct.ID, Flow: b.Edit.Flow, Lifetime: time.Hour})
	if err == nil {
		s, err = v.UpdateSession(ctx, s.ID, s.Version, b.Edit)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s, s.Data.UserCode
}
