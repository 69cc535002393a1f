package connect

import (
	"io/fs"
	"net/http"

	"github.com/attache-proxy/attache/caddymodule/admin/paths"
	"github.com/attache-proxy/attache/caddymodule/admin/signin"
	"github.com/attache-proxy/attache/resolver/problem"
)

// New makes the pages.
func New(c Config) http.Handler {
	a := &Pages{c: c, v: c.Vault, log: c.Log, guard: c.Guard, turns: c.Turns}
	return a.guarded(a.routes())
}

// pagePolicy lets a page load its own files and talk to this server, and nothing
// else. No script and no style stands in a page.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// routes is what people see.
func (a *Pages) routes() http.Handler {
	files, err := fs.Sub(pageFiles, "pages")
	if err != nil {
		panic(err) // embedded above
	}
	static := http.FileServerFS(files)
	mux := http.NewServeMux()
	for _, name := range []string{"page.css", "page.js"} {
		mux.Handle("GET "+paths.Connect+"/"+name, http.StripPrefix(paths.Connect, static))
	}
	mux.HandleFunc("GET "+paths.Callback, a.callback)
	mux.HandleFunc("GET "+paths.ClientDocument, a.clientDocument)
	mux.HandleFunc("GET "+paths.Connect+"/{ref}", a.connectPage)
	mux.HandleFunc("POST "+paths.Connect+"/{ref}", a.connectForm)
	mux.HandleFunc("GET "+paths.Connect+"/{ref}/status", a.connectStatus)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := mux.Handler(r); pattern == "" {
			a.pageProblem(w, r, problem.New(http.StatusNotFound, "NOT_FOUND", "There is nothing here."))
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// guarded is the guard for pages. People come by links from anywhere; forms come
// from our own pages alone.
func (a *Pages) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", pagePolicy)
		h.Set("X-Frame-Options", "DENY")
		// The link is a secret: no other site hears it. Our own forms still say
		// where they come from.
		h.Set("Referrer-Policy", "same-origin")
		h.Set("X-Robots-Tag", "noindex")
		if p := a.guard.RefuseHost(r); p != nil {
			a.pageProblem(w, r, p)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead && !signin.SameOrigin(r) {
			a.pageProblem(w, r, problem.New(http.StatusForbidden, "ORIGIN_NOT_ALLOWED", "This form was sent from another site's page."))
			return
		}
		next.ServeHTTP(w, r)
	})
}
