package connect

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/attache-proxy/attache/caddymodule/admin/paths"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/connect"
	"github.com/attache-proxy/attache/resolver/problem"
	"github.com/attache-proxy/attache/resolver/vault"
)

// visitor is a person at a connect page.
type visitor struct {
	ref string
	// s is the session; its ID is empty at an agent's link, where none has begun.
	s      vault.Session
	reach  connect.Reach
	more   []string // scopes beyond the connector's
	stepUp bool     // a service said that scopes are missing
	c      *vault.View
	t      *connect.Subject
}

// visitorOf finds what a link is for.
func (a *Pages) visitorOf(ctx context.Context, r *http.Request) (*visitor, error) {
	ref := r.PathValue("ref")
	if !strings.HasPrefix(ref, "acc_") {
		s, err := a.v.SessionByToken(ctx, secret.New(ref))
		if err != nil {
			return nil, err
		}
		return &visitor{ref: ref, s: s, reach: connect.ReachOf(s), more: strings.Fields(s.Data.More), c: a.turns.Person(s.Organisation)}, nil
	}
	v := &visitor{ref: ref, reach: connect.ReachAgent, c: a.turns.Person(vault.All)}
	if a.c.Links == LinksOff {
		return nil, vault.ErrNotFound
	}
	if sealed := r.URL.Query().Get(MoreParam); sealed != "" {
		more, err := a.v.OpenLink(ref, sealed, agentLinkLife)
		if err != nil {
			return nil, err
		}
		v.more, v.stepUp = strings.Fields(more), true
	}
	return v, nil
}

// agentLinkLife is how long the scopes in an agent's link may be asked for.
const agentLinkLife = 7 * 24 * time.Hour

// look reads the account in the light of what the person chose.
func (a *Pages) look(ctx context.Context, v *visitor, ch connect.Choice) error {
	id := v.ref
	if v.s.ID != "" {
		id = v.s.AccountID
	}
	if v.reach != connect.ReachLink { // nothing may be chosen
		ch = connect.Choice{Option: v.s.Data.Option}
	} else if pinned := v.s.Data.Pinned; pinned != "" {
		ch.Option = pinned
	} else if ch.Option == "" {
		ch.Option = v.s.Data.Option // what was chosen last
	}
	var err error
	v.t, err = a.turns.Subject(ctx, v.c, id, ch)
	if err != nil {
		return err
	}
	if v.reach == connect.ReachAgent && !v.s.Stage.Over() {
		return v.mayBegin()
	}
	return nil
}

// mayBegin refuses what a link that agents see must not do.
func (v *visitor) mayBegin() error {
	t := v.t
	switch {
	case t.Account.State == vault.Suspended, t.Account.State == vault.Revoked:
		return problem.New(http.StatusConflict, "INVALID_STATE", "An operator stopped this account. Only they can let it go on.")
	case !connect.NeedsPerson(t.Option):
		return problem.New(http.StatusConflict, "NEEDS_LINK", "This account is connected with a key. A key is entered only at a link that your operator makes for you.")
	case len(t.Missing()) > 0:
		return problem.New(http.StatusConflict, "NEEDS_LINK", "Something about this account is missing that only your operator can fill in.")
	case !connect.NeverConnected(&t.Account) && t.Account.Provider.ID == "":
		return problem.New(http.StatusConflict, "IDENTITY_UNKNOWN", "This service does not say whose account it is, so that it is connected again only at a link that your operator makes for you.")
	}
	return nil
}

// connectPage shows where a connection stands, and what to do.
func (a *Pages) connectPage(w http.ResponseWriter, r *http.Request) {
	v, err := a.visitorOf(r.Context(), r)
	if err == nil && v.reach == connect.ReachAgent && v.s.ID == "" && a.c.Links == LinksSignIn {
		http.Redirect(w, r, paths.UI+"/#/accounts/"+v.ref, http.StatusSeeOther)
		return
	}
	if err == nil {
		err = a.look(r.Context(), v, connect.Choice{Option: r.URL.Query().Get("option")})
	}
	if err != nil {
		a.linkProblem(w, r, err)
		return
	}
	if v.s.ID == "" {
		a.greet(w, r)
	}
	a.showVisit(w, r, v, http.StatusOK, nil)
}

