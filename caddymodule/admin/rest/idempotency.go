package rest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/attache-proxy/attache/caddymodule/admin/signin"
	"github.com/attache-proxy/attache/resolver/problem"
	"github.com/attache-proxy/attache/resolver/vault"
)

const (
	maxIdempotencyKey = 255
	// maxRemembered is how large an answer may be to be remembered.
	maxRemembered = 4 << 20
)

// Idempotent runs a POST with an Idempotency-Key once, and gives whoever repeats
// it the first answer, without what was shown once.
func (a *Server) Idempotent(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := r.Header.Get("Idempotency-Key")
		c := signin.CallerOf(r.Context())
		if r.Method != http.MethodPost || key == "" || c == nil {
			next.ServeHTTP(w, r)
			return
		}
		if len(key) > maxIdempotencyKey || strings.ContainsFunc(key, func(x rune) bool { return x < 0x20 || x > 0x7e }) {
			problem.Write(w, problem.New(http.StatusBadRequest, "BAD_IDEMPOTENCY_KEY", "An Idempotency-Key has from 1 to 255 printable ASCII characters."))
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
		if err != nil {
			problem.Write(w, problem.New(http.StatusRequestEntityTooLarge, "TOO_LARGE", "The body is too large."))
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		a.once(w, r, next, c, key, requestHash(r, body))
	})
}

func requestHash(r *http.Request, body []byte) string {
	h := sha256.New()
	io.WriteString(h, r.Method+" "+r.URL.RequestURI()+"\n")
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil))
}

func (a *Server) once(w http.ResponseWriter, r *http.Request, next http.Handler, c *signin.Caller, key, request string) {
	ctx := r.Context()
	before, err := a.v.BeginRequest(ctx, c.TokenID, key, request)
	switch {
	case errors.Is(err, vault.ErrKeyReused):
		problem.Write(w, problem.New(http.StatusUnprocessableEntity, "IDEMPOTENCY_KEY_REUSED", "This Idempotency-Key came with another request before. Use a new key for a new request."))
		return
	case err != nil:
		p := a.Explain(err, "REQUEST", c)
		problem.Write(w, p)
		return
	case before != nil && before.Status == 0:
		w.Header().Set("Retry-After", "1")
		problem.Write(w, problem.New(http.StatusConflict, "REQUEST_RUNNING", "The first request with this Idempotency-Key is still running."))
		return
	case before != nil:
		for name, value := range before.Headers {
			w.Header().Set(name, value)
		}
		w.Header().Set("Idempotency-Replayed", "true")
		w.WriteHeader(before.Status)
		_, _ = io.WriteString(w, before.Body)
		return
	}
	rec := &recorder{ResponseWriter: w, status: http.StatusOK}
	finished := false
	defer func() {
		a.remember(r, c, key, rec, finished)
	}()
	next.ServeHTTP(rec, r)
	finished = true
}

// kept are the headers that are remembered.
var kept = []string{"Content-Type", "ETag", "Location"}

// remember stores the answer. What failed on our side, or for want of permission,
// may be tried again with the same key.
func (a *Server) remember(r *http.Request, c *signin.Caller, key string, rec *recorder, finished bool) {
	// The caller may have hung up; the answer is still the answer.
	ctx, cancel := Afterwards(r.Context())
	defer cancel()
	if !finished || rec.status >= 500 || rec.status == http.StatusForbidden || rec.status == http.StatusTooManyRequests || rec.body.Len() > maxRemembered {
		if err := a.v.ForgetRequest(ctx, c.TokenID, key); err != nil {
			a.log.Warn("giving an idempotency key back", "error", err)
		}
		return
	}
	answer := vault.Answer{Status: rec.status, Headers: map[string]string{}, Body: withoutMembers(rec.body.Bytes(), c.Once)}
	for _, name := range kept {
		if v := rec.Header().Get(name); v != "" {
			answer.Headers[name] = v
		}
	}
	if err := a.v.EndRequest(ctx, c.TokenID, key, answer); err != nil {
		a.log.Warn("storing the answer for an idempotency key", "error", err)
	}
}

// withoutMembers sets members of a JSON object to null.
func withoutMembers(body []byte, names []string) string {
	if len(names) == 0 {
		return string(body)
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(body, &object); err != nil {
		return "{}" // it should hold a secret, and we cannot tell where
	}
	for _, name := range names {
		if _, ok := object[name]; ok {
			object[name] = json.RawMessage("null")
		}
	}
	out, err := json.Marshal(object)
	if err != nil {
		return "{}"
	}
	return string(out) + "\n"
}

// recorder keeps a copy of the answer.
type recorder struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.body.Len() <= maxRemembered {
		r.body.Write(b)
	}
	return r.ResponseWriter.Write(b)
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
