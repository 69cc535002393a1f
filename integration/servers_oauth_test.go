package integration_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// tokenServer is an OAuth token endpoint for the client_credentials grant
// (RFC 6749 §4.4) that checks how the client presents itself, and a service
// that takes the newest token only.
type tokenServer struct {
	Tokens, Service *service

	mu      sync.Mutex
	issued  int
	slow    time.Duration
	life    int                                         // expires_in; 0 leaves it out
	answer  func(w http.ResponseWriter, token string)   // instead of the usual answer
	check   func(r *http.Request, form url.Values) bool // instead of the usual check
	Wrong   string                                      // the last request that was not as it should be
	refused map[string]bool                             // tokens that the service takes no more
}

const clientID, clientSecret = "client-id", "client-secret-9d41c7"

func newTokenServer(t testing.TB) *tokenServer {
	t.Helper()
	s := &tokenServer{life: 3600, refused: map[string]bool{}}
	s.Tokens = newPlainService(t, http.HandlerFunc(s.token))
	s.Service = newPlainService(t, http.HandlerFunc(s.serve))
	return s
}

func (s *tokenServer) token(w http.ResponseWriter, r *http.Request) {
	form := parameters(r)
	s.mu.Lock()
	check, answerWith, slow := s.check, s.answer, s.slow
	s.mu.Unlock()
	if check == nil {
		check = func(r *http.Request, form url.Values) bool {
			return form.Get("client_id") == clientID && form.Get("client_secret") == clientSecret
		}
	}
	if form.Get("grant_type") != "client_credentials" || !check(r, form) {
		s.mu.Lock()
		s.Wrong = fmt.Sprintf("%s %v %v", r.Method, r.Header, form)
		s.mu.Unlock()
		answer(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client"})
		return
	}
	time.Sleep(slow)
	s.mu.Lock()
	s.issued++
	token := fmt.Sprintf("minted-%d", s.issued)
	life := s.life
	s.mu.Unlock()
	if answerWith != nil {
		answerWith(w, token)
		return
	}
	body := map[string]any{"access_token": token, "token_type": "Bearer"}
	if life != 0 {
		body["expires_in"] = life
	}
	answer(w, http.StatusOK, body)
}

// parameters reads a token request, form or JSON.
func parameters(r *http.Request) url.Values {
	b, _ := io.ReadAll(r.Body)
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		var m map[string]string
		json.Unmarshal(b, &m)
		v := url.Values{}
		for k, s := range m {
			v.Set(k, s)
		}
		return v
	}
	v, _ := url.ParseQuery(string(b))
	return v
}

// serve takes any token that was issued and is not refused.
func (s *tokenServer) serve(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer minted-")
	s.mu.Lock()
	refused := s.refused["minted-"+token]
	s.mu.Unlock()
	if !ok || refused {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		answer(w, http.StatusUnauthorized, map[string]any{"authenticated": false})
		return
	}
	answer(w, http.StatusOK, map[string]any{"authenticated": true})
}

// refuse makes the service take the token no more.
func (s *tokenServer) refuse(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused[token] = true
}

// Issued is how many tokens there were.
func (s *tokenServer) Issued() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.issued
}

// proxy has a connector `api` that uses the endpoint.
func (s *tokenServer) proxy(t testing.TB, options string) *attache {
	t.Helper()
	return newAttache(t, setup{
		Attache: fmt.Sprintf(`allow_address 127.0.0.1
		connector api {
			hosts api.test
			upstream %s
			oauth2 client_credentials {
				token_url %s/token
				client_id %s
				client_secret {env.CLIENT_SECRET}
				%s
			}
		}
		%s`, s.Service.URL, s.Tokens.URL, clientID, options, agentLocal("api")),
		Env: []string{"CLIENT_SECRET=" + clientSecret},
	})
}