// linkProblem is pageProblem with the way to the dashboard where an operator
// must act. Addresses that find nothing again and again are slowed down.
func (a *Pages) linkProblem(w http.ResponseWriter, r *http.Request, err error) {
	var p *problem.Problem
	switch {
	case errors.Is(err, vault.ErrNotFound) && a.guard.Failures.Count(r.RemoteAddr, time.Now()) > 0:
		err = problem.New(http.StatusTooManyRequests, "TOO_MANY_FAILURES", "Too many links that lead nowhere came from this address. Try again in a minute.")
	case errors.As(err, &p) && (p.Code == "NEEDS_LINK" || p.Code == "IDENTITY_UNKNOWN" || p.Code == "INVALID_STATE"):
		n := notice{Detail: p.Detail, Next: "If that is you, make one in the dashboard."}
		if strings.HasPrefix(r.PathValue("ref"), "acc_") {
			n.Dashboard = paths.UI + "/#/accounts/" + r.PathValue("ref")
		}
		if p.Code == "INVALID_STATE" {
			n.Next = ""
		}
		a.render(w, p.Status, "notice.html", page{Title: "Your operator must help", Outcome: "failed", Body: n})
		return
	}
	a.pageProblem(w, r, err)
}

// connectForm is what the person sends: begin, or credentials.
func (a *Pages) connectForm(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		a.pageProblem(w, r, problem.New(http.StatusBadRequest, "BAD_REQUEST", "The form cannot be read."))
		return
	}
	v, err := a.visitorOf(ctx, r)
	if err == nil && v.s.Stage.Over() {
		err = vault.ErrUsed
	}
	if err == nil && v.reach == connect.ReachAgent && v.s.ID == "" && a.c.Links == LinksSignIn {
		err = problem.New(http.StatusForbidden, "SIGN_IN", "Sign in to the dashboard first.")
	}
	ch := connect.Choice{Option: r.PostForm.Get("option"), Fields: map[string]string{}}
	for name, values := range r.PostForm {
		if field, ok := strings.CutPrefix(name, connect.SealedField); ok && strings.TrimSpace(values[0]) != "" {
			ch.Fields[field] = strings.TrimSpace(values[0])
		}
	}
	if err == nil {
		err = a.look(ctx, v, ch)
	}
	if err != nil {
		a.linkProblem(w, r, err)
		return
	}
	if connect.NeedsPerson(v.t.Option) {
		a.beginVisit(w, r, v)
		return
	}
	a.takeForm(w, r, v)
}

// takeForm tests and stores what was pasted, which only an operator's link may do.
func (a *Pages) takeForm(w http.ResponseWriter, r *http.Request, v *visitor) {
	if v.reach != connect.ReachLink {
		a.linkProblem(w, r, v.mayBegin())
		return
	}
	err := a.paste(context.WithoutCancel(r.Context()), v)
	if err != nil {
		p := problem.Of(err, "ACCOUNT", a.log)
		a.turns.Note(r.Context(), v.s, p.Code)
		a.showVisit(w, r, v, p.Status, p)
		return
	}
	s, err := a.v.UpdateSession(r.Context(), v.s.ID, 0, vault.SessionEdit{Flow: vault.FlowForm, Stage: vault.SessionDone})
	if err != nil {
		s = v.s // the account is connected all the same
	}
	a.showResult(w, r, s, secret.Value{}, nil)
}

