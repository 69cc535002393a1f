package mcp_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/attache-proxy/attache/providers/oauth/mcp"
	"github.com/attache-proxy/attache/providers/secret"
)

var us = mcp.Client{Name: "Attaché", RedirectURIs: []string{"https://connect.example/oauth/callback"}, DocumentURL: "https://connect.example/oauth/client.json"}

func TestRegister(t *testing.T) {
	var asked map[string]any
	answer, status := "", 201
	net := &internet{hosts: map[string]http.Handler{"as.example": site{"/register": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = nil
		json.NewDecoder(r.Body).Decode(&asked)
		w.WriteHeader(status)
		w.Write([]byte(answer))
	})}}}
	f := &mcp.Finder{HTTP: net}
	server := mcp.Server{RegistrationURL: "https://as.example/register", AuthMethods: []string{"none", "client_secret_post"}, Scopes: []string{"a"}, Later: []string{"b"}}

	answer = `{"client_id":"c1","client_secret":"s1","client_secret_expires_at":0,"token_endpoint_auth_method":"client_secret_post","unknown":[1]}`
	got, err := f.Register(t.Context(), &server, us)
	if err != nil || got.ClientID != "c1" || got.ClientSecret.Reveal() != "s1" || got.Auth != "post" || got.How != "dynamic" || !got.SecretExpiry.IsZero() {
		t.Errorf("Register = %+v, %v", got, err)
	}
	want := `{"application_type":"web","client_name":"Attaché","grant_types":["authorization_code","refresh_token"],"redirect_uris":["https://connect.example/oauth/callback"],"response_types":["code"],"scope":"a b","token_endpoint_auth_method":"client_secret_post"}`
	if b, _ := json.Marshal(asked); string(b) != want {
		t.Errorf("asked for %s\nwant %s", b, want)
	}

	// Plain HTTP to loopback is for native clients.
	local := us
	local.RedirectURIs = []string{"http://localhost:9090/oauth/callback"}
	if _, err := f.Register(t.Context(), &server, local); err != nil || asked["application_type"] != "native" {
		t.Errorf("with a redirect to loopback: %v, application_type %v; want native", err, asked["application_type"])
	}

	for _, c := range []struct {
		name   string
		status int
		answer string
		auth   string // of success
		want   string // of failure
	}{
		{"a public client", 201, `{"client_id":"c"}`, "none", ""},
		{"another way than was asked for", 201, `{"client_id":"c","client_secret":"s","token_endpoint_auth_method":"client_secret_basic"}`, "basic", ""},
		{"the way that was asked for", 200, `{"client_id":"c","client_secret":"s"}`, "post", ""},
		{"an unknown way", 201, `{"client_id":"c","client_secret":"s","token_endpoint_auth_method":"tls_client_auth"}`, "", "not asked for"},
		{"an end in the past", 201, `{"client_id":"c","client_secret":"s","client_secret_expires_at":1}`, "", "expired already"},
		{"no client", 201, `{}`, "", "no client_id"},
		{"a line break", 201, `{"client_id":"c\r\nX: y"}`, "", "no client_id"},
		{"refused", 400, `{"error":"invalid_redirect_uri","error_description":"not\nthis one"}`, "", "400, invalid_redirect_uri: not this one"},
		{"refused without words", 403, `<html>`, "", "answers 403"},
		{"huge", 201, `{"client_id":"` + strings.Repeat("c", 70<<10) + `"}`, "", "larger than 64 KiB"},
		{"no JSON", 201, `client`, "", "not the JSON object"},
		{"redirected", 302, ``, "", "answers 302"},
	} {
		answer, status = c.answer, c.status
		got, err := f.Register(t.Context(), &server, us)
		switch {
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: Register = %+v, %v; want an error with %q", c.name, got, err, c.want)
		case c.want == "" && (err != nil || got.Auth != c.auth):
			t.Errorf("%s: Register = %+v, %v; want token_auth %s", c.name, got, err, c.auth)
		}
	}
	answer, status = `{"client_id":"c","client_secret":"s","client_secret_expires_at":32503680000}`, 201
	if got, err := f.Register(t.Context(), &server, us); err != nil || !got.SecretExpiry.Equal(time.Unix(32503680000, 0)) {
		t.Errorf("Register = %+v, %v; want the secret's end", got, err)
	}
}

