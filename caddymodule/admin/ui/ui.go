// Package ui is the dashboard: a page that uses the REST API like any other caller.
package ui

import (
	"embed"
	"net/http"

	"github.com/attache-proxy/attache/caddymodule/admin/paths"
	"github.com/attache-proxy/attache/resolver/problem"
)

//go:embed *.html *.css *.js
var files embed.FS

// policy lets the page load its own files and talk to this server, and
// nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Handler serves the embedded page.
func Handler() http.Handler {
	serve := http.StripPrefix(paths.UI, http.FileServerFS(files))
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
		serve.ServeHTTP(w, r)
	})
}
