package admin_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/attache-proxy/attache/caddymodule/admin"
	"github.com/attache-proxy/attache/providers/oauth/oauthtest"
	"github.com/attache-proxy/attache/resolver/vault"
	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
)

// ended waits until a session is over and returns it.
func (f *flows) ended(session string) *answer {
	f.t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		s := f.want(200, "", "GET", "/connect/sessions/"+session, "")
		if s.str("status") != "authorizing" || time.Now().After(end) {
			return s
		}
	}
}

func (f *flows) beginDevice(account string) *answer {
	f.t.Helper()
	a := f.want(200, "", "POST", "/accounts/"+account+"/authorize", `{"option":"device"}`)
	if a.str("flow") != "device_code" || a.str("user_code") == "" || a.str("verification_uri") != f.idpURL+"/verify" || a.get("interval") != 1.0 {
		f.t.Errorf("authorize = %s", a.raw)
	}
	return a
}

// The server itself asks the service until the person has decided.
func TestDeviceFlow(t *testing.T) {
	t.Parallel()
	vaulttest.Each(t, func(t *testing.T, c vault.Config) {
		f := newFlows(t, c, oauthtest.Options{Lifetime: time.Hour})
		a := f.beginDevice(f.account)
		time.Sleep(1500 * time.Millisecond) // one poll finds nothing
		f.wantAccount(f.account, "pending", "")
		f.idp.Approve(a.str("user_code"), "ann")
		if s := f.ended(a.str("session_id")); s.str("status") != "done" || s.str("user_code") != "" {
			t.Errorf("session = %s, want done", s.raw)
		}
		if acct := f.wantAccount(f.account, "active", "ann"); acct.str("option") != "device" {
			t.Errorf("account = %s, want the option device", acct.raw)
		}

		denied := f.newAccount("device")
		a = f.beginDevice(denied)
		f.idp.Approve(a.str("user_code"), "")
		if s := f.ended(a.str("session_id")); s.str("status") != "failed" || s.str("error.code") != "AUTHORIZATION_DENIED" {
			t.Errorf("session = %s, want denied", s.raw)
		}
		f.wantAccount(denied, "pending", "")
	})
}

// A code that nobody confirms ends: by our own clock, and where the service says
// so first.
func TestDeviceExpires(t *testing.T) {
	t.Parallel()
	f := newFlows(t, vaulttest.SQLite(t), oauthtest.Options{})
	a := f.beginDevice(f.account)
	_, err := f.v.UpdateSession(t.Context(), a.str("session_id"), 0, vault.SessionEdit{Data: func(d *vault.SessionData) { d.Until = time.Now().Unix() - 1 }})
	if err != nil {
		t.Fatal(err)
	}
	if s := f.ended(a.str("session_id")); s.str("error.code") != "AUTHORIZATION_EXPIRED" {
		t.Errorf("session = %s, want expired", s.raw)
	}
	f.idp.SetFault(func(*oauthtest.Call) oauthtest.Fault {
		return oauthtest.Fault{Answer: &oauthtest.Answer{Status: 400, Header: http.Header{"Content-Type": {"application/json"}}, Body: `{"error":"expired_token"}`}}
	})
	a = f.beginDevice(f.account)
	if s := f.ended(a.str("session_id")); s.str("error.code") != "AUTHORIZATION_EXPIRED" {
		t.Errorf("session = %s, want expired", s.raw)
	}
	f.wantAccount(f.account, "pending", "")
}

// slow_down makes us slower by five seconds; an endpoint that is away does not
// end the session.
func TestDeviceSlowDown(t *testing.T) {
	t.Parallel()
	f := newFlows(t, vaulttest.SQLite(t), oauthtest.Options{})
	answers := []oauthtest.Answer{
		{Status: 503, Body: "away"},
		{Status: 400, Header: http.Header{"Content-Type": {"application/json"}}, Body: `{"error":"slow_down"}`},
	}
	asked := make(chan time.Time, 10)
	f.idp.SetFault(func(c *oauthtest.Call) oauthtest.Fault {
		asked <- time.Now()
		if c.N > len(answers) {
			return oauthtest.Fault{}
		}
		return oauthtest.Fault{Answer: &answers[c.N-1]}
	})
	a := f.beginDevice(f.account)
	f.idp.Approve(a.str("user_code"), "ann")
	first, second := <-asked, <-asked
	if gap := second.Sub(first); gap < 1900*time.Millisecond {
		t.Errorf("after an endpoint that was away it was asked again in %v, want 2 s at least", gap)
	}
	for until := time.Now().Add(5 * time.Second); ; time.Sleep(20 * time.Millisecond) { // the answer is still being written down
		s := f.want(200, "", "GET", "/connect/sessions/"+a.str("session_id"), "")
		if s.get("interval") == 7.0 {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("after slow_down the interval is %v s, want 7", s.get("interval"))
		}
	}
	if s := f.ended(a.str("session_id")); s.str("status") != "done" {
		t.Errorf("session = %s, want done", s.raw)
	}
	if gap := (<-asked).Sub(second); gap < 6900*time.Millisecond {
		t.Errorf("after slow_down it was asked again in %v, want 7 s", gap)
	}
}

// A replica dies while it asks: another one goes on, and a call for the status
// does too.
func TestDeviceTakeover(t *testing.T) {
	t.Parallel()
	f := newFlows(t, vaulttest.SQLite(t), oauthtest.Options{})
	// Begun at a replica that does not run, so that nobody polls.
	dead := admin.New(admin.Config{Vault: f.v, Catalogue: f.catalogue, Tester: f, Connections: f, Declared: declared{}, HTTP: http.DefaultClient})
	old := f.server.Config.Handler
	f.server.Config.Handler = dead
	a := f.beginDevice(f.account)
	f.idp.Approve(a.str("user_code"), "ann")
	f.server.Config.Handler = old
	until := time.Now().Add(15 * time.Second)
	for time.Now().Before(until) {
		s, err := f.v.System().Session(t.Context(), a.str("session_id"))
		if err != nil {
			t.Fatal(err)
		}
		if s.Stage == vault.SessionDone {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	f.wantAccount(f.account, "active", "ann")

	// Nobody runs, somebody asks for the status.
	f.stop()
	b := f.beginDevice(f.newAccount("device"))
	f.idp.Approve(b.str("user_code"), "bob")
	if s := f.ended(b.str("session_id")); s.str("status") != "done" {
		t.Errorf("session = %s, want done", s.raw)
	}
	// Two at once: one of them asks.
	before := f.idp.Stats().TokenRequests
	b = f.beginDevice(f.newAccount("device"))
	time.Sleep(1100 * time.Millisecond)
	done := make(chan struct{})
	for range 8 {
		go func() {
			req, _ := http.NewRequest("GET", f.server.URL+"/api/v1/connect/sessions/"+b.str("session_id"), nil)
			req.Header.Set("Authorization", "Bearer "+f.token)
			if res, err := http.DefaultClient.Do(req); err == nil {
				res.Body.Close()
			}
			done <- struct{}{}
		}()
	}
	for range 8 {
		<-done
	}
	if n := f.idp.Stats().TokenRequests - before; n != 1 {
		t.Errorf("eight calls at once made %d polls, want 1", n)
	}
}
