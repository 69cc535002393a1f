// Package ui is the dashboard: a page that uses the REST API like any other caller.
// Its sources are in src; dist is what Vite makes of them, and what is served.
package ui

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/attache-proxy/attache/caddymodule/admin/paths"
	"github.com/attache-proxy/attache/resolver/problem"
)

//go:embed dist
var dist embed.FS

// policy lets the page load its own files and talk to this server, and nothing
// else. Nothing on it makes markup or scripts of text, and it could not.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// file is one of the page's files, also compressed.
type file struct {
	kind, tag     string
	plain, zipped []byte
}

// files are the page's, by their path below paths.UI; the page itself is "/".
var files = sync.OnceValue(func() map[string]*file {
	out := map[string]*file{}
	err := fs.WalkDir(dist, "dist", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := dist.ReadFile(name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(b)
		out[strings.TrimPrefix(name, "dist")] = &file{mime.TypeByExtension(path.Ext(name)), `"` + hex.EncodeToString(sum[:8]) + `"`, b, zipped(b)}
		return nil
	})
	if err != nil || out["/index.html"] == nil {
		panic("ui: the embedded page cannot be read") // it is part of the binary
	}
	out["/"] = out["/index.html"]
	return out
})

func zipped(b []byte) []byte {
	var out bytes.Buffer
	w, _ := gzip.NewWriterLevel(&out, gzip.BestCompression)
	_, _ = w.Write(b)
	_ = w.Close()
	return out.Bytes()
}

// Handler serves the embedded page.
func Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			problem.Write(w, problem.New(http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "This path takes GET."))
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		// The dashboard hears from the pop-ups that it opens for connecting.
		h.Set("Cross-Origin-Opener-Policy", "same-origin-allow-popups")
		h.Set("Cache-Control", "no-cache")
		if r.URL.Path == paths.UI {
			http.Redirect(w, r, paths.UI+"/", http.StatusMovedPermanently)
			return
		}
		name := strings.TrimPrefix(r.URL.Path, paths.UI)
		if key, ok := strings.CutPrefix(name, "/logos/"); ok {
			serveLogo(w, r, key)
			return
		}
		f := files()[name]
		if f == nil {
			http.NotFound(w, r)
			return
		}
		f.serve(w, r)
	})
}

func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	h, body, tag := w.Header(), f.plain, f.tag
	h.Set("Content-Type", f.kind)
	h.Set("Vary", "Accept-Encoding")
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") && r.Header.Get("Range") == "" {
		h.Set("Content-Encoding", "gzip")
		body, tag = f.zipped, strings.TrimSuffix(f.tag, `"`)+`-gzip"`
	}
	h.Set("ETag", tag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}
