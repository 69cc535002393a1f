package resolver_test

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"github.com/attache-proxy/attache/resolver"
)

// echoKey has characters that encodings change.
const echoKey = `s3cr/et+"k&y=0123456789`

func encode(t *testing.T, enc string, plain []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	var w io.WriteCloser
	switch enc {
	case "":
		return plain
	case "gzip":
		w = gzip.NewWriter(&buf)
	case "deflate":
		w = zlib.NewWriter(&buf)
	case "br":
		w = brotli.NewWriter(&buf)
	case "zstd":
		w, _ = zstd.NewWriter(&buf)
	}
	_, _ = w.Write(plain)
	_ = w.Close()
	return buf.Bytes()
}

func decode(t *testing.T, enc string, b []byte) string {
	t.Helper()
	var r io.Reader = bytes.NewReader(b)
	switch enc {
	case "gzip":
		r, _ = gzip.NewReader(r)
	case "deflate":
		r, _ = zlib.NewReader(r)
	case "br":
		r = brotli.NewReader(r)
	case "zstd":
		d, _ := zstd.NewReader(r)
		r = d
	}
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func echoWorld(t *testing.T, h http.HandlerFunc) *world {
	t.Helper()
	yaml := "key: svc\nhosts: [svc.example]\nauth: {key: {type: credentials, fields: {key: {secret: true}}, sign: {basic: {username: u, password: '{token}'}, query: {key: '{token}'}}}}\n"
	return newWorld(t, worldConfig{yaml: yaml, accounts: []*resolver.Account{account("a", echoKey)}, service: h})
}

// forms are the shapes in which a service may echo what it got.
func forms() []string {
	return []string{
		echoKey, url.QueryEscape(echoKey), url.PathEscape(echoKey), strings.ReplaceAll(echoKey, `"`, `\"`),
		base64.StdEncoding.EncodeToString([]byte("u:" + echoKey)), base64.StdEncoding.EncodeToString([]byte(echoKey)),
	}
}

func TestEchoIsReplaced(t *testing.T) {
	for _, enc := range []string{"", "gzip", "deflate", "br", "zstd"} {
		for _, length := range []bool{true, false} {
			for i, form := range forms() {
				t.Run(fmt.Sprintf("%s length=%v form=%d", enc, length, i), func(t *testing.T) {
					plain := []byte(`{"before":1,"echo":"` + form + `","after":2}`)
					w := echoWorld(t, func(w http.ResponseWriter, r *http.Request) {
						w.Header().Set("Content-Type", "application/json")
						w.Header().Set("X-Echo", "<"+form+">")
						if enc != "" {
							w.Header().Set("Content-Encoding", enc)
						}
						if !length {
							w.(http.Flusher).Flush()
						}
						_, _ = w.Write(encode(t, enc, plain))
					})
					res, err := w.do("GET", "/", nil, "Accept-Encoding", "gzip, deflate, br, zstd")
					if err != nil {
						t.Fatal(err)
					}
					got := decode(t, res.Header.Get("Content-Encoding"), []byte(body(t, res)))
					if strings.Contains(got, form) || strings.Contains(res.Header.Get("X-Echo"), form) {
						t.Errorf("the agent got the secret: %s, %v", got, res.Header)
					}
					if !strings.HasPrefix(got, `{"before":1,"echo":"`) || !strings.HasSuffix(got, `","after":2}`) || len(got) != len(plain) {
						t.Errorf("the agent got %s, want everything else as it was", got)
					}
				})
			}
		}
	}
}

// A compressed answer without an echo passes byte for byte.
func TestCleanCompressedAnswerIsUntouched(t *testing.T) {
	raw := encode(t, "gzip", []byte(`{"clean":true}`))
	w := echoWorld(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Etag", `"1"`)
		_, _ = w.Write(raw)
	})
	res, err := w.do("GET", "/", nil, "Accept-Encoding", "gzip")
	if err != nil {
		t.Fatal(err)
	}
	if got := body(t, res); got != string(raw) || res.Header.Get("Content-Encoding") != "gzip" || res.Header.Get("Etag") == "" || res.ContentLength != int64(len(raw)) {
		t.Errorf("the answer changed: %d bytes, %v; want %d bytes as they were", len(got), res.Header, len(raw))
	}
}

// An echo that is cut by reads at every place is found all the same.
func TestEchoAcrossReads(t *testing.T) {
	for cut := 1; cut < len(echoKey); cut++ {
		w := echoWorld(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			for _, part := range []string{"data: x" + echoKey[:cut], echoKey[cut:] + "y\n\n"} {
				_, _ = io.WriteString(w, part)
				w.(http.Flusher).Flush()
				time.Sleep(2 * time.Millisecond)
			}
		})
		res, err := w.do("GET", "/", nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := body(t, res), "data: x"+strings.Repeat("*", len(echoKey))+"y\n\n"; got != want {
			t.Errorf("cut at %d: the agent got %q, want %q", cut, got, want)
		}
	}
}

// Events are not held back: only what may be the beginning of an echo is.
func TestScrubDoesNotDelayEvents(t *testing.T) {
	next := make(chan struct{})
	w := echoWorld(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 3 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			w.(http.Flusher).Flush()
			<-next
		}
	})
	res, err := w.do("GET", "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	buf := make([]byte, 64)
	for i := range 3 {
		n, err := res.Body.Read(buf)
		if want := fmt.Sprintf("data: %d\n\n", i); err != nil || string(buf[:n]) != want {
			t.Errorf("read %d = %q, %v; want %q before the next event is sent", i, buf[:n], err, want)
		}
		next <- struct{}{}
	}
}

func TestEchoInTrailer(t *testing.T) {
	w := echoWorld(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Echo")
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, "body")
		w.Header().Set("X-Echo", echoKey)
	})
	res, err := w.do("GET", "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if body(t, res); strings.Contains(res.Trailer.Get("X-Echo"), echoKey) || res.Trailer.Get("X-Echo") == "" {
		t.Errorf("trailer X-Echo = %q, want it there and without the secret", res.Trailer.Get("X-Echo"))
	}
}

func TestRedirectWithSecret(t *testing.T) {
	w := echoWorld(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "https://elsewhere.example/?"+r.URL.RawQuery)
		w.WriteHeader(302)
	})
	res, err := w.do("GET", "/?a=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if loc := res.Header.Get("Location"); res.StatusCode != 302 || strings.Contains(loc, url.QueryEscape(echoKey)) || !strings.Contains(loc, "a=1") {
		t.Errorf("answer = %d to %q, want the redirect itself, without the key", res.StatusCode, loc)
	}
}

func TestOnlyCodingsThatWeCanRead(t *testing.T) {
	var asked string
	w := echoWorld(t, func(w http.ResponseWriter, r *http.Request) { asked = r.Header.Get("Accept-Encoding") })
	for sent, want := range map[string]string{
		"gzip":                 "gzip",
		"dcb, gzip;q=0.5, dcz": "gzip;q=0.5",
		"weird":                "identity",
		// What takes much memory to search is asked for where nothing else is taken.
		"gzip, deflate, br, zstd": "gzip, deflate",
		"br;q=1.0, gzip;q=0.8":    "gzip;q=0.8",
		"br, zstd, identity":      "br, zstd, identity",
		"br, gzip;q=0":            "br, gzip;q=0",
		"zstd":                    "zstd",
		"":                        "",
	} {
		var header []string
		if sent != "" {
			header = []string{"Accept-Encoding", sent}
		}
		res, err := w.do("GET", "/", nil, header...)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if asked != want {
			t.Errorf("Accept-Encoding %q went out as %q, want %q", sent, asked, want)
		}
	}
}
