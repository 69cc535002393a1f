package connect

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/resolver/connect"
	"github.com/attache-proxy/attache/resolver/problem"
	"github.com/attache-proxy/attache/resolver/vault"
)

// connectBody is what the page of a connection shows.
type connectBody struct {
	Service, Account string
	// Problem is what went wrong before; empty: nothing.
	Problem string
	// Ways are the ways to connect, where there is a choice.
	Ways []way
	// Option is the way that is shown.
	Option, Help string
	// Person says that the service asks the person itself.
	Person bool
	// Code says that it does so by a code.
	Code   bool
	Device *deviceBody
	Fields []fieldBody
	Scopes []string
	More   []string
	Again  bool // it was connected before
}

type way struct {
	Name, Title string
	Chosen      bool
}

type fieldBody struct {
	Name, Title, Description, Value, Error, Type string
	Enum                                         []string
	Required, Secret, Long                       bool
}

type deviceBody struct {
	UserCode, URI, Direct string
	Until                 time.Time
}

// showVisit shows the page of a connection. p is what was wrong with the form.
func (a *Pages) showVisit(w http.ResponseWriter, r *http.Request, v *visitor, status int, p *problem.Problem) {
	t := v.t
	name := title(t)
	switch {
	case v.s.Stage == vault.SessionDone:
		a.render(w, http.StatusOK, "notice.html", page{Title: name + " is connected", Session: v.s.ID, Outcome: "done", Body: notice{Good: true, Detail: "You can close this window."}})
		return
	case v.s.Stage == vault.SessionFailed:
		a.render(w, http.StatusOK, "notice.html", page{Title: name + " was not connected", Session: v.s.ID, Outcome: "failed", Body: notice{Detail: v.s.Error}})
		return
	case v.reach == connect.ReachAgent && t.Account.State == vault.Active && v.s.ID == "" && !v.stepUp:
		a.render(w, http.StatusOK, "notice.html", page{Title: name + " is connected", Body: notice{Good: true, Detail: "There is nothing to do."}})
		return
	}
	b := connectBody{Service: name, Account: t.Account.Name, Problem: v.s.Error, Option: t.Option.Name, Person: connect.NeedsPerson(t.Option), Code: connect.FlowOf(t.Option) == "device_code",
		Fields: fieldsOf(t, p), More: v.more, Again: !connect.NeverConnected(&t.Account)}
	if strings.HasPrefix(t.Option.Help, "https://") {
		b.Help = t.Option.Help
	}
	if p != nil {
		b.Problem = p.Detail
	}
	if b.Person && t.OAuth != nil {
		b.Scopes = t.Asked(t.Scopes(v.more))
	}
	if v.reach == connect.ReachLink && v.s.Data.Pinned == "" {
		b.Ways = waysOf(t)
	}
	if v.s.Flow == vault.FlowDevice && v.s.Stage == vault.SessionAuthorizing && v.s.Data.Option == t.Option.Name && !connect.AttemptOver(v.s, a.v.Clock(r.Context())) {
		b.Device = &deviceBody{UserCode: v.s.Data.UserCode, URI: v.s.Data.Verify, Direct: v.s.Data.Complete}
	}
	a.render(w, status, "connect.html", page{Title: "Connect " + name, Session: v.s.ID, Body: b})
}

// waysOf lists the ways of which a person may choose one.
func waysOf(t *connect.Subject) (out []way) {
	for _, o := range t.Connector.Options {
		if o.Type == providers.TypeDelegate {
			continue
		}
		text := o.Title
		if text == "" {
			text = o.Name
		}
		out = append(out, way{o.Name, text, o == t.Option})
	}
	if len(out) < 2 {
		return nil
	}
	return out
}

// fieldsOf are the fields to ask for. What is secret is never shown again.
func fieldsOf(t *connect.Subject, p *problem.Problem) (out []fieldBody) {
	for _, f := range t.Option.Fields {
		b := fieldBody{Name: f.Name, Title: f.Title, Description: f.Description, Enum: f.Enum, Required: !f.Optional && f.Default == "", Secret: f.Secret, Type: "text"}
		if b.Title == "" {
			b.Title = f.Name
		}
		if !f.Secret {
			if b.Value = t.Fields.Get(f.Name).Reveal(); b.Value == "" {
				b.Value = f.Default
			}
		}
		b.Long = slices.ContainsFunc([]string{"private_key", "service_account", "certificate", "pem", "json"}, func(s string) bool { return strings.Contains(f.Name, s) })
		switch {
		case f.Secret:
			b.Type = "password"
		case f.Format == "email":
			b.Type = "email"
		}
		if p != nil {
			for _, e := range p.Errors {
				if e.Location == "body.credentials."+f.Name {
					b.Error = e.Message
				}
			}
		}
		out = append(out, b)
	}
	return out
}
