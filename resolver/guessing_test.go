package resolver_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver"
)

// guessed is a service that answers with text of the agent's choice, as one that
// stores objects does: what it is asked for, a pause, and the rest of the line.
func guessed(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", r.URL.Query().Get("type"))
	_, _ = io.WriteString(w, r.URL.Query().Get("text"))
	w.(http.Flusher).Flush()
	time.Sleep(100 * time.Millisecond)
	_, _ = io.WriteString(w, " end of line\n")
}

// pieces are what the agent reads, and about when.
func seenPieces(t *testing.T, res *http.Response) string {
	t.Helper()
	defer res.Body.Close()
	var b strings.Builder
	began, p := time.Now(), make([]byte, 32<<10)
	for {
		n, err := res.Body.Read(p)
		if n > 0 {
			fmt.Fprintf(&b, "%v:%d ", time.Since(began) > 50*time.Millisecond, n)
		}
		if err != nil {
			return b.String()
		}
	}
}

// An agent that stores guesses as text learns nothing from how they come back: a
// token cannot be read character by character. It took 35 requests when exactly
// what could begin a secret was held back.
func TestTokenCannotBeGuessedByFraming(t *testing.T) {
	const key = "tok-7Jq2Xw9Zr4Bn6Ld1"
	w := newWorld(t, worldConfig{yaml: pasted, accounts: []*resolver.Account{account("a", key)}, service: http.HandlerFunc(guessed)})
	see := func(contentType, text string) string {
		res, err := w.do("GET", "/?type="+contentType+"&text="+text, nil)
		if err != nil {
			t.Fatal(err)
		}
		return seenPieces(t, res)
	}
	for _, contentType := range []string{"text/plain", "text/event-stream", "application/json", "multipart/mixed"} {
		for _, known := range []int{0, 4, 12, len(key) - 1} {
			right := see(contentType, "x"+key[:known+1]+"%0Ax"+key[:known+1])
			for _, c := range []string{"0", "~"} {
				if known < len(key)-1 {
					if wrong := see(contentType, "x"+key[:known]+c+"%0Ax"+key[:known]+c); wrong != right {
						t.Errorf("%s: with %d characters known the right one comes as %s, a wrong one as %s", contentType, known, right, wrong)
					}
				}
			}
		}
	}
}

