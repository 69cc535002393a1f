package cache_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/cache"
	"github.com/attache-proxy/attache/resolver/cache/cachetest"
)

// sealer is a Sealer that hides nothing from a test but opens only for its id.
type sealer struct{ key byte }

func (s sealer) Seal(id string, plain []byte) ([]byte, error) {
	return append([]byte(id+"\x00"), s.mask(plain)...), nil
}

func (s sealer) Open(id string, sealed []byte) ([]byte, error) {
	plain, ok := bytes.CutPrefix(sealed, []byte(id+"\x00"))
	if !ok {
		return nil, errors.New("sealed for another id")
	}
	return s.mask(plain), nil
}

func (s sealer) mask(b []byte) []byte {
	out := make([]byte, len(b))
	for i := range b {
		out[i] = b[i] ^ s.key
	}
	return out
}

// events collects what a cache notifies.
type events struct {
	mu  sync.Mutex
	all []string
}

func (e *events) add(ev cache.Notice) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, ev.Kind.String())
}

func (e *events) String() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return strings.Join(e.all, " ")
}

// openRedis opens a cache and waits until it listens to others.
func openRedis(t *testing.T, o cache.RedisOptions) (*cache.Redis, *events) {
	t.Helper()
	heard := &events{}
	o.Notify = heard.add
	if o.Sealer == nil {
		o.Sealer = sealer{0x55}
	}
	r, err := cache.OpenRedis(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r, heard
}

// listening waits until b hears what a changes.
func listening(t *testing.T, a, b *cache.Redis) {
	t.Helper()
	changed, stop := b.Watch("warm-up")
	defer func() { stop() }()
	wait(t, "replicas hear each other", func() bool {
		a.Delete(t.Context(), "warm-up")
		select {
		case <-changed:
			stop()
			// A new subscription wakes everybody, so once more for certain.
			changed, stop = b.Watch("warm-up")
			a.Delete(t.Context(), "warm-up")
			select {
			case <-changed:
				return true
			case <-time.After(200 * time.Millisecond):
			}
		case <-time.After(20 * time.Millisecond):
		}
		return false
	})
}

// prefixes gives every test of one server its own keys.
var prefixes struct {
	sync.Mutex
	n int
}

func nextPrefix() string {
	prefixes.Lock()
	defer prefixes.Unlock()
	prefixes.n++
	return fmt.Sprintf("t%d:", prefixes.n)
}

func TestRedis(t *testing.T) {
	s := startRedis(t)
	cachetest.Run(t, func(t *testing.T) cachetest.Cache {
		p := nextPrefix()
		r, _ := openRedis(t, cache.RedisOptions{URL: s.addr, Prefix: p})
		other, _ := openRedis(t, cache.RedisOptions{URL: s.addr, Prefix: p})
		listening(t, other, r)
		return r
	})
}

// far puts at one replica and gets at another, and takes at both in turn.
type far struct {
	*cache.Redis
	other *cache.Redis
	taken *atomic.Int64
}

func (f far) Take(ctx context.Context, id string, n int, per time.Duration) (time.Duration, bool) {
	if f.taken.Add(1)%2 == 0 {
		return f.other.Take(ctx, id, n, per)
	}
	return f.Redis.Take(ctx, id, n, per)
}

func (f far) Get(ctx context.Context, id string) (*secret.Credential, bool) {
	return f.other.Get(ctx, id)
}

func TestRedisFromAnotherReplica(t *testing.T) {
	s := startRedis(t)
	cachetest.Run(t, func(t *testing.T) cachetest.Cache {
		p := nextPrefix()
		a, _ := openRedis(t, cache.RedisOptions{URL: s.addr, Prefix: p})
		b, _ := openRedis(t, cache.RedisOptions{URL: s.addr, Prefix: p})
		if strings.HasSuffix(t.Name(), "Concurrent") {
			return a // it reads before the news of a change can have come; see TestInvalidation
		}
		listening(t, a, b)
		return far{a, b, new(atomic.Int64)}
	})
}

func TestInvalidation(t *testing.T) {
	s := startRedis(t)
	a, _ := openRedis(t, cache.RedisOptions{URL: s.addr})
	b, _ := openRedis(t, cache.RedisOptions{URL: s.addr})
	listening(t, a, b)
	listening(t, b, a)
	ctx := t.Context()
	a.Put(ctx, "x", cachetest.Credential("one"))
	if got, ok := b.Get(ctx, "x"); !ok || got.Token.Reveal() != "one" {
		t.Fatal("the other replica does not find the credential")
	}
	changed, stop := b.Watch("x")
	defer stop()
	a.Put(ctx, "x", cachetest.Credential("two"))
	<-changed
	if got, ok := b.Get(ctx, "x"); !ok || got.Token.Reveal() != "two" {
		t.Error("the other replica does not find the new credential after the news")
	}
	gone, stop := a.Watch("x")
	defer stop()
	b.Delete(ctx, "x")
	<-gone
	if _, ok := a.Get(ctx, "x"); ok {
		t.Error("the credential is still there after another replica's Delete")
	}
}

// TestNothingReadable looks for the secret in everything that Redis holds.
func TestNothingReadable(t *testing.T) {
	s := startRedis(t)
	r, _ := openRedis(t, cache.RedisOptions{URL: s.addr})
	admin := s.admin()
	messages := admin.Subscribe(t.Context(), "attache:changed")
	defer messages.Close()
	r.Put(t.Context(), "acc-1", cachetest.Credential("canary-7d1"))
	unlock, _ := r.Lock(t.Context(), "acc-1", time.Minute)
	defer unlock()
	r.Take(t.Context(), "acc-1", 3, time.Minute)
	keys := admin.Keys(t.Context(), "*").Val()
	if len(keys) < 3 {
		t.Fatalf("keys = %v, want the credential, the lock and the limit", keys)
	}
	if got := fmt.Sprint(admin.HVals(t.Context(), "attache:limit:acc-1").Val()); got != "[1]" {
		t.Errorf("the limit holds %s, want a count", got)
	}
	for _, k := range keys {
		if v := admin.Get(t.Context(), k).Val(); strings.Contains(v, "canary") || strings.Contains(v, "acme") {
			t.Errorf("%s holds the secret: %q", k, v)
		}
		if ttl := admin.PTTL(t.Context(), k).Val(); ttl <= 0 || ttl > 24*time.Hour {
			t.Errorf("%s lives %v", k, ttl)
		}
	}
}

func TestUnreadableEntries(t *testing.T) {
	s := startRedis(t)
	a, _ := openRedis(t, cache.RedisOptions{URL: s.addr})
	ctx := t.Context()
	a.Put(ctx, "x", cachetest.Credential("one"))
	a.Put(ctx, "y", cachetest.Credential("two"))
	admin := s.admin()
	admin.Rename(ctx, "attache:cred:x", "attache:cred:z") // moved to another account
	admin.Set(ctx, "attache:cred:w", "w\x00rubbish", time.Minute)
	b, heard := openRedis(t, cache.RedisOptions{URL: s.addr, Sealer: sealer{0x55}})
	for _, id := range []string{"z", "w"} {
		if got, ok := b.Get(ctx, id); ok {
			t.Errorf("Get(%s) = %s, want nothing", id, got.Token.Reveal())
		}
	}
	c, heardOther := openRedis(t, cache.RedisOptions{URL: s.addr, Sealer: sealer{0x66}}) // another key
	if _, ok := c.Get(ctx, "y"); ok {
		t.Error("Get() with another key = a credential")
	}
	if heard.String() != "unreadable unreadable" || heardOther.String() != "unreadable" {
		t.Errorf("events = %q and %q", heard, heardOther)
	}
	c.Put(ctx, "y", cachetest.Credential("three"))
	if got, ok := c.Get(ctx, "y"); !ok || got.Token.Reveal() != "three" {
		t.Error("an unreadable entry cannot be replaced")
	}
}

func TestLockBetweenReplicas(t *testing.T) {
	s := startRedis(t)
	a, _ := openRedis(t, cache.RedisOptions{URL: s.addr})
	b, _ := openRedis(t, cache.RedisOptions{URL: s.addr})
	ctx := t.Context()
	unlock, ok := a.Lock(ctx, "x", time.Minute)
	if !ok {
		t.Fatal("Lock() of a free account = false")
	}
	if _, ok := b.Lock(ctx, "x", time.Minute); ok {
		t.Error("Lock() of a locked account = true")
	}
	if _, ok := b.Lock(ctx, "y", time.Minute); !ok {
		t.Error("Lock() of another account = false")
	}
	unlock()
	short, ok := b.Lock(ctx, "x", 50*time.Millisecond)
	if !ok {
		t.Fatal("Lock() after unlock = false")
	}
	time.Sleep(100 * time.Millisecond)
	if _, ok := a.Lock(ctx, "x", time.Minute); !ok {
		t.Error("Lock() after the other's time = false")
	}
	short() // must not take a's lock
	if _, ok := b.Lock(ctx, "x", time.Minute); ok {
		t.Error("a late unlock took away somebody else's lock")
	}
}

// TestRedisAway stops Redis, hangs it, and starts it again.
func TestRedisAway(t *testing.T) {
	s := startRedis(t)
	a, heard := openRedis(t, cache.RedisOptions{URL: s.addr})
	b, _ := openRedis(t, cache.RedisOptions{URL: s.addr})
	listening(t, a, b)
	ctx := t.Context()
	a.Put(ctx, "x", cachetest.Credential("one"))

	for _, fault := range []struct {
		name       string
		down, back func()
	}{
		{"stopped", s.stop, s.start},
		{"frozen", s.freeze, s.thaw},
	} {
		t.Run(fault.name, func(t *testing.T) {
			a.Put(ctx, "x", cachetest.Credential("one"))
			a.Get(ctx, "x")
			fault.down()
			began := time.Now()
			a.Put(ctx, "x", cachetest.Credential("two")) // notices
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("Put() with Redis away took %v", took)
			}
			wait(t, "the cache knows", func() bool { return !a.Up() })
			began = time.Now()
			for i := range 1000 {
				id := fmt.Sprint("new", i)
				a.Put(ctx, id, cachetest.Credential(id))
				if got, ok := a.Get(ctx, id); !ok || got.Token.Reveal() != id {
					t.Fatal("the memory does not go on")
				}
				a.Get(ctx, "unknown")
			}
			if _, ok := a.Lock(ctx, "x", time.Minute); !ok {
				t.Error("Lock() with Redis away = false")
			}
			if took := time.Since(began); took > time.Second {
				t.Errorf("1000 rounds with Redis away took %v", took)
			}
			fault.back()
			wait(t, "it heals", a.Up)
			listening(t, a, b)
			// What changed during the outage is gone from Redis: nobody reads "one".
			if got, ok := b.Get(ctx, "x"); ok && got.Token.Reveal() == "one" {
				t.Error("another replica reads the old credential after the outage")
			}
			a.Put(ctx, "x", cachetest.Credential("three"))
			wait(t, "the other replica finds it", func() bool {
				got, ok := b.Get(ctx, "x")
				return ok && got.Token.Reveal() == "three"
			})
		})
	}
	if got := heard.String(); got != "down up down up" {
		t.Errorf("events = %q, want down up down up", got)
	}
}

