package oauthtest

import "time"

// family is all tokens that come from one consent.
type family struct {
	account  string
	scope    string // that was asked for
	current  string // refresh token
	previous string
	rotated  time.Time // when current replaced previous
	issued   time.Time // of the last access token
	killed   bool
	stats    FamilyStats
	lost     bool // the last answer with a new refresh token was dropped
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
	// Early counts refreshes in the first half of the access token's life.
	Early int
	// Reuses counts old refresh tokens that came; the first of them killed the
	// family.
	Reuses int
	// Lost counts answers that were dropped after rotating.
	Lost int
	// Killed says that the family is dead; KilledAfterLoss, that this was to be
	// expected since the answer before was dropped.
	Killed, KilledAfterLoss bool
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
	// KilledAfterLoss is the part of Killed that no client can avoid.
	KilledAfterLoss int
	Families        map[string]FamilyStats
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
	}
	return s
}

// Issue makes tokens for account, as if its owner had just consented. An older
// family of the account is forgotten.
func (e *Endpoint) Issue(account string) (refreshToken, accessToken string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f := e.newFamily(account)
	return f.current, e.mint(f)
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

// mint makes an access token of f.
func (e *Endpoint) mint(f *family) string {
	now := e.o.Now()
	a := &access{family: f}
	if e.o.Lifetime > 0 {
		a.expiry = now.Add(e.o.Lifetime)
	}
	f.issued = now
	token := random("at")
	e.access[token] = a
	return token
}

// rotate answers a refresh with the token old. It reports false when old does
// not work; if it once did, the family is killed.
func (e *Endpoint) rotate(old string) (f *family, ok bool) {
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
		f.killed, f.stats.Killed, f.stats.KilledAfterLoss = true, true, f.lost
		return f, false
	}
	if e.o.Lifetime > 0 && !f.issued.IsZero() && now.Sub(f.issued) < e.o.Lifetime/2 {
		f.stats.Early++
	}
	f.stats.Refreshes++
	f.lost = false
	if e.o.Rotate {
		f.previous, f.current, f.rotated = old, random("rt"), now
		e.refresh[f.current] = f
	}
	return f, true
}