// paste checks credentials, tests them, and gives them to the account.
func (a *Pages) paste(ctx context.Context, v *visitor) error {
	t := v.t
	if t.Account.State == vault.Suspended {
		return connect.ErrSuspended
	}
	if err := t.Complete(); err != nil {
		return err
	}
	verdict, err := a.turns.Test(ctx, connect.Trial{Connector: t.Connector, Option: t.Option, Fields: t.Fields, App: t.App})
	if err != nil {
		return err
	}
	if p := connect.SameIdentity(v.s, &t.Account, verdict.Provider); p != nil {
		return p
	}
	c := connect.CredentialsOf(t.Connector, t.Option, t.Fields)
	c.Option = t.Option.Name
	conn := vault.Connection{Credentials: c, AppID: t.AppID}
	if verdict.Tested {
		conn.Provider = &verdict.Provider
	}
	_, err = v.c.Connect(ctx, t.Account.ID, t.Account.Version, conn)
	return err
}

// beginVisit begins the service's own authorization.
func (a *Pages) beginVisit(w http.ResponseWriter, r *http.Request, v *visitor) {
	ctx := r.Context()
	if v.s.ID == "" && !a.starts.allow(a.countsAs(r), startsAllowed, time.Now()) {
		a.pageProblem(w, r, problem.New(http.StatusTooManyRequests, "TOO_MANY_STARTS", "This was begun too often. Try again in some minutes."))
		return
	}
	b, err := a.turns.Begin(ctx, v.t, a.guard.Origin(r)+paths.Callback, v.t.Scopes(v.more))
	if err != nil {
		p := problem.Of(err, "ACCOUNT", a.log)
		a.showVisit(w, r, v, p.Status, p)
		return
	}
	if err := a.keepVisit(w, r, v, b); err != nil {
		a.pageProblem(w, r, err)
		return
	}
	if b.URL != "" {
		// No redirect: a browser would hold the service's own redirects against the
		// policy of the form. The page goes on by itself, and has a link.
		a.render(w, http.StatusOK, "leave.html", page{Title: "On to " + title(v.t), Session: v.s.ID, Body: b.URL})
		return
	}
	http.Redirect(w, r, paths.Connect+"/"+v.ref, http.StatusSeeOther)
}

// keepVisit writes the attempt into the session; at an agent's link it makes one.
// From then on the person is at the session's own page.
func (a *Pages) keepVisit(w http.ResponseWriter, r *http.Request, v *visitor, b *connect.Attempt) (err error) {
	ctx := r.Context()
	if v.s.ID == "" {
		b.Set(func(d *vault.SessionData) { d.Reach, d.More = string(connect.ReachAgent), strings.Join(v.more, " ") })
		view := a.turns.Person(v.t.Account.Organisation)
		var token secret.Value
		if v.s, token, err = view.CreateSession(ctx, vault.NewSession{AccountID: v.ref, Lifetime: time.Until(b.Until) + time.Minute}); err != nil {
			return err
		}
		v.ref = token.Reveal()
	}
	cookie, hash := a.newBrowser(w, r, v.s.ID, time.Until(b.Until)+time.Minute)
	b.Set(func(d *vault.SessionData) { d.Cookie, d.Browser = cookie, hash })
	b.Edit.Secrets[connect.SealedLink] = secret.New(v.ref)
	if v.s, err = a.v.UpdateSession(ctx, v.s.ID, 0, b.Edit); err == nil && b.Edit.Flow == vault.FlowDevice {
		a.turns.PollSoon()
	}
	return err
}

// connectStatus is what a page asks for while the person is elsewhere.
func (a *Pages) connectStatus(w http.ResponseWriter, r *http.Request) {
	v, err := a.visitorOf(r.Context(), r)
	if err == nil && v.s.ID == "" {
		err = vault.ErrNotFound
	}
	if err == nil {
		v.s, err = a.turns.PollDevice(r.Context(), v.s)
	}
	status := string(v.statusOr(err))
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]string{"status": status})
}

// statusOr is the session's stage, or what an error makes of it.
func (v *visitor) statusOr(err error) string {
	switch {
	case err == nil:
		return string(v.s.Stage)
	case errors.Is(err, vault.ErrExpired), errors.Is(err, vault.ErrNotFound):
		return "expired"
	}
	return "unknown"
}