// TestRedisAwayAtStart opens a cache before its Redis is there.
func TestRedisAwayAtStart(t *testing.T) {
	s := startRedis(t)
	s.stop()
	r, _ := openRedis(t, cache.RedisOptions{URL: s.addr})
	r.Put(t.Context(), "x", cachetest.Credential("one"))
	if got, ok := r.Get(t.Context(), "x"); !ok || got.Token.Reveal() != "one" {
		t.Error("the memory does not work without Redis")
	}
	s.start()
	wait(t, "it heals", r.Up)
}

// TestHangingUp is not an outage.
func TestHangingUp(t *testing.T) {
	s := startRedis(t)
	r, heard := openRedis(t, cache.RedisOptions{URL: s.addr})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r.Get(ctx, "nobody")
	r.Fill(ctx, "nobody", cachetest.Credential("x"))
	r.Put(ctx, "x", cachetest.Credential("kept"))
	if heard.String() != "" || !r.Up() {
		t.Errorf("events = %q after a caller hung up, want none", heard)
	}
	other, _ := openRedis(t, cache.RedisOptions{URL: s.addr})
	if _, ok := other.Get(t.Context(), "x"); !ok {
		t.Error("a Put was lost because its caller hung up")
	}
}

// TestOneRoundTrip counts what a hit in Redis costs: the commands that the server
// sees, and how often something goes over the wire.
func TestOneRoundTrip(t *testing.T) {
	s := startRedis(t)
	front := newCounter(t, s.addr)
	a, _ := openRedis(t, cache.RedisOptions{URL: s.addr})
	b, _ := openRedis(t, cache.RedisOptions{URL: front.addr})
	listening(t, a, b)
	a.Put(t.Context(), "warm", cachetest.Credential("zero"))
	b.Fetch(t.Context(), "warm", nil) // connects
	admin := s.admin()
	undisturbed(t, func(key string) string {
		a.Put(t.Context(), key, cachetest.Credential("one"))
		before, sent := commands(t, admin.Info(t.Context(), "commandstats").Val()), front.sent.Load()
		if _, ok := b.Fetch(t.Context(), key, nil); !ok {
			t.Fatal("no hit")
		}
		after, passed := commands(t, admin.Info(t.Context(), "commandstats").Val()), front.sent.Load()
		if after != before+1 || passed != sent+1 {
			return fmt.Sprintf("a hit in Redis: %d GETs in %d round trips, want 1 and 1", after-before, passed-sent)
		}
		b.Fetch(t.Context(), key, nil)
		b.Near(key)
		if n := front.sent.Load(); n != passed {
			return fmt.Sprintf("hits in memory went over the wire %d times, want never", n-passed)
		}
		return ""
	})
}

