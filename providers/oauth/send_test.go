package oauth_test

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/providers/secret"
)

// plain is a client_credentials Spec for srv.
func plain(srv *httptest.Server) oauth.Spec {
	return oauth.Spec{GrantType: "client_credentials", TokenURL: srv.URL + "/token", TokenAuth: "post", ContentType: "query", AllowHTTP: true}
}

func TestTransportFailures(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"dropped before the answer": func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) },
		"dropped in the answer": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, `{"access_token":"tok-1"`)
			panic(http.ErrAbortHandler)
		},
		"not HTTP": func(w http.ResponseWriter, _ *http.Request) {
			c, _, _ := w.(http.Hijacker).Hijack()
			fmt.Fprint(c, "SSH-2.0-tok-1\r\n")
			c.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(h)
			defer srv.Close()
			_, err := fetch(srv, plain(srv))
			checkTemporary(t, err)
		})
	}
	t.Run("nobody listens", func(t *testing.T) {
		srv := httptest.NewServer(nil)
		srv.Close()
		_, err := fetch(srv, plain(srv))
		checkTemporary(t, err)
	})
}

// checkTemporary wants a temporary *Error, in which neither the URL with its
// secret query nor the answer stands.
func checkTemporary(t *testing.T, err error) {
	t.Helper()
	var e *oauth.Error
	if !errors.As(err, &e) || !e.Temporary {
		t.Fatalf("error = %v, want a temporary *oauth.Error", err)
	}
	if s := fmt.Sprintf("%v %+v %#v %v", err, err, err, errors.Unwrap(err)); strings.Contains(s, "s3cr3t") || strings.Contains(s, "tok-1") || strings.Contains(s, "client_id") {
		t.Errorf("the error holds too much: %s", s)
	}
}

func TestEndlessAnswers(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"endless": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		},
		"compressed": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			fmt.Fprintf(z, `{"access_token":"%s"}`, strings.Repeat("x", 100<<20))
			z.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(h)
			defer srv.Close()
			_, err := fetch(srv, plain(srv))
			if err == nil || !strings.Contains(err.Error(), "larger than 1 MiB") {
				t.Errorf("error = %v, want one about 1 MiB", err)
			}
		})
	}
}

// TestSlowAnswer never ends by itself; the time is that of a bubble.
func TestSlowAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		never := doer(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		cfg, err := oauth.Compile(oauth.Spec{GrantType: "client_credentials", TokenURL: "https://auth.example/t"})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		_, err = cfg.Token(t.Context(), oauth.Request{HTTP: never, App: secret.Values{"client_id": secret.New("id"), "client_secret": secret.New("s3cr3t")}})
		checkTemporary(t, err)
		if took := time.Since(began); took != 30*time.Second {
			t.Errorf("gave up after %v, want 30s", took)
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error = %v, want DeadlineExceeded inside", err)
		}
	})
}

func TestCallerHangsUp(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer srv.Close()
	cfg, err := oauth.Compile(plain(srv))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = cfg.Token(ctx, oauth.Request{HTTP: srv.Client(), App: secret.Values{"client_id": secret.New("id"), "client_secret": secret.New("s3cr3t")}})
	checkTemporary(t, err)
}

// following is a Doer that breaks its promise and follows redirects.
type following struct{ c *http.Client }

func (f following) Do(r *http.Request) (*http.Response, error) { return f.c.Do(r) }

func TestRedirectsAreNotFollowed(t *testing.T) {
	reached := 0
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		reached++
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"access_token":"stolen"}`)
	}))
	defer other.Close()
	srv := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer srv.Close()
	if _, err := fetch(srv, plain(srv)); err == nil || reached != 0 {
		t.Errorf("http.Client: error %v, other server reached %d times", err, reached)
	}
	_, err := fetch(srv, plain(srv), func(r *oauth.Request) { r.HTTP = following{srv.Client()} })
	if err == nil || strings.Contains(err.Error(), "stolen") {
		t.Errorf("a Doer that follows redirects: error = %v, want a refusal", err)
	}
}

func TestRetryAfter(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"":                              0,
		"7":                             7 * time.Second,
		"-1":                            0,
		"99999999999":                   24 * time.Hour,
		"999999":                        24 * time.Hour,
		"soon":                          0,
		"Thu, 01 Jan 1970 00:00:00 GMT": 0,
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", value)
			w.WriteHeader(429)
		}))
		_, err := fetch(srv, plain(srv))
		srv.Close()
		var e *oauth.Error
		if !errors.As(err, &e) || !e.Temporary {
			t.Fatalf("Retry-After %q: error = %v", value, err)
		}
		if e.RetryAfter != want {
			t.Errorf("Retry-After %q = %v, want %v", value, e.RetryAfter, want)
		}
	}
}

func TestDialErrorsSayWhy(t *testing.T) {
	cfg, err := oauth.Compile(oauth.Spec{GrantType: "client_credentials", TokenURL: "https://auth.example/t"})
	if err != nil {
		t.Fatal(err)
	}
	refused := doer(func(r *http.Request) (*http.Response, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("10.0.0.1 is a private address")}
	})
	_, err = cfg.Token(t.Context(), oauth.Request{HTTP: refused, App: secret.Values{"client_id": secret.New("id"), "client_secret": secret.New("s")}})
	var e *oauth.Error
	if !errors.As(err, &e) || err.Error() != "token endpoint auth.example: it cannot be reached" || e.Inside() != "dial tcp: 10.0.0.1 is a private address" {
		t.Errorf("error = %v, want nothing of our network in it but for the log", err)
	}
}
