package oauth_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/providers/secret"
)

// TestPending polls through a script of answers and looks at the pauses.
func TestPending(t *testing.T) {
	const pending, slow = `{"error":"authorization_pending"}`, `{"error":"slow_down"}`
	for name, c := range map[string]struct {
		answers []string // "500 …" for another status than 400
		pauses  []int    // seconds
		wantErr string
	}{
		"at once":          {[]string{`200 {"access_token":"t1"}`}, []int{5}, ""},
		"pending":          {[]string{pending, pending, `200 {"access_token":"t1"}`}, []int{5, 5, 5}, ""},
		"slow_down stays":  {[]string{slow, pending, slow, `200 {"access_token":"t1"}`}, []int{5, 10, 10, 15}, ""},
		"GitHub slow_down": {[]string{`200 {"error":"slow_down","interval":12}`, `200 {"error":"authorization_pending"}`, `200 {"access_token":"t1"}`}, []int{5, 12, 12}, ""},
		"an outage":        {[]string{`500 {}`, `500 {}`, `200 {"access_token":"t1"}`}, []int{5, 10, 20}, ""},
		"denied":           {[]string{pending, `{"error":"access_denied"}`}, []int{5, 5}, "access_denied"},
		"expired":          {[]string{`{"error":"expired_token"}`}, []int{5}, "expired_token"},
		"declined":         {[]string{`{"error":"authorization_declined"}`}, []int{5}, "authorization_declined"},
		"nobody comes":     {[]string{slow, slow, slow}, []int{5, 10, 15}, "expired_token"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg, err := oauth.Compile(oauth.Spec{GrantType: "device_code", DeviceURL: "https://auth.example/d", TokenURL: "https://auth.example/t", TokenAuth: "none"})
				if err != nil {
					t.Fatal(err)
				}
				last, n := time.Now(), 0
				send := doer(func(r *http.Request) (*http.Response, error) {
					if n >= len(c.answers) {
						t.Fatal("too many polls")
					}
					if got := int(time.Since(last).Seconds()); got != c.pauses[n] {
						t.Errorf("pause %d = %d s, want %d s", n, got, c.pauses[n])
					}
					last = time.Now()
					status, body := 400, c.answers[n]
					if s, rest, ok := strings.Cut(body, " {"); ok {
						status, body = map[string]int{"200": 200, "500": 500}[s], "{"+rest
					}
					n++
					return reply(status, body), nil
				})
				d := &oauth.Device{Code: secret.New("d1"), Interval: 5 * time.Second, Expiry: time.Now().Add(45 * time.Second)}
				tok, err := poll(t.Context(), cfg, oauth.Request{HTTP: send, App: secret.Values{"client_id": secret.New("id")}}, d)
				switch {
				case c.wantErr == "" && err != nil:
					t.Errorf("poll() = %v", err)
				case c.wantErr == "" && tok.Credential.Token.Reveal() != "t1":
					t.Errorf("token = %q", tok.Credential.Token.Reveal())
				case c.wantErr != "" && (err == nil || !strings.Contains(err.Error(), c.wantErr)):
					t.Errorf("poll() = %v, want %s", err, c.wantErr)
				}
				if n != len(c.answers) {
					t.Errorf("polls = %d, want %d", n, len(c.answers))
				}
			})
		})
	}
}

// poll asks until the person has decided or the code has expired, as Pending says.
func poll(ctx context.Context, cfg *oauth.Config, req oauth.Request, d *oauth.Device) (*oauth.Token, error) {
	req.DeviceCode = d.Code
	for interval := d.Interval; ; {
		time.Sleep(interval)
		if !time.Now().Before(d.Expiry) {
			return nil, &oauth.Error{Code: "expired_token"}
		}
		tok, err := cfg.Token(ctx, req)
		again := false
		if interval, again = oauth.Pending(err, interval); !again {
			return tok, err
		}
	}
}
