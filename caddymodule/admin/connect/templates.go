// Package connect is the pages on which people connect accounts: by the links that
// operators make and agents are given, to the service and back. What is done with
// what they bring is package resolver/connect.
package connect

import (
	"embed"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"

	"github.com/attache-proxy/attache/caddymodule/admin/paths"
	"github.com/attache-proxy/attache/caddymodule/admin/signin"
	"github.com/attache-proxy/attache/resolver/connect"
	"github.com/attache-proxy/attache/resolver/problem"
	"github.com/attache-proxy/attache/resolver/vault"
)

// Config is what New needs. All but Links and PublicURL must be set.
type Config struct {
	Vault *vault.Vault
	// PublicURL is the origin at which people reach these pages; empty: the host
	// by which they came.
	PublicURL string
	// Links says what the links do that agents are given: LinksOpen when empty.
	Links string
	Log   *slog.Logger

	Guard *signin.Guard
	Turns *connect.Turns
}

// Pages are what people see.
type Pages struct {
	c               Config
	v               *vault.Vault
	log             *slog.Logger
	guard           *signin.Guard
	turns           *connect.Turns
	starts, greeted starts
}

// New makes the pages.
func New(c Config) http.Handler {
	a := &Pages{c: c, v: c.Vault, log: c.Log, guard: c.Guard, turns: c.Turns}
	return a.guarded(a.routes())
}

//go:embed pages
var pageFiles embed.FS

// templates of the pages; html/template escapes by where a value stands.
var templates = template.Must(template.ParseFS(pageFiles, "pages/*.html"))

// pagePolicy lets a page load its own files and talk to this server, and nothing
// else. No script and no style stands in a page.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// maxForm bounds a form: keys and certificates are larger than passwords.
const maxForm = 256 << 10

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

// page is what every template gets.
type page struct {
	Title string
	// Session and Outcome are told to the page that opened this one in a pop-up.
	Session, Outcome string
	Body             any
}

// render writes a page. A template that fails writes nothing of it.
func (a *Pages) render(w http.ResponseWriter, status int, name string, p page) {
	var b strings.Builder
	if err := templates.ExecuteTemplate(&b, name, p); err != nil {
		a.log.Error("making a page", "page", name, "error", err)
		http.Error(w, "Something went wrong here; the log has the cause.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(b.String()))
}

// notice is a page that only says something.
type notice struct {
	Good   bool
	Detail string
	Next   string
	// Again is where to try once more; empty where that is of no use.
	Again string
	// Dashboard is offered to operators.
	Dashboard string
}

// pageProblem shows an error of ours.
func (a *Pages) pageProblem(w http.ResponseWriter, r *http.Request, err error) {
	p := problem.Of(err, "SESSION", a.log)
	n := notice{Detail: p.Detail}
	switch p.Code {
	case "SESSION_NOT_FOUND", "ACCOUNT_NOT_FOUND":
		n.Detail, n.Next = "This link leads nowhere. It may have been taken back.", "Ask whoever sent it for a new one."
	case "EXPIRED":
		n.Detail, n.Next = "This link is no longer valid.", "Ask whoever sent it for a new one."
	}
	a.render(w, p.Status, "notice.html", page{Title: "That did not work", Outcome: "failed", Body: n})
}

// showResult ends a redirect flow, often in a pop-up, which then closes itself.
func (a *Pages) showResult(w http.ResponseWriter, r *http.Request, s vault.Session, link interface{ Reveal() string }, err error) {
	title := a.titleOf(r, s)
	if err != nil {
		p := problem.Of(err, "ACCOUNT", a.log)
		n := notice{Detail: p.Detail}
		if l := link.Reveal(); l != "" && !s.Stage.Over() {
			n.Again = paths.Connect + "/" + l
		}
		a.render(w, p.Status, "notice.html", page{Title: title + " was not connected", Session: s.ID, Outcome: "failed", Body: n})
		return
	}
	n := notice{Good: true, Detail: "You can close this window."}
	// Whose it is, to the browser in which they signed in just now.
	if acct, err := a.turns.Person(s.Organisation).Account(r.Context(), s.AccountID); err == nil && acct.Provider.Label != "" {
		n.Detail = "You are connected as " + acct.Provider.Label + ". " + n.Detail
	}
	a.render(w, http.StatusOK, "notice.html", page{Title: title + " is connected", Session: s.ID, Outcome: "done", Body: n})
}

// titleOf is the service's name, for people.
func (a *Pages) titleOf(r *http.Request, s vault.Session) string {
	t, err := a.turns.Subject(r.Context(), a.turns.Person(s.Organisation), s.AccountID, connect.Choice{})
	if err != nil {
		return "The account"
	}
	return title(t)
}

func title(t *connect.Subject) string {
	if t.Connector.Title != "" {
		return t.Connector.Title
	}
	return t.Connector.Key
}
