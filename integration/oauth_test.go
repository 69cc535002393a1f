package integration_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// The ways in which a client may present itself at the token endpoint.
func TestClientCredentials(t *testing.T) {
	integration(t)
	post := func(_ *http.Request, form url.Values) bool {
		return form.Get("client_id") == clientID && form.Get("client_secret") == clientSecret
	}
	for name, c := range map[string]struct {
		options string
		check   func(*http.Request, url.Values) bool
	}{
		"secret in the body": {"header_as_payload off", func(r *http.Request, form url.Values) bool {
			return post(r, form) && r.Header.Get("Authorization") == "" && r.Header.Get("Content-Type") == "application/x-www-form-urlencoded"
		}},
		"secret in the header": {"header_as_payload on", func(r *http.Request, form url.Values) bool {
			return basic(clientID, clientSecret)(r) && form.Get("client_secret") == ""
		}},
		"JSON": {"header_as_payload off\ncontent_type application/json", func(r *http.Request, form url.Values) bool {
			return post(r, form) && r.Header.Get("Content-Type") == "application/json"
		}},
		"scopes": {"header_as_payload off\nscope \"read:user write:repo\"", func(r *http.Request, form url.Values) bool {
			return post(r, form) && form.Get("scope") == "read:user write:repo"
		}},
		"extra parameters": {"header_as_payload off\nparam audience https://api.test/", func(r *http.Request, form url.Values) bool {
			return post(r, form) && form.Get("audience") == "https://api.test/"
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newTokenServer(t)
			s.check = c.check
			a := s.proxy(t, c.options)
			r := a.curl(t, a.URL+"/api/whoami")
			checkCurl(t, r, authenticated+"\n200 1.1")
			if s.Wrong != "" {
				t.Errorf("the token request was %s", s.Wrong)
			}
			checkCurl(t, a.curl(t, a.URL+"/api/whoami"), authenticated+"\n200 1.1")
			if n := s.Issued(); n != 1 {
				t.Errorf("%d token requests for two calls, want 1", n)
			}
		})
	}
}

// Fifty callers at once, one token request; it goes on when the first caller
// has hung up.
func TestOneTokenRequest(t *testing.T) {
	integration(t)
	s := newTokenServer(t)
	s.slow = time.Second
	a := s.proxy(t, "header_as_payload off")
	impatient := client{}.run(t, "curl", "-sS", "--max-time", "0.2", a.URL+"/api/whoami")
	if impatient.Code != 28 {
		t.Errorf("the first caller did not hang up: %v", impatient)
	}
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			res, err := a.plainClient(t).Get(a.URL + "/api/whoami")
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			if res.StatusCode != 200 {
				t.Errorf("status %s", res.Status)
			}
		})
	}
	wg.Wait()
	if n := s.Issued(); n != 1 {
		t.Errorf("%d token requests for 51 callers at once, want 1", n)
	}
}

// A 401 of the service forces one new token and one more try; a token that is
// refused for ever is not asked for again and again.
func TestRefreshAfter401(t *testing.T) {
	integration(t)
	s := newTokenServer(t)
	a := s.proxy(t, "header_as_payload off")
	checkCurl(t, a.curl(t, a.URL+"/api/whoami"), authenticated+"\n200 1.1")
	s.refuse("minted-1")
	checkCurl(t, a.curl(t, "-d", "a body that is sent again", a.URL+"/api/whoami"), authenticated+"\n200 1.1")
	if n := s.Issued(); n != 2 {
		t.Errorf("%d token requests, want 2", n)
	}
	if got := s.Service.last(t).Body; got != "a body that is sent again" {
		t.Errorf("the second try had the body %q", got)
	}
	for i := range 20 {
		s.refuse(fmt.Sprintf("minted-%d", i))
	}
	before := s.Issued()
	for range 5 {
		r := a.curl(t, a.URL+"/api/whoami")
		if !strings.HasSuffix(strings.TrimSpace(r.Stdout), "401 1.1") {
			t.Errorf("a service that takes no token: %v, want its 401", r)
		}
	}
	if n := s.Issued() - before; n > 5 {
		t.Errorf("%d token requests for 5 calls", n)
	}
}

// A token is renewed before it ends, in the background.
func TestRefreshBeforeExpiry(t *testing.T) {
	integration(t)
	s := newTokenServer(t)
	s.life = 8 // renewed at half of it, since that is less than a minute before its end
	a := s.proxy(t, "header_as_payload off")
	a.curl(t, a.URL+"/api/whoami")
	time.Sleep(5 * time.Second)
	s.mu.Lock()
	s.slow = 500 * time.Millisecond
	s.mu.Unlock()
	start := time.Now()
	checkCurl(t, a.curl(t, a.URL+"/api/whoami"), authenticated+"\n200 1.1")
	if took := time.Since(start); took > 400*time.Millisecond {
		t.Errorf("a call in the second half of a token took %v: it waited for the new one", took)
	}
	waitFor(t, "a second token", func() bool {
		a.curl(t, a.URL+"/api/whoami")
		return s.Issued() >= 2
	})
}

