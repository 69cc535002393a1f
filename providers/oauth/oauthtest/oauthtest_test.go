package oauthtest_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/attache-proxy/attache/providers/oauth/oauthtest"
)

// ask posts a form and decodes the answer.
func ask(t *testing.T, u string, form url.Values) (int, map[string]any) {
	t.Helper()
	resp, err := http.PostForm(u, form)
	if err != nil {
		return 0, nil
	}
	defer resp.Body.Close()
	var m map[string]any
	_ = json.NewDecoder(resp.Body).Decode(&m)
	return resp.StatusCode, m
}

func refresh(token string) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
}

func TestReuseKillsTheFamily(t *testing.T) {
	e := oauthtest.New(oauthtest.Options{Rotate: true, Lifetime: time.Hour})
	srv := httptest.NewServer(e)
	defer srv.Close()
	r1, _ := e.Issue("a")
	other, _ := e.Issue("b")
	status, m := ask(t, srv.URL+"/token", refresh(r1))
	if status != 200 || m["refresh_token"] == r1 || m["expires_in"] != 3600.0 {
		t.Fatalf("refresh = %d %v", status, m)
	}
	token := m["access_token"].(string)
	if account, ok := e.Check(token); !ok || account != "a" {
		t.Errorf("Check() = %q, %v, want a", account, ok)
	}
	if status, _ := ask(t, srv.URL+"/token", refresh(r1)); status != 400 {
		t.Errorf("an old refresh token = %d, want 400", status)
	}
	if _, ok := e.Check(token); ok {
		t.Error("the family lives on after reuse")
	}
	if status, _ := ask(t, srv.URL+"/token", refresh(m["refresh_token"].(string))); status != 400 {
		t.Errorf("the current refresh token after reuse = %d, want 400", status)
	}
	if status, _ := ask(t, srv.URL+"/token", refresh(other)); status != 200 {
		t.Errorf("another family = %d, want 200", status)
	}
	s := e.Stats()
	if s.Killed != 1 || s.KilledAfterLoss != 0 || s.Reuses != 1 || s.Refreshes != 2 || s.Early != 2 || s.TokenRequests != 4 {
		t.Errorf("stats = %+v", s)
	}
}

func TestLostAnswerIsToldApart(t *testing.T) {
	e := oauthtest.New(oauthtest.Options{Rotate: true})
	srv := httptest.NewServer(e)
	defer srv.Close()
	r1, _ := e.Issue("a")
	e.SetFault(func(*oauthtest.Call) oauthtest.Fault { return oauthtest.Fault{DropAfter: true} })
	if status, _ := ask(t, srv.URL+"/token", refresh(r1)); status != 0 {
		t.Errorf("a dropped answer = %d, want none", status)
	}
	e.SetFault(nil)
	if status, _ := ask(t, srv.URL+"/token", refresh(r1)); status != 400 {
		t.Errorf("after a lost answer = %d, want 400", status)
	}
	if s := e.Stats(); s.Lost != 1 || s.Killed != 1 || s.KilledAfterLoss != 1 || s.Faults != 1 {
		t.Errorf("stats = %+v", s)
	}
}

func TestDropBeforeHasNoEffect(t *testing.T) {
	e := oauthtest.New(oauthtest.Options{Rotate: true})
	srv := httptest.NewServer(e)
	defer srv.Close()
	r1, _ := e.Issue("a")
	e.SetFault(func(c *oauthtest.Call) oauthtest.Fault { return oauthtest.Fault{DropBefore: c.Account == "a"} })
	ask(t, srv.URL+"/token", refresh(r1))
	e.SetFault(nil)
	if status, _ := ask(t, srv.URL+"/token", refresh(r1)); status != 200 {
		t.Errorf("after a request that did not arrive = %d, want 200", status)
	}
}

func TestControl(t *testing.T) {
	e := oauthtest.New(oauthtest.Options{Rotate: true})
	srv, control := httptest.NewServer(e), httptest.NewServer(e.Control())
	defer srv.Close()
	defer control.Close()
	_, m := ask(t, control.URL+"/issue", url.Values{"account": {"a"}})
	resp, err := http.Post(control.URL+"/chances", "application/json", strings.NewReader(`{"error":1}`))
	if err != nil || resp.StatusCode != 200 {
		t.Fatal(err, resp.StatusCode)
	}
	if status, _ := ask(t, srv.URL+"/token", refresh(m["refresh_token"].(string))); status < 429 {
		t.Errorf("status = %d, want a fault", status)
	}
	_, _ = http.Post(control.URL+"/chances", "application/json", strings.NewReader(`{}`))
	if status, _ := ask(t, srv.URL+"/token", refresh(m["refresh_token"].(string))); status != 200 {
		t.Errorf("status = %d, want 200", status)
	}
	var s oauthtest.Stats
	resp, err = http.Get(control.URL + "/stats")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil || s.Faults != 1 || s.Families["a"].Refreshes != 1 {
		t.Errorf("stats = %+v, %v", s, err)
	}
}
