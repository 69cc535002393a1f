package connect

import (
	"embed"
	"html/template"
	"net/http"
	"strings"

	"github.com/attache-proxy/attache/caddymodule/admin/paths"
	"github.com/attache-proxy/attache/resolver/connect"
	"github.com/attache-proxy/attache/resolver/problem"
	"github.com/attache-proxy/attache/resolver/vault"
)

//go:embed pages
var pageFiles embed.FS

// templates of the pages; html/template escapes by where a value stands.
var templates = template.Must(template.ParseFS(pageFiles, "pages/*.html"))

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