// What token endpoints answer beside what they should. Nothing of it reaches
// the service or the agent.
func TestTokenEndpointAnswers(t *testing.T) {
	integration(t)
	for _, c := range []struct {
		name   string
		answer func(w http.ResponseWriter, token string)
		ok     bool
	}{
		{"no expires_in", func(w http.ResponseWriter, token string) {
			answer(w, 200, map[string]any{"access_token": token, "token_type": "bearer"})
		}, true},
		{"expires_in as a string", func(w http.ResponseWriter, token string) {
			answer(w, 200, map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": "3600"})
		}, true},
		{"201", func(w http.ResponseWriter, token string) { answer(w, 201, map[string]any{"access_token": token}) }, false},
		{"negative expires_in", func(w http.ResponseWriter, token string) {
			answer(w, 200, map[string]any{"access_token": token, "expires_in": -5})
		}, false},
		{"text", func(w http.ResponseWriter, token string) { fmt.Fprint(w, token) }, false},
		{"a form", func(w http.ResponseWriter, token string) {
			w.Header().Set("Content-Type", "application/x-www-form-urlencoded")
			fmt.Fprint(w, "access_token="+token)
		}, true}, // it says what it is, as GitHub's does
		{"HTML", func(w http.ResponseWriter, token string) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<html>"+token+"</html>")
		}, false},
		{"a nested object", func(w http.ResponseWriter, token string) {
			answer(w, 200, map[string]any{"data": map[string]any{"access_token": token}})
		}, false},
		{"an array", func(w http.ResponseWriter, token string) { answer(w, 200, []any{token}) }, false},
		{"no token", func(w http.ResponseWriter, token string) { answer(w, 200, map[string]any{"expires_in": 3600}) }, false},
		{"an empty token", func(w http.ResponseWriter, token string) { answer(w, 200, map[string]any{"access_token": ""}) }, false},
		{"a token with a line break", func(w http.ResponseWriter, token string) {
			answer(w, 200, map[string]any{"access_token": token + "\r\nX-Injected: 1"})
		}, false},
		{"an error in a 200", func(w http.ResponseWriter, token string) {
			answer(w, 200, map[string]any{"error": "invalid_scope", "error_description": "the secret is " + clientSecret})
		}, false},
		{"10 MB", func(w http.ResponseWriter, token string) {
			fmt.Fprintf(w, `{"access_token": %q, "pad": "`, token)
			io.CopyN(w, zeros{}, 10<<20)
			fmt.Fprint(w, `"}`)
		}, false},
		{"a redirect", func(w http.ResponseWriter, token string) {
			w.Header().Set("Location", "/token2?secret="+token)
			w.WriteHeader(302)
		}, false},
		{"500", func(w http.ResponseWriter, token string) { http.Error(w, "down "+token, 500) }, false},
		{"400 invalid_grant", func(w http.ResponseWriter, token string) {
			answer(w, 400, map[string]any{"error": "invalid_grant", "error_description": "not " + clientSecret})
		}, false},
		{"breaks off", func(w http.ResponseWriter, token string) {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, `{"access_token": "`+token)
			panic(http.ErrAbortHandler)
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newTokenServer(t)
			s.answer = c.answer
			a := s.proxy(t, "header_as_payload off")
			r := client{}.run(t, "curl", "-sS", "-i", a.URL+"/api/whoami")
			if c.ok {
				if !strings.Contains(r.Stdout, authenticated) {
					t.Errorf("want %s: %v", authenticated, r)
				}
				return
			}
			if !strings.Contains(r.Stdout, "Attache-Error: ") {
				t.Errorf("want a refusal: %v", r)
			}
			for _, text := range []string{r.Stdout, a.Log.String()} {
				if strings.Contains(text, "minted-1") || strings.Contains(text, clientSecret) {
					t.Errorf("a token or the client's secret is in the answer or the log:\n%s", clip(text))
				}
			}
			if n := len(s.Service.Requests()); n > 0 {
				t.Errorf("%d requests reached the service without a token", n)
			}
			for _, tr := range s.Tokens.Requests() {
				if strings.HasPrefix(tr.URI, "/token2") {
					t.Error("the redirect was followed")
				}
			}
		})
	}
}

// zeros is an endless body of the digit 0.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

// An endpoint that is down does not make callers wait long, nor is it asked by
// each of them; the answer says who can help.
func TestTokenEndpointDown(t *testing.T) {
	integration(t)
	s := newTokenServer(t)
	a := s.proxy(t, "header_as_payload off")
	s.mu.Lock()
	s.answer = func(w http.ResponseWriter, _ string) { http.Error(w, "down", http.StatusServiceUnavailable) }
	s.mu.Unlock()
	for range 20 {
		checkRefusal(t, a, []string{a.URL + "/api/whoami"}, 502, "token_endpoint_unavailable")
	}
	if n := len(s.Tokens.Requests()); n > 10 {
		t.Errorf("20 calls in a row asked an endpoint that is down %d times, want a back-off", n)
	}
	s.mu.Lock()
	s.answer = nil
	s.mu.Unlock()
	waitFor(t, "recovery", func() bool { return strings.Contains(a.curl(t, a.URL+"/api/whoami").Stdout, authenticated) })
}