// A key that signs is not placed, so a text that holds it passes as it is: there
// is nothing to confirm a guess by. The token beside it, which is sent, is found.
func TestSigningKeyIsNotSearchedFor(t *testing.T) {
	const key, session = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "session-0123456789-ABCDEFGHIJKLMNOP"
	acct := &resolver.Account{Name: "a", Fields: secret.Values{"access_key_id": secret.New("AKIDEXAMPLE"), "secret_access_key": secret.New(key), "session_token": secret.New(session)}}
	w := newWorld(t, worldConfig{
		yaml:     "key: svc\nhosts: [svc.example]\nauth: {key: {type: credentials, fields: {access_key_id: {}, secret_access_key: {secret: true}, session_token: {secret: true}}, sign: {sigv4: {service: s3, region: eu-west-1}}}}\n",
		accounts: []*resolver.Account{acct}, grants: []resolver.Grant{{Connector: "svc", Write: true, Presign: true}},
		service: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			fmt.Fprintf(w, "%s %s %s", key, r.Header.Get("X-Amz-Security-Token"), r.URL.Query().Get("X-Amz-Signature"))
		}),
	})
	res, err := w.do("GET", "/bucket/object", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := body(t, res), key+" "+strings.Repeat("*", len(session))+" "; got != want {
		t.Errorf("the agent got %s, want %s", got, want)
	}
	// A signature in a query is good for whoever has the URL.
	res, err = w.do("GET", "/bucket/object?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE/20261129/eu-west-1/s3/aws4_request&X-Amz-Date=20261129T000000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=0", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := body(t, res), key+"  "+strings.Repeat("*", 64); got != want {
		t.Errorf("the agent got %s, want %s", got, want)
	}
}

// What is searched for is what was placed, by each way of placing.
func TestWhatIsSearchedFor(t *testing.T) {
	const key, word, id = "k3y/0123456789+ABCDEFGHIJ", "hunter22", "public-identifier-000000"
	for name, c := range map[string]struct{ sign, echo, want string }{
		"a header":            {`{header: {X-Key: "K {fields.key}"}}`, "<" + key + ">", "<" + strings.Repeat("*", len(key)) + ">"},
		"not what is not":     {`{header: {X-Key: "{fields.id}"}}`, key + id, key + id},
		"a static digest":     {`{header: {X-Key: "{hex(sha256(fields.key))}"}}`, "$X-Key " + key, strings.Repeat("*", 64) + " " + key},
		"a pair of its own":   {`{header: {X-Key: '{base64("u:" + fields.key)}'}}`, "u:" + key + " $X-Key", strings.Repeat("*", len(key)+2) + " " + strings.Repeat("*", 36)},
		"a request's own":     {`{header: {X-Key: '{hex(hmac_sha256(fields.key, request.path))}'}}`, key, key},
		"a key in a longer":   {`{header: {X-Key: '{fields.key + ":" + hex(hmac_sha256(fields.key, request.path))}'}}`, "<" + key + ">", "<" + strings.Repeat("*", len(key)) + ">"},
		"what serves others":  {`{let: {t: string(now.unix())}, bearer: '{hex(hmac_sha256(fields.key, t))}'}`, "$Authorization", "*"},
		"Basic's pair":        {`{basic: {username: "u", password: "{fields.key}"}}`, "u:" + key + " $Authorization", "*"},
		"a weak one":          {`{header: {X-Key: "{fields.word}"}}`, word + " x-key=" + word, word + " x-key=********"},
		"a weak one's pair":   {`{basic: {username: "u", password: "{fields.word}"}}`, "dTpodW50ZXIyMg== authorization: Basic dTpodW50ZXIyMg==", "dTpodW50ZXIyMg== authorization: Basic ****************"},
		"a weak one in a URL": {`{basic: {username: "bob", password: "{fields.word}"}}`, "https://bob:hunter22@host/ https%3A%2F%2Fbob%3Ahunter22%40host hunter22", "https://bob:********@host/ https%3A%2F%2Fbob%3A********%40host hunter22"},
		"with space around":   {`{header: {X-Key: " {fields.key} "}}`, "<" + key + ">", "<" + strings.Repeat("*", len(key)) + ">"},
		"a query's signature": {`{query: {sig: '{hex(hmac_sha256(fields.key, request.path))}'}}`, "?sig", "*"},
	} {
		t.Run(name, func(t *testing.T) {
			acct := &resolver.Account{Name: "a", Fields: secret.Values{"key": secret.New(key), "word": secret.New(word), "id": secret.New(id)}}
			w := newWorld(t, worldConfig{
				yaml:     "key: svc\nhosts: [svc.example]\nauth: {key: {type: credentials, fields: {key: {secret: true}, word: {secret: true}, id: {}}, sign: " + c.sign + "}}\n",
				accounts: []*resolver.Account{acct},
				service: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Content-Type", "text/plain")
					text := strings.NewReplacer("$X-Key", r.Header.Get("X-Key"), "$Authorization", r.Header.Get("Authorization"), "?sig", r.URL.Query().Get("sig")).Replace(c.echo)
					_, _ = io.WriteString(w, text)
				}),
			})
			for range 2 { // the second finds what the first prepared
				res, err := w.do("GET", "/a", nil)
				if err != nil {
					t.Fatal(err)
				}
				got := body(t, res)
				if c.want == "*" {
					if strings.Trim(strings.NewReplacer("Bearer ", "", "Basic ", "", " ", "").Replace(got), "*") != "" {
						t.Errorf("the agent got %s, want all of it replaced", got)
					}
				} else if got != c.want {
					t.Errorf("the agent got %s, want %s", got, c.want)
				}
			}
		})
	}
}

// An answer that cannot be searched is refused, with what to do next.
func TestUnsearchableIsRefused(t *testing.T) {
	w := echoWorld(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = io.WriteString(w, `{"a":"`+echoKey+`"}`)
	})
	_, err := w.do("GET", "/", nil)
	ref, ok := resolver.AsRefusal(err)
	if !ok || ref.Code != "echo_unsearchable" || ref.HTTPStatus() != http.StatusBadGateway || strings.Contains(ref.Error(), echoKey) {
		t.Errorf("refusal = %v", err)
	}
}
