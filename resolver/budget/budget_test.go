package budget_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/attache-proxy/attache/providers/operations"
	"github.com/attache-proxy/attache/resolver/budget"
	"github.com/attache-proxy/attache/resolver/refusal"
)

var research = budget.Owner{Kind: "agent", ID: "agt_1", Name: "research"}

func TestLines(t *testing.T) {
	for line, want := range map[string]string{
		"budget 1000 requests per day":                            "",
		"1000 requests per day":                                   "",
		"budget 1_000_000 tokens per month":                       "",
		"budget 0 delete per hour":                                "",
		"budget 2GiB bytes down per day":                          "",
		"budget 5 money per hour":                                 "",
		"budget 25 USD per month":                                 "",
		"budget 0.000001 EUR per minute":                          "",
		"price input 3 output 15 per million tokens":              "",
		"price input 3 output 15 USD per million tokens claude-*": "",
		"price output 15 per million tokens gpt-4o":               "",
		"price 0.01 per issues/create":                            "",
		"price 0.01 USD per mutation createIssue":                 "",

		"":                                           "it is empty",
		"budgt 1000 requests per day":                "did you mean budget?",
		"budget 1000 requests":                       "want an amount, of what, and a window",
		"budget 1000 requests per fortnight":         "want per minute, hour, day or month",
		"budget 1000 requests per dya":               "did you mean per day?",
		"budget 1000 reqests per day":                "did you mean requests?",
		"budget 1 request per day":                   "did you mean requests?",
		"budget -1 requests per day":                 "is no amount",
		"budget 1e9 requests per day":                "is no amount",
		"budget NaN USD per day":                     "is no amount of money",
		"budget 1e3 USD per day":                     "is no amount of money",
		"budget 0.0000001 USD per day":               "is no amount of money",
		"budget 99999999999999 USD per day":          "is no amount of money",
		"budget 9007199254740993 tokens per day":     "is no amount",
		"budget 25 usd per month":                    "in capitals",
		"budget 10 bytes per day":                    "bytes up, which agents send",
		"budget 10XB bytes up per day":               "is no amount of bytes",
		"budget 20 delte per hour":                   "did you mean delete?",
		"price 3 per million tokens":                 "say what goes in",
		"price input 3 per tokens":                   "want price input",
		"price input 3 input 4 per million tokens":   "want price input",
		"price input 3 outptu 4 per million tokens":  "want price input",
		"price input -3 output 4 per million tokens": "is no amount of money",
		"price per million tokens":                   "want price input",
		"budget 1 requests per day\nallow *":         "line break",
		"budget " + strings.Repeat("9", 400):         "longer than",
	} {
		err := budget.Check([]string{line})
		switch {
		case want == "" && err != nil:
			t.Errorf("%q: %v", line, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: %v, want %q", line, err, want)
		}
	}
	if err := budget.Check([]string{"budget 5 requests per day", "budget 7 requests per day"}); err == nil || !strings.Contains(err.Error(), "another budget of requests per day") {
		t.Errorf("two of one kind: %v", err)
	}
}

// clock can be set.
type clock struct{ at atomic.Int64 }

func (c *clock) set(text string) {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	c.at.Store(at.UnixNano())
}
func (c *clock) now() time.Time { return time.Unix(0, c.at.Load()) }

func plan(t *testing.T, of budget.Owner, lines ...string) *budget.Plan {
	t.Helper()
	p, err := budget.New(of, lines)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func code(err error) string {
	var ref *refusal.Refusal
	if errors.As(err, &ref) {
		return ref.Code
	}
	return ""
}

// TestAllOrNone: of the budgets of an agent, an account and a grant all count a request or
// none does, whatever the order, and refusals count nowhere.
func TestAllOrNone(t *testing.T) {
	ctx := context.Background()
	var c clock
	c.set("2026-11-30T23:59:30Z")
	k := &budget.Keeper{Store: new(budget.Memory), Now: c.now}
	grant := plan(t, budget.Owner{Kind: "grant", ID: "grt_1", Name: "grt_1"}, "budget 2 requests per day")
	acct := plan(t, budget.Owner{Kind: "account", ID: "acc_1", Name: "github:work"}, "budget 100 requests per hour")
	agent := plan(t, research, "budget 100 requests per month")
	for i, want := range []string{"", "", "budget_exceeded", "budget_exceeded"} {
		if got := code(k.Of(grant, acct, agent).Take(ctx, budget.Request{})); got != want {
			t.Fatalf("request %d: %q, want %q", i+1, got, want)
		}
	}
	for _, p := range []*budget.Plan{grant, acct, agent} {
		if s, err := k.States(ctx, p); err != nil || s[0].Used != 2 {
			t.Errorf("%v: %+v, %v; refusals were counted", p.Lines(), s, err)
		}
	}
	err := k.Of(grant, acct, agent).Take(ctx, budget.Request{})
	var ref *refusal.Refusal
	if !errors.As(err, &ref) || ref.RetryAfter != 30 || !strings.Contains(ref.Detail, "grant grt_1 has used 2 of its budget of 2 requests per day") || !strings.Contains(ref.Detail, "2026-12-01T00:00:00Z") {
		t.Errorf("refusal: %+v", ref)
	}
	c.set("2026-12-01T00:00:00Z") // the borders of all three windows
	if err := k.Of(grant, acct, agent).Take(ctx, budget.Request{}); err != nil {
		t.Errorf("in the next window: %v", err)
	}
	c.set("2026-11-30T23:59:59Z") // the clock is set back: nothing begins anew
	if got := code(k.Of(grant, acct, agent).Take(ctx, budget.Request{})); got != "budget_exceeded" {
		t.Errorf("after the clock was set back: %q", got)
	}
}

// TestOnceARequest: a request that is sent once more counts once, one that no service got is
// given back, and the end is settled once.
func TestOnceARequest(t *testing.T) {
	ctx := context.Background()
	k := &budget.Keeper{Store: new(budget.Memory)}
	p := plan(t, research, "budget 10 requests per month", "budget 1000 bytes up per month", "budget 1000 bytes down per month")
	used := func() (out [3]int64) {
		s, err := k.States(ctx, p)
		if err != nil {
			t.Fatal(err)
		}
		return [3]int64{s[0].Used, s[1].Used, s[2].Used}
	}
	s := k.Of(nil, nil, p)
	for range 3 {
		if err := s.Take(ctx, budget.Request{Up: 100}); err != nil {
			t.Fatal(err)
		}
	}
	if got := used(); got != [3]int64{1, 100, 0} {
		t.Errorf("after three attempts: %v", got)
	}
	s.End(ctx, 0, 0, nil)
	if got := used(); got != [3]int64{} {
		t.Errorf("the service never got it: %v", got)
	}
	s = k.Of(nil, nil, p)
	_ = s.Take(ctx, budget.Request{Up: -1})
	s.Reaches()
	if !s.Goes(ctx, 600, 10) {
		t.Error("a stream was ended within its budget")
	}
	if got := used(); got != [3]int64{1, 600, 10} {
		t.Errorf("while it goes on: %v", got)
	}
	if s.Goes(ctx, 1100, 10) {
		t.Error("a stream goes on beyond its budget")
	}
	s.End(ctx, 1100, 20, nil)
	s.End(ctx, 5000, 5000, nil)
	if got := used(); got != [3]int64{1, 1100, 20} {
		t.Errorf("at its end: %v", got)
	}
	if got := code(k.Of(nil, nil, p).Take(ctx, budget.Request{Up: -1})); got != "budget_exceeded" {
		t.Errorf("after bytes ran out: %q", got)
	}
	if err := (*budget.Spend)(nil).Take(ctx, budget.Request{}); err != nil {
		t.Error(err)
	}
}

// TestEffects: what nobody knows may be anything but reading, and each of a batch counts.
func TestEffects(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct {
		line string
		does []budget.Operation
		want int64
	}{
		{"budget 9 delete per day", []budget.Operation{{Name: "a", Effect: operations.Delete}, {Name: "b", Effect: operations.Delete}, {Name: "c", Effect: operations.Read}}, 2},
		{"budget 9 delete per day", nil, 1},
		{"budget 9 delete per day", []budget.Operation{{Effect: operations.Unknown}}, 1},
		{"budget 9 read per day", nil, 0},
		{"budget 9 read per day", []budget.Operation{{Effect: operations.Read}}, 1},
		{"budget 9 write per day", []budget.Operation{{Effect: operations.Delete}, {Effect: operations.Write}, {Effect: operations.Read}}, 2},
		{"budget 9 admin per day", []budget.Operation{{Effect: operations.Write}}, 0},
	} {
		k := &budget.Keeper{Store: new(budget.Memory)}
		p := plan(t, research, c.line)
		if err := k.Of(nil, nil, p).Take(ctx, budget.Request{Does: c.does}); err != nil {
			t.Error(err)
		}
		if s, _ := k.States(ctx, p); s[0].Used != c.want {
			t.Errorf("%s of %v: %d, want %d", c.line, c.does, s[0].Used, c.want)
		}
	}
}

// TestTokensAndMoney: what was set aside becomes what was said, and never less than nothing.
func TestTokensAndMoney(t *testing.T) {
	ctx := context.Background()
	k := &budget.Keeper{Store: new(budget.Memory)}
	p := plan(t, research, "budget 1000 tokens per month", "budget 1 USD per month", "price input 1000 output 2000 per million tokens small-*", "price input 9000 output 9000 per million tokens large", "price 0.5 per files/*")
	used := func() [2]int64 {
		s, err := k.States(ctx, p)
		if err != nil {
			t.Fatal(err)
		}
		return [2]int64{s[0].Used, s[1].Used}
	}
	s := k.Of(nil, nil, p)
	if err := s.Take(ctx, budget.Request{Tokens: budget.Tokens{Model: "small-1", In: 10, Out: 90}}); err != nil {
		t.Fatal(err)
	}
	if got := used(); got != [2]int64{100, 190_000} {
		t.Errorf("set aside: %v", got)
	}
	s.Reaches()
	s.End(ctx, 0, 0, &budget.Tokens{Model: "small-1-dated", In: 10, Out: 20})
	if got := used(); got != [2]int64{30, 50_000} {
		t.Errorf("said: %v", got)
	}
	s = k.Of(nil, nil, p) // a model that no price names costs what the dearest does
	_ = s.Take(ctx, budget.Request{Tokens: budget.Tokens{Model: "other", In: 10}})
	s.Reaches()
	s.End(ctx, 0, 0, &budget.Tokens{In: 10})
	if got := used(); got != [2]int64{40, 140_000} {
		t.Errorf("another model: %v", got)
	}
	files := budget.Request{Does: []budget.Operation{{Name: "files/create"}}}
	if err := k.Of(nil, nil, p).Take(ctx, files); err != nil {
		t.Error(err)
	}
	if err := k.Of(nil, nil, p).Take(ctx, files); code(err) != "budget_exceeded" || !strings.Contains(err.Error(), "0.64 USD") || !strings.Contains(err.Error(), "needs 0.50 USD") {
		t.Errorf("a price that does not fit: %v", err)
	}
	s = k.Of(nil, nil, p) // one may go beyond by itself; then nothing passes
	if err := s.Take(ctx, budget.Request{Tokens: budget.Tokens{In: 1, Out: 100_000}}); code(err) != "" {
		t.Error(err)
	}
	if got := code(k.Of(nil, nil, p).Take(ctx, budget.Request{Tokens: budget.Tokens{In: 1}})); got != "budget_exceeded" {
		t.Errorf("while that is set aside: %q", got)
	}
}

// TestParallel: never more than the budget.
func TestParallel(t *testing.T) {
	ctx := context.Background()
	k := &budget.Keeper{Store: new(budget.Memory)}
	p := plan(t, research, "budget 50 requests per month")
	var passed atomic.Int64
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			if k.Of(nil, nil, p).Take(ctx, budget.Request{}) == nil {
				passed.Add(1)
			}
		})
	}
	all.Wait()
	if passed.Load() != 50 {
		t.Errorf("%d passed, of 50", passed.Load())
	}
}

