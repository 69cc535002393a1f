package admin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault"
)

// visit is a person at a connect page.
type visit struct {
	ref string
	// s is the session; its ID is empty at an agent's link, where none has begun.
	s      vault.Session
	reach  reach
	more   []string // scopes beyond the connector's
	stepUp bool     // a service said that scopes are missing
	c      *Caller
	t      *subject
}

// visitOf finds what a link is for.
func (a *API) visitOf(ctx context.Context, r *http.Request) (*visit, error) {
	ref := r.PathValue("ref")
	if !strings.HasPrefix(ref, "acc_") {
		s, err := a.v.SessionByToken(ctx, secret.New(ref))
		if err != nil {
			return nil, err
		}
		return &visit{ref: ref, s: s, reach: reachOf(s), more: strings.Fields(s.Data[dataMore]), c: a.person(s.Organisation)}, nil
	}
	v := &visit{ref: ref, reach: reachAgent, c: a.person(vault.All)}
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
func (a *API) look(ctx context.Context, v *visit, ch choice) error {
	id := v.ref
	if v.s.ID != "" {
		id = v.s.AccountID
	}
	if v.reach != reachLink { // nothing may be chosen
		ch = choice{option: v.s.Data[dataOption]}
	} else if pinned := v.s.Data[dataPinned]; pinned != "" {
		ch.option = pinned
	} else if ch.option == "" {
		ch.option = v.s.Data[dataOption] // what was chosen last
	}
	var err error
	v.t, err = a.subject(ctx, v.c, id, ch)
	if err != nil {
		return err
	}
	if v.reach == reachAgent && !v.s.Stage.Over() {
		return v.mayBegin()
	}
	return nil
}

// mayBegin refuses what a link that agents see must not do.
func (v *visit) mayBegin() error {
	t := v.t
	switch {
	case t.acct.State == vault.Suspended, t.acct.State == vault.Revoked:
		return problem(http.StatusConflict, "INVALID_STATE", "An operator stopped this account. Only they can let it go on.")
	case !needsPerson(t.opt):
		return problem(http.StatusConflict, "NEEDS_LINK", "This account is connected with a key. A key is entered only at a link that your operator makes for you.")
	case len(t.missing()) > 0:
		return problem(http.StatusConflict, "NEEDS_LINK", "Something about this account is missing that only your operator can fill in.")
	case !neverConnected(&t.acct) && t.acct.Provider.ID == "":
		return problem(http.StatusConflict, "IDENTITY_UNKNOWN", "This service does not say whose account it is, so that it is connected again only at a link that your operator makes for you.")
	}
	return nil
}

// connectPage shows where a connection stands, and what to do.
func (a *API) connectPage(w http.ResponseWriter, r *http.Request) {
	v, err := a.visitOf(r.Context(), r)
	if err == nil && v.reach == reachAgent && v.s.ID == "" && a.c.Links == LinksSignIn {
		http.Redirect(w, r, UI+"/#/accounts/"+v.ref, http.StatusSeeOther)
		return
	}
	if err == nil {
		err = a.look(r.Context(), v, choice{option: r.URL.Query().Get("option")})
	}
	if err != nil {
		a.linkProblem(w, r, err)
		return
	}
	a.showVisit(w, r, v, http.StatusOK, nil)
}

// linkProblem is pageProblem with the way to the dashboard where an operator
// must act. Addresses that find nothing again and again are slowed down.
func (a *API) linkProblem(w http.ResponseWriter, r *http.Request, err error) {
	var p *Problem
	switch {
	case errors.Is(err, vault.ErrNotFound) && a.failures.count(r.RemoteAddr, time.Now()) > 0:
		err = problem(http.StatusTooManyRequests, "TOO_MANY_FAILURES", "Too many links that lead nowhere came from this address. Try again in a minute.")
	case errors.As(err, &p) && (p.Code == "NEEDS_LINK" || p.Code == "IDENTITY_UNKNOWN" || p.Code == "INVALID_STATE"):
		n := notice{Detail: p.Detail, Next: "If that is you, make one in the dashboard."}
		if strings.HasPrefix(r.PathValue("ref"), "acc_") {
			n.Dashboard = UI + "/#/accounts/" + r.PathValue("ref")
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
func (a *API) connectForm(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		a.pageProblem(w, r, problem(http.StatusBadRequest, "BAD_REQUEST", "The form cannot be read."))
		return
	}
	v, err := a.visitOf(ctx, r)
	if err == nil && v.s.Stage.Over() {
		err = vault.ErrUsed
	}
	if err == nil && v.reach == reachAgent && v.s.ID == "" && a.c.Links == LinksSignIn {
		err = problem(http.StatusForbidden, "SIGN_IN", "Sign in to the dashboard first.")
	}
	ch := choice{option: r.PostForm.Get("option"), fields: map[string]string{}}
	for name, values := range r.PostForm {
		if field, ok := strings.CutPrefix(name, sealedField); ok && strings.TrimSpace(values[0]) != "" {
			ch.fields[field] = strings.TrimSpace(values[0])
		}
	}
	if err == nil {
		err = a.look(ctx, v, ch)
	}
	if err != nil {
		a.linkProblem(w, r, err)
		return
	}
	if needsPerson(v.t.opt) {
		a.beginVisit(w, r, v)
		return
	}
	a.takeForm(w, r, v)
}

// takeForm tests and stores what was pasted, which only an operator's link may do.
func (a *API) takeForm(w http.ResponseWriter, r *http.Request, v *visit) {
	if v.reach != reachLink {
		a.linkProblem(w, r, v.mayBegin())
		return
	}
	err := a.paste(context.WithoutCancel(r.Context()), v)
	if err != nil {
		var p *Problem
		if errors.As(a.explain(err, "ACCOUNT", nil), &p) {
			a.note(r.Context(), v.s, p.Code)
			a.showVisit(w, r, v, p.Status, p)
		}
		return
	}
	s, err := a.v.UpdateSession(r.Context(), v.s.ID, 0, vault.SessionEdit{Flow: vault.FlowForm, Stage: vault.SessionDone})
	if err != nil {
		s = v.s // the account is connected all the same
	}
	a.showResult(w, r, s, secret.Value{}, nil)
}

// paste checks credentials, tests them, and gives them to the account.
func (a *API) paste(ctx context.Context, v *visit) error {
	t := v.t
	if t.acct.State == vault.Suspended {
		return suspended
	}
	if err := t.complete(); err != nil {
		return err
	}
	verdict, err := a.try(ctx, Trial{Connector: t.con, Option: t.opt, Fields: t.fields, App: t.app})
	if err != nil {
		return err
	}
	if p := sameIdentity(v.s, &t.acct, verdict.Provider); p != nil {
		return p
	}
	c := credentialsOf(t.opt, t.fields)
	c.Option = t.opt.Name
	conn := vault.Connection{Credentials: c, AppID: t.appID}
	if verdict.Tested {
		conn.Provider = &verdict.Provider
	}
	_, err = v.c.Connect(ctx, t.acct.ID, t.acct.Version, conn)
	return err
}

// beginVisit begins the service's own authorization.
func (a *API) beginVisit(w http.ResponseWriter, r *http.Request, v *visit) {
	ctx := r.Context()
	if v.s.ID == "" && !a.starts.allow(v.ref, time.Now()) {
		a.pageProblem(w, r, problem(http.StatusTooManyRequests, "TOO_MANY_STARTS", "This was begun too often. Try again in some minutes."))
		return
	}
	b, err := a.begin(ctx, v.t, a.origin(r)+CallbackPath, v.t.scopes(v.more))
	if err != nil {
		var p *Problem
		if errors.As(a.explain(err, "ACCOUNT", nil), &p) {
			a.showVisit(w, r, v, p.Status, p)
		}
		return
	}
	b.edit.Data[dataBrowser] = a.ownBrowser(w, r)
	if err := a.keepVisit(ctx, v, b); err != nil {
		a.pageProblem(w, r, err)
		return
	}
	if b.url != "" {
		// No redirect: a browser would hold the service's own redirects against the
		// policy of the form. The page goes on by itself, and has a link.
		a.render(w, http.StatusOK, "leave.html", page{Title: "On to " + title(v.t), Session: v.s.ID, Body: b.url})
		return
	}
	http.Redirect(w, r, ConnectPath+"/"+v.ref, http.StatusSeeOther)
}

// keepVisit writes the attempt into the session; at an agent's link it makes one.
// From then on the person is at the session's own page.
func (a *API) keepVisit(ctx context.Context, v *visit, b *begun) (err error) {
	if v.s.ID == "" {
		b.edit.Data[dataReach], b.edit.Data[dataMore] = string(reachAgent), strings.Join(v.more, " ")
		view := a.person(v.t.acct.Organisation).View
		var token secret.Value
		if v.s, token, err = view.CreateSession(ctx, vault.NewSession{AccountID: v.ref, Lifetime: time.Until(b.until) + time.Minute}); err != nil {
			return err
		}
		v.ref = token.Reveal()
	}
	b.edit.Secrets[sealedLink] = secret.New(v.ref)
	if v.s, err = a.v.UpdateSession(ctx, v.s.ID, 0, b.edit); err == nil && b.edit.Flow == vault.FlowDevice {
		a.soon()
	}
	return err
}

// connectStatus is what a page asks for while the person is elsewhere.
func (a *API) connectStatus(w http.ResponseWriter, r *http.Request) {
	v, err := a.visitOf(r.Context(), r)
	if err == nil && v.s.ID == "" {
		err = vault.ErrNotFound
	}
	if err == nil {
		v.s, err = a.pollDevice(r.Context(), v.s)
	}
	status := string(v.statusOr(err))
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]string{"status": status})
}

// statusOr is the session's stage, or what an error makes of it.
func (v *visit) statusOr(err error) string {
	switch {
	case err == nil:
		return string(v.s.Stage)
	case errors.Is(err, vault.ErrExpired), errors.Is(err, vault.ErrNotFound):
		return "expired"
	}
	return "unknown"
}
