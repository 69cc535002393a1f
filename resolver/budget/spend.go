package budget

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/attache-proxy/attache/providers/operations"
	"github.com/attache-proxy/attache/resolver/refusal"
	"github.com/attache-proxy/attache/resolver/rule"
)

// Keeper counts the requests of a proxy.
type Keeper struct {
	Store Store
	// Warn hears that four fifths of a budget are used; nil is nobody.
	Warn func(Warning)
	// Now is the clock; nil means time.Now.
	Now func() time.Time

	told told
}

// Spend is what one request uses of its budgets. A nil Spend has none. It is safe for
// concurrent use.
type Spend struct {
	keeper *Keeper
	plans  [3]*Plan // of the grant, the account and the agent

	mu      sync.Mutex
	began   time.Time
	taken   bool
	reached bool // the service may have got it
	ended   bool
	lines   []line
	charges []Charge // of the lines, as they were taken: Add is what stands in its slot
	few     [3]line
	some    [3]Charge
	doing   []Operation
}

// line is one budget as this request has it.
type line struct {
	of    *limit
	owner Owner
	more  int64 // what was added later, in whatever slot
}

// Operation is one of the things that a request does.
type Operation struct {
	Name   string
	Effect operations.Effect
}

// Request is what is known of a request before it is sent.
type Request struct {
	// Does is what it does; nil means that nobody knows, which may be anything.
	Does []Operation
	// Up is the length of its body, or -1.
	Up int64
	// Tokens are what it may come to, and Model what is asked; both zero where its
	// answer says nothing of tokens.
	Tokens Tokens
}

// Tokens are what a language model read and wrote.
type Tokens struct {
	Model   string
	In, Out int64
}

// Of is a request's Spend under three plans, which may be nil; nil where none has anything.
func (k *Keeper) Of(grant, account, agent *Plan) *Spend {
	if k == nil || grant == nil && account == nil && agent == nil {
		return nil
	}
	s := &Spend{keeper: k, plans: [3]*Plan{grant, account, agent}}
	s.lines = s.few[:0]
	for _, p := range s.plans {
		if p == nil {
			continue
		}
		for i := range p.limits {
			s.lines = append(s.lines, line{of: &p.limits[i], owner: p.of})
		}
	}
	return s
}

// ByOperation reports that it must be known what the request does.
func (s *Spend) ByOperation() bool {
	if s == nil {
		return false
	}
	for _, p := range s.plans {
		if p.ByOperation() {
			return true
		}
	}
	return false
}

// ByTokens reports that it must be known what a language model reads and writes.
func (s *Spend) ByTokens() bool {
	if s == nil {
		return false
	}
	prices := false
	for _, p := range s.plans {
		for i := range p.all() {
			prices = prices || !p.prices[i].operation
		}
	}
	for i := range s.lines {
		if w := s.lines[i].of.what; w.estimated() && (w != money || prices) {
			return true
		}
	}
	return false
}

// all are the prices; none of a nil Plan.
func (p *Plan) all() []price {
	if p == nil {
		return nil
	}
	return p.prices
}

func (k *Keeper) now() time.Time {
	if k.Now == nil {
		return time.Now()
	}
	return k.Now()
}

// Take counts the request, once, or refuses it; then nothing is counted. Its error is a
// *refusal.Refusal.
func (s *Spend) Take(ctx context.Context, r Request) error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken { // it is sent once more
		return nil
	}
	s.began, s.doing = s.keeper.now(), r.Does
	s.charges = s.some[:0]
	for i := range s.lines {
		s.charges = append(s.charges, s.charge(&s.lines[i], &r))
	}
	ok, err := s.keeper.Store.Take(ctx, s.charges)
	switch {
	case err != nil:
		return away(err)
	case !ok:
		return s.refusal()
	}
	s.taken = true
	for i := range s.lines {
		if c := &s.charges[i]; !s.lines[i].of.what.estimated() {
			s.warn(ctx, &s.lines[i], c)
		}
	}
	return nil
}