// undisturbed calls f, each time with another key, until it finds nothing wrong: what
// connections do of their own, such as a ping, may come between what it counts.
func undisturbed(t *testing.T, f func(key string) string) {
	t.Helper()
	for i := range 10 {
		wrong := f(fmt.Sprint("x", i))
		switch {
		case wrong == "":
			return
		case i == 9:
			t.Error(wrong)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// TestTakeIsOneRoundTrip, and none once this replica alone has used up the limit.
func TestTakeIsOneRoundTrip(t *testing.T) {
	s := startRedis(t)
	front := newCounter(t, s.addr)
	r, _ := openRedis(t, cache.RedisOptions{URL: front.addr})
	r.Take(t.Context(), "warm", 5, time.Minute) // connects, and loads the script
	undisturbed(t, func(key string) string {
		sent := front.sent.Load()
		for range 5 {
			r.Take(t.Context(), key, 5, time.Minute)
		}
		if got := front.sent.Load() - sent; got != 5 {
			return fmt.Sprintf("5 takes went over the wire %d times, want 5", got)
		}
		if _, ok := r.Take(t.Context(), key, 5, time.Minute); ok || front.sent.Load() != sent+5 {
			return fmt.Sprintf("a take beyond the limit = %v, over the wire %d times; want false and never", ok, front.sent.Load()-sent-5)
		}
		return ""
	})
}

// TestTakeWithRedisAway: each replica goes on with what it has counted itself.
func TestTakeWithRedisAway(t *testing.T) {
	s := startRedis(t)
	a, heard := openRedis(t, cache.RedisOptions{URL: s.addr})
	b, _ := openRedis(t, cache.RedisOptions{URL: s.addr})
	for range 4 {
		a.Take(t.Context(), "x", 5, time.Minute)
	}
	s.stop()
	for i := range 3 {
		if _, ok := a.Take(t.Context(), "x", 5, time.Minute); ok != (i == 0) {
			t.Errorf("Take() %d of 5 with Redis away = %v", 5+i, ok)
		}
	}
	for i := range 6 {
		if _, ok := b.Take(t.Context(), "x", 5, time.Minute); ok != (i < 5) {
			t.Errorf("Take() %d of 5 at a replica that took none = %v", i+1, ok)
		}
	}
	if got := heard.String(); got != "down" {
		t.Errorf("events = %q, want down", got)
	}
}

// commands reads how many GETs a server has seen.
func commands(t *testing.T, info string) (n int) {
	t.Helper()
	for line := range strings.Lines(info) {
		if rest, ok := strings.CutPrefix(line, "cmdstat_get:calls="); ok {
			fmt.Sscan(strings.Split(rest, ",")[0], &n)
		}
	}
	return n
}

func TestRedisURLs(t *testing.T) {
	for url, want := range map[string]string{
		"":                                     "want an address",
		"redis://":                             "want an address",
		"http://redis:6379":                    "invalid URL scheme",
		"redis://u:hunter2@h:x/0":              "want an address",
		"redis://u:hunter2@h/9x":               "invalid database number",
		"redis://h?addr=h2:1":                  "several addresses need",
		"redis://h?nonsense=1":                 "unexpected option",
		"redis://h?master_name=m&cluster=true": "choose one",
	} {
		_, err := cache.OpenRedis(cache.RedisOptions{URL: url, Sealer: sealer{}})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("OpenRedis(%q) = %v, want an error with %q", url, err, want)
		}
	}
	if _, err := cache.OpenRedis(cache.RedisOptions{URL: "redis:6379"}); err == nil {
		t.Error("OpenRedis() without a Sealer = no error")
	}
}

// TestOlderEntriesAreRefused: who can write to Redis cannot bring back what stood
// there before, under its own key and with its own seal.
func TestOlderEntriesAreRefused(t *testing.T) {
	s := startRedis(t)
	admin := s.admin()
	ctx, prefix := t.Context(), nextPrefix()
	a, _ := openRedis(t, cache.RedisOptions{URL: s.addr, Prefix: prefix})
	b, heard := openRedis(t, cache.RedisOptions{URL: s.addr, Prefix: prefix})
	listening(t, a, b)
	cred := func(token string) *secret.Credential {
		return &secret.Credential{Token: secret.New(token), Expiry: time.Now().Add(time.Hour)}
	}
	key := prefix + "cred:acc"
	for what, change := range map[string]func(){
		"another one":    func() { a.Put(ctx, "acc", cred("new-token")) },
		"a revocation":   func() { a.Delete(ctx, "acc") },
		"one by another": func() { b.Put(ctx, "acc", cred("new-token")); time.Sleep(200 * time.Millisecond) },
	} {
		a.Put(ctx, "acc", cred("old-token"))
		old := admin.Get(ctx, key).Val()
		if old == "" {
			t.Fatal("nothing was put")
		}
		change()
		time.Sleep(100 * time.Millisecond) // b hears of it
		a.Drop("acc")
		b.Drop("acc")
		admin.Set(ctx, key, old, time.Hour)
		for name, r := range map[string]*cache.Redis{"who changed it": a, "another replica": b} {
			if got, ok := r.Get(ctx, "acc"); ok {
				t.Errorf("after %s, %s takes %s back", what, name, got.Token.Reveal())
			}
		}
	}
	if !strings.Contains(heard.String(), "unreadable") {
		t.Errorf("events = %s, want to be told", heard)
	}
	// What is written next is used again.
	a.Put(ctx, "acc", cred("newest"))
	if got, ok := b.Get(ctx, "acc"); !ok || got.Token.Reveal() != "newest" {
		t.Errorf("after that the other replica gets %v", ok)
	}
	// A longer time to live makes nothing last longer than clocks may be apart.
	a.Put(ctx, "acc", &secret.Credential{Token: secret.New("short"), Expiry: time.Now().Add(time.Minute)})
	time.Sleep(100 * time.Millisecond)
	b.Drop("acc")
	admin.Expire(ctx, key, 100*time.Hour)
	if got, ok := b.Get(ctx, "acc"); !ok || time.Until(got.Expiry) > 17*time.Minute {
		t.Errorf("an entry whose time to live was set to 100 hours: %v, ends in %v", ok, time.Until(got.Expiry))
	}
}