// TestWarning: once in a window, however often the line is crossed.
func TestWarning(t *testing.T) {
	ctx := context.Background()
	var c clock
	c.set("2026-11-30T12:00:00Z")
	var warned []budget.Warning
	store := new(budget.Memory)
	keeper := func() *budget.Keeper {
		return &budget.Keeper{Store: store, Now: c.now, Warn: func(w budget.Warning) { warned = append(warned, w) }}
	}
	one, two := keeper(), keeper() // replicas
	p := plan(t, research, "budget 10 requests per day", "budget 100 tokens per day")
	for i := range 10 {
		s := []*budget.Keeper{one, two}[i%2].Of(nil, nil, p)
		if err := s.Take(ctx, budget.Request{Tokens: budget.Tokens{In: 1, Out: 99}}); err != nil {
			t.Fatal(err)
		}
		s.Reaches()
		s.End(ctx, 0, 0, &budget.Tokens{In: 1, Out: 8})
	}
	if len(warned) != 2 || warned[0].Used != 8 || warned[0].Of != research || warned[1].Used != 81 {
		t.Errorf("%+v", warned)
	}
}

// ledger is a database that can be killed.
type ledger struct {
	mu   sync.Mutex
	rows map[string]budget.Charge
	fail error
	kept int
}

func (l *ledger) Load(context.Context) (out []budget.Charge, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.rows {
		out = append(out, c)
	}
	return out, l.fail
}