// charge is what the request takes of one budget.
func (s *Spend) charge(l *line, r *Request) Charge {
	c := l.of.at(s.began, 0)
	switch l.of.what {
	case requests:
		c.Need, c.Add = 1, 1
	case bytesUp:
		c.Need, c.Add = max(r.Up, 0), max(r.Up, 0)
		if r.Up < 0 {
			c.Need = 1
		}
	case bytesDown:
		c.Need = 1
	case byEffect, changes:
		c.Add = l.of.counts(r.Does)
		c.Need = c.Add
	case tokensIn, tokensOut, tokens:
		c.Add = l.of.tokens(r.Tokens)
		c.Need = min(c.Add, 1)
	case money:
		c.Add = s.costs(l.of.currency, r.Tokens)
		c.Need = min(c.Add, 1)
		if fixed := s.fixed(l.of.currency); fixed > 0 {
			c.Need = fixed
		}
	}
	if l.of.most < 0 { // nobody can read it: nothing passes
		c.Need = 1
	}
	return c
}

// counts is how many of the operations a budget by effect counts: those of which nobody
// knows what they do could be of any effect but reading.
func (l *limit) counts(does []Operation) (n int64) {
	unsure := func(e operations.Effect) bool {
		return e == operations.Unknown && (l.what == changes || l.effect != operations.Read)
	}
	if does == nil && unsure(operations.Unknown) {
		return 1
	}
	for _, d := range does {
		if unsure(d.Effect) || l.what == changes && d.Effect != operations.Read || l.what == byEffect && d.Effect == l.effect {
			n++
		}
	}
	return n
}

func (l *limit) tokens(t Tokens) int64 {
	switch l.what {
	case tokensIn:
		return t.In
	case tokensOut:
		return t.Out
	}
	return t.In + t.Out
}

// costs is what the request costs with so many tokens.
func (s *Spend) costs(currency string, t Tokens) int64 {
	sum := s.fixed(currency)
	if t.In == 0 && t.Out == 0 {
		return sum
	}
	p, ok := s.priceOf(currency, t.Model)
	if !ok {
		return sum
	}
	return sum + perMillion(t.In, p.in) + perMillion(t.Out, p.out)
}

// perMillion rounds up, and never overflows.
func perMillion(n, each int64) int64 {
	f := math.Ceil(float64(n) * float64(each) / million)
	return int64(min(f, most))
}

// fixed is what its operations cost.
func (s *Spend) fixed(currency string) (sum int64) {
	for _, d := range s.doing {
		if p, ok := s.find(func(p *price) bool { return p.operation && p.isIn(currency) && rule.Fits(p.glob, d.Name) }); ok {
			sum += p.each
		}
	}
	return min(sum, most)
}

// priceOf is what a model's tokens cost. One that no price names costs what the dearest does:
// otherwise asking for another model would cost nothing.
func (s *Spend) priceOf(currency, model string) (price, bool) {
	if model != "" {
		if p, ok := s.find(func(p *price) bool { return !p.operation && p.isIn(currency) && rule.Fits(p.glob, model) }); ok {
			return p, true
		}
	}
	var dearest price
	found := false
	for _, plan := range s.plans {
		for _, p := range plan.all() {
			if !p.operation && p.isIn(currency) {
				dearest.in, dearest.out, found = max(dearest.in, p.in), max(dearest.out, p.out), true
			}
		}
	}
	return dearest, found
}

// find is the first price that fits: of the grant, the account, the agent.
func (s *Spend) find(is func(*price) bool) (price, bool) {
	for _, plan := range s.plans {
		for i := range plan.all() {
			if is(&plan.prices[i]) {
				return plan.prices[i], true
			}
		}
	}
	return price{}, false
}

// isIn reports a price that is in a currency, as one without is in any.
func (p *price) isIn(currency string) bool { return p.currency == "" || p.currency == currency }

// refusal says which budget is used up.
func (s *Spend) refusal() error {
	var until time.Time
	var said []string
	for i := range s.charges {
		c := &s.charges[i]
		if c.fits(c.Used) {
			continue
		}
		l := &s.lines[i]
		state := l.state(c)
		text := fmt.Sprintf("%s has used %s of its budget of %s", l.owner, state.Amount(c.Used), l.of.text)
		if c.Used < c.Most {
			text += fmt.Sprintf(", and this request needs %s", state.Amount(c.Need))
		}
		said = append(said, text)
		if c.Until.After(until) {
			until = c.Until
		}
	}
	wait := max(int(math.Ceil(until.Sub(s.began).Seconds())), 1)
	at := until.UTC().Format(time.RFC3339)
	return &refusal.Refusal{Code: "budget_exceeded", RetryAfter: wait, Detail: strings.Join(said, "; ") + "; it begins anew at " + at,
		Next: "Do not repeat this request before " + at + ", and do not try another way. If it cannot wait, ask the operator for a larger budget."}
}

