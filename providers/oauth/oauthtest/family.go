package oauthtest

import "time"

// family is all tokens that come from one consent.
type family struct {
	account  string
	scope    string // that was asked for
	current  string // refresh token
	previous string
	rotated  time.Time // when current replaced previous
	asked    time.Time // for the last access token
	newest   *access
	killed   bool
	stats    FamilyStats
	// client got the last new refresh token. Until something of that answer is
	// used, it may be lost: lost says how it was, if it was.
	client string
	used   bool
	lost   loss
}

// loss is how an answer with a new refresh token may have been lost.
type loss int

const (
	notLost loss = iota
	dropped      // it was not sent, or nobody was there to read it
	crashed      // whoever asked for it died or was stopped before it was used
)

// use notes that an access token is used: the newest one shows that the answer
// which brought it was kept.
func (f *family) use(a *access) {
	if a == f.newest {
		f.used, f.lost = true, notLost
	}
}

// tokenRequest is one token request.
type tokenRequest struct {
	client string
	asked  time.Time
	gone   bool // the client went away meanwhile
}

// Back undoes Gone for what comes from now on.
func (e *Endpoint) Back(client string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.away, client)
}

// Gone notes that a client died or was stopped: what it was answered and nobody
// has used yet may be lost, and so may what it asks for until Back.
func (e *Endpoint) Gone(client string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.away[client] = true
	for v := range e.open {
		v.gone = v.gone || v.client == client
	}
	for _, f := range e.families {
		if f.client == client && !f.used && f.lost == notLost {
			f.lost = crashed
		}
	}
}

// access is an access token.
type access struct {
	family  *family
	expiry  time.Time
	revoked bool
}

// FamilyStats is what happened to one account's tokens.
type FamilyStats struct {
	// Refreshes counts refresh requests that were answered or dropped.
	Refreshes int
	// Early counts refreshes in the first quarter of the access token's life, with
	// the answer that brought it not lost: more than one request per expiry.
	Early int
	// Reuses counts old refresh tokens that came; the first of them killed the
	// family.
	Reuses int
	// Lost counts answers that were dropped after rotating.
	Lost int
	// Killed says that the family is dead; KilledAfterLoss, that this was to be
	// expected since the answer before was dropped; KilledAfterCrash, since
	// whoever got it was gone before it was used.
	Killed, KilledAfterLoss, KilledAfterCrash bool
}

// Stats is what happened to all.
type Stats struct {
	TokenRequests int
	Faults        int
	Refreshes     int
	Early         int
	Reuses        int
	Lost          int
	Killed        int
	// KilledAfterLoss and KilledAfterCrash are the part of Killed that no client
	// can avoid.
	KilledAfterLoss, KilledAfterCrash int
	Families                          map[string]FamilyStats
}

// Stats counts from the start.
func (e *Endpoint) Stats() Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := Stats{TokenRequests: e.calls, Faults: e.faults, Families: make(map[string]FamilyStats, len(e.families))}
	for account, f := range e.families {
		s.Families[account] = f.stats
		s.Refreshes += f.stats.Refreshes
		s.Early += f.stats.Early
		s.Reuses += f.stats.Reuses
		s.Lost += f.stats.Lost
		if f.stats.Killed {
			s.Killed++
		}
		if f.stats.KilledAfterLoss {
			s.KilledAfterLoss++
		}
		if f.stats.KilledAfterCrash {
			s.KilledAfterCrash++
		}
	}
	return s
}

// Issue makes tokens for account, as if its owner had just consented. An older
// family of the account is forgotten.
func (e *Endpoint) Issue(account string) (refreshToken, accessToken string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f := e.newFamily(account)
	return f.current, e.mint(f, e.o.Now())
}

// Kill ends an account's family, as its owner can at the provider.
func (e *Endpoint) Kill(account string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if f := e.families[account]; f != nil {
		f.killed = true
	}
}

func (e *Endpoint) newFamily(account string) *family {
	f := &family{account: account, current: random("rt")}
	e.families[account], e.refresh[f.current] = f, f
	return f
}

// mint makes an access token of f that was asked for at a time.
func (e *Endpoint) mint(f *family, asked time.Time) string {
	now := e.o.Now()
	a := &access{family: f}
	if e.o.Lifetime > 0 {
		a.expiry = now.Add(e.o.Lifetime)
	}
	f.asked, f.newest = asked, a
	token := random("at")
	e.access[token] = a
	return token
}

// rotate answers a refresh with the token old. It reports false when old does
// not work; if it once did, the family is killed.
func (e *Endpoint) rotate(old string, v *tokenRequest) (f *family, ok bool) {
	f = e.refresh[old]
	if f == nil || e.families[f.account] != f || f.killed {
		return f, false
	}
	now := e.o.Now()
	switch {
	case old == f.current:
	case old == f.previous && now.Sub(f.rotated) < e.o.Grace:
		return f, true // once more the same
	default:
		f.stats.Reuses++
		f.killed, f.stats.Killed = true, true
		f.stats.KilledAfterLoss, f.stats.KilledAfterCrash = f.lost == dropped, f.lost == crashed
		return f, false
	}
	if e.o.Lifetime > 0 && !f.asked.IsZero() && f.lost == notLost && v.asked.Sub(f.asked) < e.o.Lifetime/4 {
		f.stats.Early++
	}
	f.stats.Refreshes++
	f.lost = notLost
	if e.o.Rotate {
		f.previous, f.current, f.rotated = old, random("rt"), now
		f.client, f.used = v.client, false
		if v.gone {
			f.lost = crashed
		}
		e.refresh[f.current] = f
	}
	return f, true
}

// RejectAccess makes the API refuse every access token that an account has now;
// its refresh token goes on working.
func (e *Endpoint) RejectAccess(account string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, a := range e.access {
		a.revoked = a.revoked || a.family.account == account
	}
}
