package integration_test

import (
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"mime/quotedprintable"
	"net/http"
	"strings"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// echo answers with everything it was sent, in the way that the path says: a
// careless or hostile service that hands the credential back.
func echo() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/text/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		io.WriteString(w, everything(r))
	})
	mux.HandleFunc("/json/", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusOK, map[string]any{"url": r.RequestURI, "headers": r.Header, "all": everything(r)})
	})
	mux.HandleFunc("/error/", func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "no good: "+everything(r), http.StatusForbidden)
	})
	mux.HandleFunc("/gzip/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		io.WriteString(z, everything(r))
		z.Close()
	})
	mux.HandleFunc("/bytes/", func(w http.ResponseWriter, r *http.Request) { // one byte at a time
		w.Header().Set("Content-Type", "text/plain")
		for _, b := range []byte(everything(r)) {
			w.Write([]byte{b})
			w.(http.Flusher).Flush()
		}
	})
	mux.HandleFunc("/events/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for line := range strings.Lines(everything(r)) {
			fmt.Fprintf(w, "data: %s\n\n", strings.TrimSpace(line))
			w.(http.Flusher).Flush()
			time.Sleep(5 * time.Millisecond)
		}
	})
	mux.HandleFunc("/headers/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Echo", strings.ReplaceAll(strings.ReplaceAll(everything(r), "\r", ""), "\n", " | "))
		w.Header().Set("Location", "https://elsewhere.test"+r.RequestURI)
		w.Header().Set("Set-Cookie", "echo="+r.Header.Get("Cookie")+r.Header.Get("X-Api-Key"))
		w.Header().Set("Link", "<"+r.RequestURI+">; rel=next")
		w.WriteHeader(http.StatusFound)
	})
	mux.HandleFunc("/trailer/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Echo")
		io.WriteString(w, "body")
		w.Header().Set("X-Echo", r.RequestURI+" "+r.Header.Get("Authorization")+r.Header.Get("X-Api-Key"))
	})
	mux.HandleFunc("/hints/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Echo", r.RequestURI+" "+r.Header.Get("Authorization")+r.Header.Get("X-Api-Key"))
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("X-Echo")
		io.WriteString(w, "done")
	})
	mux.HandleFunc("/abort/", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "begin")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	spell := func(way, contentType string, f func(string) string) {
		mux.HandleFunc("/"+way+"/", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", contentType)
			io.WriteString(w, f(everything(r)))
		})
	}
	characters := func(format string) func(string) string {
		return func(text string) string {
			var b strings.Builder
			for _, c := range []byte(text) {
				fmt.Fprintf(&b, format, c)
			}
			return b.String()
		}
	}
	spell("message", "message/http", strings.Clone)
	spell("untyped", "not a type", strings.Clone)
	spell("utf16", "text/plain; charset=utf-16le", characters("%c\x00"))
	spell("entities", "text/html", characters("&#%d;"))
	spell("unicode", "application/json", characters(`\u%04x`))
	spell("percent", "application/x-www-form-urlencoded", characters("%%%02x"))
	spell("hex", "text/plain", characters("%02x"))
	spell("base64", "application/jwt", func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) })
	spell("printable", "multipart/mixed; boundary=x", func(text string) string {
		var b strings.Builder
		q := quotedprintable.NewWriter(&b)
		io.WriteString(q, text)
		q.Close()
		return b.String()
	})
	for coding, open := range map[string]func(io.Writer) io.WriteCloser{
		"deflate": func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) },
		"br":      func(w io.Writer) io.WriteCloser { return brotli.NewWriter(w) },
		"zstd":    func(w io.Writer) io.WriteCloser { z, _ := zstd.NewWriter(w); return z },
	} {
		mux.HandleFunc("/"+coding+"/", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", coding)
			w.Header().Set("Content-Type", "application/json")
			z := open(w)
			io.WriteString(z, everything(r))
			z.Close()
		})
	}
	mux.HandleFunc("/mislabelled/", func(w http.ResponseWriter, r *http.Request) { // refused
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Content-Type", "text/plain")
		io.WriteString(w, everything(r))
	})
	mux.HandleFunc("/names/", func(w http.ResponseWriter, r *http.Request) { // names of headers, and trailers that nobody announced
		w.Header().Set("Content-Type", "image/png")
		token := strings.Map(func(c rune) rune {
			if strings.ContainsRune(` "/=&?:`, c) {
				return '-'
			}
			return c
		}, r.Header.Get("X-Api-Key"))
		if token != "" {
			w.Header()["X-"+token] = []string{"1"}
			w.Header()[http.TrailerPrefix+"X-"+token] = []string{"1"}
		}
		w.(http.Flusher).Flush()
		io.WriteString(w, "body")
		w.Header().Set(http.TrailerPrefix+"Grpc-Message", r.RequestURI+" "+r.Header.Get("Authorization")+r.Header.Get("X-Api-Key"))
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/bot") { // the credential is the first segment
			_, r.URL.Path, _ = strings.Cut(r.URL.Path[1:], "/")
			r.URL.Path = "/" + r.URL.Path
			r.URL.RawPath = ""
		}
		mux.ServeHTTP(w, r)
	})
}

// echoPaths are echo's ways to answer.
var echoPaths = []string{"text", "json", "error", "gzip", "bytes", "events", "headers", "trailer", "hints", "abort",
	"message", "untyped", "utf16", "entities", "unicode", "percent", "hex", "base64", "printable", "deflate", "br", "zstd", "mislabelled", "names"}

// everything is a request as text: target, headers, body.
func everything(r *http.Request) string {
	body, _ := io.ReadAll(r.Body)
	headers, _ := json.Marshal(r.Header)
	var raw strings.Builder
	r.Header.Write(&raw)
	user, password, _ := r.BasicAuth()
	return fmt.Sprintf("%s %s\n%s\n%s\n%s:%s\n%s\n", r.Method, r.RequestURI, raw.String(), headers, user, password, body)
}
