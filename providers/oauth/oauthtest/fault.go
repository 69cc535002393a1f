package oauthtest

import (
	"net/http"
	"strings"
	"time"
)

// Fault is what goes wrong with one token request. The zero Fault is nothing.
type Fault struct {
	// Delay comes before the request is looked at, DelayAnswer after its effect.
	Delay, DelayAnswer time.Duration
	// DropBefore closes the connection before the request has an effect,
	// DropAfter afterwards: what the answer would have brought is lost.
	DropBefore, DropAfter bool
	// Answer is sent instead of doing anything.
	Answer *Answer
}

// Answer is an answer of any shape.
type Answer struct {
	Name   string
	Status int // 200 when zero
	Header http.Header
	Body   string
}

func (a *Answer) write(w http.ResponseWriter) {
	for name, vs := range a.Header {
		w.Header()[name] = vs
	}
	if a.Status != 0 {
		w.WriteHeader(a.Status)
	}
	_, _ = w.Write([]byte(a.Body))
}

// sleep waits for d, unless the client hangs up first.
func sleep(r *http.Request, d time.Duration) {
	if d <= 0 {
		return
	}
	select {
	case <-r.Context().Done():
	case <-time.After(d):
	}
}

// media makes headers with a Content-Type and further pairs.
func media(contentType string, more ...string) http.Header {
	h := http.Header{"Content-Type": {contentType}}
	for i := 0; i+1 < len(more); i += 2 {
		h.Set(more[i], more[i+1])
	}
	return h
}

const asJSON = "application/json"

// Canary is the access token in bad answers: it must show up nowhere.
const Canary = "at_canary_5e1f0c9b"

// BadAnswers are answers of success and of failure that a client must refuse
// unless its connector declares them, without passing anything on.
var BadAnswers = []Answer{
	{"created", 201, media(asJSON), `{"access_token":"` + Canary + `","token_type":"Bearer"}`},
	{"no content", 204, nil, ``},
	{"text", 200, media("text/plain"), Canary},
	{"JSON called text", 200, media("text/plain"), `{"access_token":"` + Canary + `"}`},
	{"HTML", 200, media("text/html"), `<html><body>` + Canary + `</body></html>`},
	{"HTML called JSON", 200, media(asJSON), `<html><body>` + Canary + `</body></html>`},
	{"empty", 200, media(asJSON), ``},
	{"null", 200, media(asJSON), `null`},
	{"string", 200, media(asJSON), `"` + Canary + `"`},
	{"array", 200, media(asJSON), `["` + Canary + `"]`},
	{"nested", 200, media(asJSON), `{"data":{"access_token":"` + Canary + `"}}`},
	{"token is an object", 200, media(asJSON), `{"access_token":{"value":"` + Canary + `"}}`},
	{"token is empty", 200, media(asJSON), `{"access_token":"","token_type":"Bearer"}`},
	{"token has a line break", 200, media(asJSON), `{"access_token":"` + Canary + `\r\nX-Evil: 1"}`},
	{"other token type", 200, media(asJSON), `{"access_token":"` + Canary + `","token_type":"mac"}`},
	{"cut off", 200, media(asJSON), `{"access_token":"` + Canary},
	{"twice", 200, media(asJSON), `{"access_token":"` + Canary + `"} {"access_token":"x"}`},
	{"expires_in negative", 200, media(asJSON), `{"access_token":"` + Canary + `","expires_in":-1}`},
	{"expires_in zero", 200, media(asJSON), `{"access_token":"` + Canary + `","expires_in":0}`},
	{"expires_in a word", 200, media(asJSON), `{"access_token":"` + Canary + `","expires_in":"never"}`},
	{"expires_in an object", 200, media(asJSON), `{"access_token":"` + Canary + `","expires_in":{"s":60}}`},
	{"error in a 200", 200, media(asJSON), `{"error":"invalid_client","error_description":"` + Canary + ` is wrong"}`},
	{"error in a 200 with a token", 200, media(asJSON), `{"error":"invalid_scope","access_token":"` + Canary + `"}`},
	{"400 without JSON", 400, media("text/plain"), Canary},
	{"401", 401, media(asJSON, "WWW-Authenticate", "Basic"), `{"error":"invalid_client"}`},
	{"redirect", 302, media("text/html", "Location", "/elsewhere?token="+Canary), ``},
	{"redirect with the body", 307, media("text/html", "Location", "/elsewhere"), ``},
	{"429", 429, media(asJSON, "Retry-After", "3"), `{}`},
	{"500", 500, media("text/html"), `<html>` + Canary},
	{"503", 503, media(asJSON, "Retry-After", "1"), `{"error":"temporarily_unavailable"}`},
	{"10 MB", 200, media(asJSON), `{"access_token":"` + Canary + `","padding":"` + strings.Repeat("x", 10<<20) + `"}`},
}
