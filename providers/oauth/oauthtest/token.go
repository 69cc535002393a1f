package oauthtest

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"time"
)

// code is an authorization code.
type code struct {
	account, challenge, redirectURI, scope string
}

// device is a device's request for consent.
type device struct {
	userCode string
	account  string // set by Approve
	denied   bool
	expiry   time.Time
	lastPoll time.Time
	interval time.Duration
}

// authorize consents at once, as the account that login_hint names.
func (e *Endpoint) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	back, err := url.Parse(q.Get("redirect_uri"))
	if err != nil || back.Host == "" || q.Get("response_type") != "code" {
		http.Error(w, "bad authorization request", http.StatusBadRequest)
		return
	}
	out := back.Query()
	out.Set("state", q.Get("state"))
	if e.o.Issuer != "" {
		out.Set("iss", e.o.Issuer)
	}
	switch method := q.Get("code_challenge_method"); {
	case q.Get("login_hint") == "nobody":
		out.Set("error", "access_denied")
	case method != "" && method != "S256":
		out.Set("error", "invalid_request")
	default:
		account := q.Get("login_hint")
		if account == "" {
			account = "somebody"
		}
		out.Set("code", e.newCode(code{account, q.Get("code_challenge"), q.Get("redirect_uri"), q.Get("scope")}))
	}
	back.RawQuery = out.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

func (e *Endpoint) newCode(c code) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	id := random("code")
	e.codes[id] = c
	return id
}

// device starts RFC 8628, in which the client proves itself (§3.1).
func (e *Endpoint) device(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil || !e.clientOK(r) {
		refuse(w, "invalid_client", "the client is not known")
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	id, d := random("dc"), &device{userCode: random("uc")[:9], expiry: e.o.Now().Add(10 * time.Minute), interval: e.o.Interval}
	e.devices[id] = d
	answer(w, http.StatusOK, map[string]any{
		"device_code": id, "user_code": d.userCode, "verification_uri": "http://" + r.Host + "/verify",
		"expires_in": 600, "interval": d.interval.Seconds(),
	})
}

// Approve confirms a device's user code as account; an empty account denies it.
func (e *Endpoint) Approve(userCode, account string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, d := range e.devices {
		if d.userCode == userCode {
			d.account, d.denied = account, account == ""
			return true
		}
	}
	return false
}

// token is the token endpoint.
func (e *Endpoint) token(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		refuse(w, "invalid_request", "not a form")
		return
	}
	v := e.arrive(r)
	defer e.leave(v)
	fault := e.fault(r)
	sleep(r, fault.Delay)
	if fault.DropBefore || r.Context().Err() != nil {
		panic(http.ErrAbortHandler)
	}
	if fault.Answer != nil {
		fault.Answer.write(w)
		return
	}
	if !e.clientOK(r) {
		refuse(w, "invalid_client", "the client is not known")
		return
	}
	f, tokens, code := e.grant(r.PostForm, v)
	if code != "" {
		refuse(w, code, "")
		return
	}
	sleep(r, fault.DelayAnswer)
	if fault.DropAfter || r.Context().Err() != nil {
		e.lose(f)
		panic(http.ErrAbortHandler)
	}
	answer(w, http.StatusOK, tokens)
}

func (e *Endpoint) fault(r *http.Request) Fault {
	e.mu.Lock()
	e.calls++
	c := &Call{N: e.calls, GrantType: r.PostForm.Get("grant_type"), Request: r}
	if f := e.refresh[r.PostForm.Get("refresh_token")]; f != nil {
		c.Account = f.account
	}
	ask := e.o.Fault
	e.mu.Unlock()
	if ask == nil {
		return Fault{}
	}
	f := ask(c)
	if f != (Fault{}) {
		e.mu.Lock()
		e.faults++
		e.mu.Unlock()
	}
	return f
}

// arrive notes who asks, until leave.
func (e *Endpoint) arrive(r *http.Request) *tokenRequest {
	e.mu.Lock()
	defer e.mu.Unlock()
	v := &tokenRequest{asked: e.o.Now()}
	if e.o.Client != nil {
		v.client = e.o.Client(r)
		v.gone = e.away[v.client]
	}
	e.open[v] = true
	return v
}

