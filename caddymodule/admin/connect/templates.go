package admin

import (
	"embed"
	"errors"
	"html/template"
	"io/fs"
	"net/http"
	"strings"

	"github.com/attache-proxy/attache/resolver/vault"
)

//go:embed pages
var pageFiles embed.FS

// templates of the pages; html/template escapes by where a value stands.
var templates = template.Must(template.ParseFS(pageFiles, "pages/*.html"))

// ConnectPath is below which people connect accounts: ConnectPath/TOKEN for the
// links that operators make, ConnectPath/acc_… for those that agents are given.
const ConnectPath = "/connect"

// pagePolicy lets a page load its own files and talk to this server, and nothing
// else. No script and no style stands in a page.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// maxForm bounds a form: keys and certificates are larger than passwords.
const maxForm = 256 << 10

// pages routes what people see.
func (a *API) pages() http.Handler {
	files, err := fs.Sub(pageFiles, "pages")
	if err != nil {
		panic(err) // embedded above
	}
	static := http.FileServerFS(files)
	mux := http.NewServeMux()
	for _, name := range []string{"page.css", "page.js"} {
		mux.Handle("GET "+ConnectPath+"/"+name, http.StripPrefix(ConnectPath, static))
	}
	mux.HandleFunc("GET "+CallbackPath, a.callback)
	mux.HandleFunc("GET "+ClientDocumentPath, a.clientDocument)
	mux.HandleFunc("GET "+ConnectPath+"/{ref}", a.connectPage)
	mux.HandleFunc("POST "+ConnectPath+"/{ref}", a.connectForm)
	mux.HandleFunc("GET "+ConnectPath+"/{ref}/status", a.connectStatus)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := mux.Handler(r); pattern == "" {
			a.pageProblem(w, r, problem(http.StatusNotFound, "NOT_FOUND", "There is nothing here."))
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// guardPages is guard for pages. People come by links from anywhere; forms come
// from our own pages alone.
func (a *API) guardPages(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", pagePolicy)
		h.Set("X-Frame-Options", "DENY")
		// The link is a secret: no other site hears it. Our own forms still say
		// where they come from.
		h.Set("Referrer-Policy", "same-origin")
		h.Set("X-Robots-Tag", "noindex")
		if p := a.refuseHost(r); p != nil {
			a.pageProblem(w, r, p)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead && !sameOrigin(r) {
			a.pageProblem(w, r, problem(http.StatusForbidden, "ORIGIN_NOT_ALLOWED", "This form was sent from another site's page."))
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
func (a *API) render(w http.ResponseWriter, status int, name string, p page) {
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
func (a *API) pageProblem(w http.ResponseWriter, r *http.Request, err error) {
	var p *Problem
	if !errors.As(a.explain(err, "SESSION", nil), &p) {
		p = problem(http.StatusInternalServerError, "INTERNAL", "Something went wrong here; the log has the cause.")
	}
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
func (a *API) showResult(w http.ResponseWriter, r *http.Request, s vault.Session, link interface{ Reveal() string }, err error) {
	title := a.titleOf(r, s)
	if err != nil {
		var p *Problem
		if !errors.As(a.explain(err, "ACCOUNT", nil), &p) {
			p = problem(http.StatusInternalServerError, "INTERNAL", "Something went wrong here; the log has the cause.")
		}
		n := notice{Detail: p.Detail}
		if l := link.Reveal(); l != "" && !s.Stage.Over() {
			n.Again = ConnectPath + "/" + l
		}
		a.render(w, p.Status, "notice.html", page{Title: title + " was not connected", Session: s.ID, Outcome: "failed", Body: n})
		return
	}
	n := notice{Good: true, Detail: "You can close this window."}
	// Whose it is, to the browser in which they signed in just now.
	if acct, err := a.person(s.Organisation).Account(r.Context(), s.AccountID); err == nil && acct.Provider.Label != "" {
		n.Detail = "You are connected as " + acct.Provider.Label + ". " + n.Detail
	}
	a.render(w, http.StatusOK, "notice.html", page{Title: title + " is connected", Session: s.ID, Outcome: "done", Body: n})
}

// titleOf is the service's name, for people.
func (a *API) titleOf(r *http.Request, s vault.Session) string {
	t, err := a.subject(r.Context(), a.person(s.Organisation), s.AccountID, choice{})
	if err != nil {
		return "The account"
	}
	return title(t)
}

func title(t *subject) string {
	if t.con.Title != "" {
		return t.con.Title
	}
	return t.con.Key
}