func away(err error) error {
	return &refusal.Refusal{Code: "budget_unavailable", Err: err, Detail: "what was used of the budgets cannot be found out at the moment", Next: "Try again in a few seconds."}
}

func (l *line) state(c *Charge) State {
	return State{Line: l.of.text, Used: c.Used, Most: l.of.most, Currency: l.of.currency, Until: c.Until}
}

// Reaches says that the service may have got the request.
func (s *Spend) Reaches() {
	if s == nil {
		return
	}
	s.mu.Lock()
	s.reached = true
	s.mu.Unlock()
}

// Goes counts what has passed so far of a request that goes on, and reports whether it may:
// whether something is left of its budgets of bytes.
func (s *Spend) Goes(ctx context.Context, up, down int64) bool {
	if s == nil {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.taken || s.ended {
		return true
	}
	s.passed(ctx, up, down)
	return s.left(ctx)
}

// left reports whether no budget of bytes is overdrawn in the window that it is now.
func (s *Spend) left(ctx context.Context) bool {
	now := s.keeper.now()
	var some [4]Charge
	charges := some[:0]
	for i := range s.lines {
		if l := &s.lines[i]; l.of.what == bytesUp || l.of.what == bytesDown {
			charges = append(charges, l.of.at(now, 0))
		}
	}
	if len(charges) == 0 || s.keeper.Store.Used(ctx, charges) != nil {
		return true
	}
	for i := range charges {
		if charges[i].Used > charges[i].Most {
			return false
		}
	}
	return true
}

// at is a charge in the window in which a moment lies.
func (l *limit) at(now time.Time, add int64) Charge {
	return Charge{Counter: l.counter, Slot: l.per.Begin(now).Unix(), Until: l.per.End(now), Most: l.most, Add: add, Strict: l.what.estimated()}
}

// passed counts bytes, in the window in which they passed.
func (s *Spend) passed(ctx context.Context, up, down int64) {
	for i := range s.lines {
		l := &s.lines[i]
		switch l.of.what {
		case bytesUp:
			s.bring(ctx, i, up)
		case bytesDown:
			s.bring(ctx, i, down)
		}
	}
}

// bring makes what stands of a budget for this request amount to a sum. What is more than
// was taken counts now, and what is less is given back where it was taken.
func (s *Spend) bring(ctx context.Context, i int, sum int64) {
	l, first := &s.lines[i], &s.charges[i]
	delta := min(sum, most) - first.Add - l.more
	if delta == 0 {
		s.warn(ctx, l, first)
		return
	}
	c := *first
	if c.Add = delta; delta > 0 {
		c = l.of.at(s.keeper.now(), delta)
		l.more += delta
	} else {
		first.Add += delta
	}
	one := [1]Charge{c}
	if err := s.keeper.Store.Add(ctx, one[:]); err != nil {
		return // what was taken stays: too much rather than too little
	}
	s.warn(ctx, l, &one[0])
}

// End settles what the request came to: the bytes that passed, and the tokens; nil says
// that they are not known, so that what was set aside stays. What no service got is given back.
func (s *Spend) End(ctx context.Context, up, down int64, t *Tokens) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.taken || s.ended {
		return
	}
	s.ended = true
	if !s.reached {
		for i := range s.lines {
			s.bring(ctx, i, 0)
		}
		return
	}
	s.passed(ctx, up, down)
	for i := range s.lines {
		l := &s.lines[i]
		if !l.of.what.estimated() {
			continue
		}
		sum := s.charges[i].Add
		if t != nil && l.of.what == money {
			sum = s.costs(l.of.currency, *t)
		} else if t != nil {
			sum = l.of.tokens(*t)
		}
		s.bring(ctx, i, sum)
	}
}

// States are how the budgets of a plan stand.
func (k *Keeper) States(ctx context.Context, p *Plan) ([]State, error) {
	if p == nil {
		return nil, nil
	}
	now := k.now()
	charges := make([]Charge, len(p.limits))
	for i := range p.limits {
		charges[i] = p.limits[i].at(now, 0)
	}
	if err := k.Store.Used(ctx, charges); err != nil {
		return nil, errors.Join(ErrAway, err)
	}
	out := make([]State, len(p.limits))
	for i := range p.limits {
		l := line{of: &p.limits[i]}
		out[i] = l.state(&charges[i])
	}
	return out, nil
}

// Has reports that there is any budget, and not prices alone.
func (p *Plan) Has() bool { return p != nil && len(p.limits) > 0 }