func (e *Endpoint) leave(v *tokenRequest) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.open, v)
}

// lose notes that an answer does not arrive. With a refresh token that has been
// rotated, the client cannot know the new one.
func (e *Endpoint) lose(f *family) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.o.Rotate {
		f.lost = dropped
		f.stats.Lost++
	}
}

func (e *Endpoint) clientOK(r *http.Request) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.o.ClientID == "" {
		return true
	}
	id, secret, ok := r.BasicAuth()
	if ok {
		id, _ = url.QueryUnescape(id)
		secret, _ = url.QueryUnescape(secret)
	} else {
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	return id == e.o.ClientID && secret == e.o.ClientSecret
}

// grant does what the grant type says; code is the error.
func (e *Endpoint) grant(form url.Values, v *tokenRequest) (f *family, tokens map[string]any, code string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var ok bool
	switch form.Get("grant_type") {
	case "refresh_token":
		if f, ok = e.rotate(form.Get("refresh_token"), v); !ok {
			return nil, nil, "invalid_grant"
		}
	case "authorization_code":
		if f, ok = e.redeem(form); !ok {
			return nil, nil, "invalid_grant"
		}
	case "urn:ietf:params:oauth:grant-type:device_code":
		if f, code = e.poll(form.Get("device_code")); code != "" {
			return nil, nil, code
		}
	case "client_credentials":
		if f = e.families["client"]; f == nil {
			f = e.newFamily("client")
		}
		f.stats.Refreshes++
	default:
		return nil, nil, "unsupported_grant_type"
	}
	tokens = map[string]any{"access_token": e.mint(f, v.asked), "token_type": "Bearer"}
	if f.scope != "" && form.Get("grant_type") == "authorization_code" {
		tokens["scope"] = f.scope
	}
	if e.o.Lifetime > 0 {
		tokens["expires_in"] = e.o.Lifetime.Seconds()
	}
	if form.Get("grant_type") != "client_credentials" && (e.o.Rotate || form.Get("grant_type") != "refresh_token") {
		tokens["refresh_token"] = f.current
	}
	return f, tokens, ""
}

// redeem takes an authorization code, which works once.
func (e *Endpoint) redeem(form url.Values) (*family, bool) {
	c, ok := e.codes[form.Get("code")]
	delete(e.codes, form.Get("code"))
	if !ok || c.redirectURI != form.Get("redirect_uri") {
		return nil, false
	}
	if c.challenge != "" {
		sum := sha256.Sum256([]byte(form.Get("code_verifier")))
		if base64.RawURLEncoding.EncodeToString(sum[:]) != c.challenge {
			return nil, false
		}
	}
	f := e.newFamily(c.account)
	f.scope = c.scope
	return f, true
}

// poll answers a device (RFC 8628 §3.5).
func (e *Endpoint) poll(id string) (*family, string) {
	d, now := e.devices[id], e.o.Now()
	switch {
	case d == nil:
		return nil, "invalid_grant"
	case d.denied:
		return nil, "access_denied"
	case !now.Before(d.expiry):
		return nil, "expired_token"
	case !d.lastPoll.IsZero() && now.Sub(d.lastPoll) < d.interval:
		d.interval += 5 * time.Second
		d.lastPoll = now
		return nil, "slow_down"
	case d.account == "":
		d.lastPoll = now
		return nil, "authorization_pending"
	}
	delete(e.devices, id)
	return e.newFamily(d.account), ""
}

// revoke is RFC 7009: a token that is not known is as good as revoked.
func (e *Endpoint) revoke(w http.ResponseWriter, r *http.Request) {
	if r.ParseForm() != nil || !e.clientOK(r) {
		refuse(w, "invalid_client", "")
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	token := r.PostForm.Get("token")
	if f := e.refresh[token]; f != nil {
		f.killed = true
	}
	if a := e.access[token]; a != nil {
		a.revoked = true
	}
	w.WriteHeader(http.StatusOK)
}