func TestRegisterByDocument(t *testing.T) {
	f := &mcp.Finder{HTTP: &internet{}}
	server := &mcp.Server{TakesDocuments: true, AuthMethods: []string{"none"}, RegistrationURL: "https://as.example/register"}
	got, err := f.Register(t.Context(), server, us)
	if err != nil || *got != (mcp.Registration{ClientID: us.DocumentURL, ClientSecret: secret.Value{}, Auth: "none", How: "document"}) {
		t.Errorf("Register = %+v, %v; want our document's URL", got, err)
	}
	var doc map[string]any
	if err := json.Unmarshal(us.Document(), &doc); err != nil || doc["client_id"] != us.DocumentURL || doc["token_endpoint_auth_method"] != "none" || doc["application_type"] != nil {
		t.Errorf("Document = %s, %v", us.Document(), err)
	}
	// Nobody can fetch a document from loopback: registered dynamically instead.
	local := us
	local.DocumentURL = "http://localhost:9090/oauth/client.json"
	if _, err := f.Register(t.Context(), server, local); err == nil || !strings.Contains(err.Error(), "as.example") {
		t.Errorf("Register with a document on loopback = %v, want the registration endpoint to be asked", err)
	}
	for _, s := range []mcp.Server{{AuthMethods: []string{"none"}}, {TakesDocuments: true}} {
		if _, err := f.Register(t.Context(), &s, local); err != mcp.ErrNoRegistration {
			t.Errorf("Register at %+v = %v, want ErrNoRegistration", s, err)
		}
	}
	odd := mcp.Server{RegistrationURL: "https://as.example/register", AuthMethods: []string{"tls_client_auth"}}
	if _, err := f.Register(t.Context(), &odd, us); err == nil || !strings.Contains(err.Error(), "by hand") {
		t.Errorf("Register where clients need certificates = %v", err)
	}
}

// TestRegisterTriesEachWay: the listed ways in turn, best first, then none; what is no
// matter of the way is not tried again.
func TestRegisterTriesEachWay(t *testing.T) {
	for _, c := range []struct {
		listed   []string
		takes    string // the way that the server takes
		no       string // the code of its refusals
		want     string // of the ways asked for
		auth     string
		problem  string
		answered int
	}{
		{[]string{"none", "client_secret_post", "client_secret_basic"}, "client_secret_post", "invalid_client_metadata", "client_secret_basic client_secret_post", "post", "", 400},
		{[]string{"client_secret_basic"}, "none", "invalid_client_metadata", "client_secret_basic none", "none", "", 422},
		{[]string{"private_key_jwt"}, "none", "", "none", "none", "", 400},
		{[]string{"client_secret_post"}, "", "invalid_client_metadata", "client_secret_post none", "", "invalid_client_metadata; tried client_secret_post, none", 400},
		{[]string{"client_secret_post"}, "", "invalid_redirect_uri", "client_secret_post", "", "invalid_redirect_uri", 400},
		{[]string{"client_secret_post"}, "", "", "client_secret_post", "", "answers 403", 403},
	} {
		var ways []string
		net := &internet{hosts: map[string]http.Handler{"as.example": site{"/register": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var asked map[string]any
			_ = json.NewDecoder(r.Body).Decode(&asked)
			way, _ := asked["token_endpoint_auth_method"].(string)
			if ways = append(ways, way); way != c.takes {
				w.WriteHeader(c.answered)
				_ = json.NewEncoder(w).Encode(map[string]string{"error": c.no})
				return
			}
			answer := map[string]string{"client_id": "c", "token_endpoint_auth_method": way}
			if way != "none" {
				answer["client_secret"] = "s"
			}
			w.WriteHeader(http.StatusCreated)
			_ = json.NewEncoder(w).Encode(answer)
		})}}}
		got, err := (&mcp.Finder{HTTP: net}).Register(t.Context(), &mcp.Server{RegistrationURL: "https://as.example/register", AuthMethods: c.listed}, us)
		if strings.Join(ways, " ") != c.want {
			t.Errorf("%q: asked for %q, want %q", c.listed, ways, c.want)
		}
		if c.problem == "" && (err != nil || got.Auth != c.auth) || c.problem != "" && (err == nil || !strings.Contains(err.Error(), c.problem)) {
			t.Errorf("%q: Register = %+v, %v; want %s %s", c.listed, got, err, c.auth, c.problem)
		}
	}
}