func (l *ledger) put(charges []budget.Charge, lower bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail != nil {
		return l.fail
	}
	if l.rows == nil {
		l.rows = map[string]budget.Charge{}
	}
	l.kept++
	for _, c := range charges {
		if old, ok := l.rows[c.Counter]; ok && old.Used > c.Used && !lower {
			continue
		}
		l.rows[c.Counter] = c
	}
	return nil
}
func (l *ledger) Keep(_ context.Context, c []budget.Charge) error   { return l.put(c, false) }
func (l *ledger) Settle(_ context.Context, c []budget.Charge) error { return l.put(c, true) }

// TestLedger: a process that is killed gives nothing anew and loses a hundredth at most; one
// that ends loses nothing; without its ledger nothing passes.
func TestLedger(t *testing.T) {
	ctx := context.Background()
	l := new(ledger)
	p := plan(t, research, "budget 1000 requests per month")
	used := func(m *budget.Memory) int64 {
		s, err := (&budget.Keeper{Store: m}).States(ctx, p)
		if err != nil {
			t.Fatal(err)
		}
		return s[0].Used
	}
	m := budget.NewMemory(l)
	for range 105 {
		if err := (&budget.Keeper{Store: m}).Of(nil, nil, p).Take(ctx, budget.Request{}); err != nil {
			t.Fatal(err)
		}
	}
	if l.kept > 12 {
		t.Errorf("%d writes for 105 requests", l.kept)
	}
	killed := budget.NewMemory(l)
	if got := used(killed); got < 105 || got > 115 {
		t.Errorf("after a kill: %d used, were 105", got)
	}
	if err := m.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if got := used(budget.NewMemory(l)); got != 105 {
		t.Errorf("after an end: %d used, were 105", got)
	}
	l.fail = errors.New("the disk is full")
	if got := code((&budget.Keeper{Store: budget.NewMemory(l)}).Of(nil, nil, p).Take(ctx, budget.Request{})); got != "budget_unavailable" {
		t.Errorf("without a ledger: %q", got)
	}
}

func TestNothingPassesWhatCannotBeRead(t *testing.T) {
	k := &budget.Keeper{Store: new(budget.Memory)}
	if got := code(k.Of(nil, budget.Of(research, []string{"budget of a later release"}), nil).Take(context.Background(), budget.Request{})); got != "budget_exceeded" {
		t.Errorf("got %q", got)
	}
}

func BenchmarkTake(b *testing.B) {
	ctx := context.Background()
	k := &budget.Keeper{Store: new(budget.Memory)}
	agent, _ := budget.New(research, []string{"budget 1000000000 requests per month"})
	acct, _ := budget.New(budget.Owner{Kind: "account", ID: "a"}, []string{"budget 1000000000 requests per day"})
	b.Run("none", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s := k.Of(nil, nil, nil)
			_ = s.Take(ctx, budget.Request{})
			s.End(ctx, 0, 0, nil)
		}
	})
	b.Run("two", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s := k.Of(nil, acct, agent)
			_ = s.Take(ctx, budget.Request{})
			s.Reaches()
			s.End(ctx, 0, 0, nil)
		}
	})
}
