// Package cachetest is the suite that every cache must pass.
package cachetest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/attache-proxy/attache/providers/secret"
)

// Cache is what the suite tests.
type Cache interface {
	Get(ctx context.Context, id string) (*secret.Credential, bool)
	Put(ctx context.Context, id string, cred *secret.Credential)
	Fill(ctx context.Context, id string, cred *secret.Credential) *secret.Credential
	Near(id string) (*secret.Credential, bool)
	Fetch(ctx context.Context, id string, not *secret.Credential) (*secret.Credential, bool)
	Keep(id string, cred *secret.Credential)
	Drop(id string)
	Delete(ctx context.Context, id string)
	Lock(ctx context.Context, id string, ttl time.Duration) (unlock func(), ok bool)
	Watch(id string) (changed <-chan struct{}, stop func())
	Take(ctx context.Context, id string, n int, per time.Duration) (wait time.Duration, ok bool)
	Close() error
}

// Run runs the suite. open returns a new, empty cache for each test.
func Run(t *testing.T, open func(t *testing.T) Cache) {
	for name, test := range map[string]func(*testing.T, Cache){
		"RoundTrip": roundTrip, "Miss": miss, "Replace": replace, "Delete": remove,
		"Expiry": expiry, "Expired": expired, "Fill": fill, "Watch": watch,
		"Fetch": fetch, "Keep": keep, "Isolation": isolation, "Concurrent": concurrent, "Lock": lock,
		"Take": take, "TakeConcurrently": takeConcurrently, "TakeSlides": takeSlides,
	} {
		t.Run(name, func(t *testing.T) {
			c := open(t)
			t.Cleanup(func() { _ = c.Close() })
			test(t, c)
		})
	}
}

// Credential is a full credential whose token is tok.
func Credential(tok string) *secret.Credential {
	return &secret.Credential{
		Token:      secret.New(tok),
		Fields:     secret.Values{"subdomain": secret.New("acme"), "odd": secret.New("\x00\xff\"é")},
		Expiry:     time.Now().Add(time.Hour).UTC().Truncate(time.Millisecond),
		RefreshAt:  time.Now().Add(50 * time.Minute).UTC().Truncate(time.Millisecond),
		Scopes:     []string{"read", "write"},
		Generation: 1<<64 - 1,
	}
}

func roundTrip(t *testing.T, c Cache) {
	want := Credential("tok-1")
	c.Put(t.Context(), "a1", want)
	got, ok := c.Get(t.Context(), "a1")
	if !ok {
		t.Fatal("Get() after Put() = nothing")
	}
	if msg := Diff(got, want); msg != "" {
		t.Error(msg)
	}
	c.Put(t.Context(), "bare", &secret.Credential{Token: secret.New("x")})
	if got, ok := c.Get(t.Context(), "bare"); !ok || !got.Expiry.IsZero() || !got.RefreshAt.IsZero() {
		t.Errorf("a credential without times came back with %v, %v", got.Expiry, got.RefreshAt)
	}
}

// Diff says how two credentials differ, without printing secrets of others.
func Diff(got, want *secret.Credential) string {
	switch {
	case !got.Token.Equal(want.Token):
		return fmt.Sprintf("token = %q, want %q", got.Token.Reveal(), want.Token.Reveal())
	case !got.Expiry.Equal(want.Expiry):
		return fmt.Sprintf("expiry = %v, want %v", got.Expiry, want.Expiry)
	case !got.RefreshAt.Equal(want.RefreshAt):
		return fmt.Sprintf("refresh at = %v, want %v", got.RefreshAt, want.RefreshAt)
	case got.Generation != want.Generation:
		return fmt.Sprintf("generation = %d, want %d", got.Generation, want.Generation)
	case fmt.Sprint(got.Scopes) != fmt.Sprint(want.Scopes):
		return fmt.Sprintf("scopes = %v, want %v", got.Scopes, want.Scopes)
	case len(got.Fields) != len(want.Fields):
		return fmt.Sprintf("%d fields, want %d", len(got.Fields), len(want.Fields))
	}
	for name, v := range want.Fields {
		if !got.Fields[name].Equal(v) {
			return fmt.Sprintf("field %s = %q, want %q", name, got.Fields[name].Reveal(), v.Reveal())
		}
	}
	return ""
}

func miss(t *testing.T, c Cache) {
	if got, ok := c.Get(t.Context(), "nobody"); ok || got != nil {
		t.Errorf("Get() of nobody = %v, %v; want nothing", got, ok)
	}
	c.Delete(t.Context(), "nobody")
}

func replace(t *testing.T, c Cache) {
	c.Put(t.Context(), "a1", Credential("tok-1"))
	c.Put(t.Context(), "a1", Credential("tok-2"))
	wantToken(t, c, "a1", "tok-2")
}

func wantToken(t *testing.T, c Cache, id, want string) {
	t.Helper()
	got, ok := c.Get(t.Context(), id)
	switch {
	case !ok:
		t.Errorf("Get(%s) = nothing, want %s", id, want)
	case got.Token.Reveal() != want:
		t.Errorf("Get(%s) = %s, want %s", id, got.Token.Reveal(), want)
	}
}

func remove(t *testing.T, c Cache) {
	c.Put(t.Context(), "a1", Credential("tok-1"))
	c.Put(t.Context(), "a2", Credential("tok-2"))
	c.Delete(t.Context(), "a1")
	if _, ok := c.Get(t.Context(), "a1"); ok {
		t.Error("Get() after Delete() = a credential")
	}
	wantToken(t, c, "a2", "tok-2")
}

func expiry(t *testing.T, c Cache) {
	cred := Credential("tok-1")
	cred.Expiry = time.Now().Add(300 * time.Millisecond)
	c.Put(t.Context(), "a1", cred)
	wantToken(t, c, "a1", "tok-1")
	time.Sleep(time.Until(cred.Expiry) + 50*time.Millisecond)
	if _, ok := c.Get(t.Context(), "a1"); ok {
		t.Error("Get() of an expired credential = a credential")
	}
	c.Put(t.Context(), "a1", Credential("tok-2"))
	wantToken(t, c, "a1", "tok-2")
}

func expired(t *testing.T, c Cache) {
	c.Put(t.Context(), "a1", Credential("tok-1"))
	old := Credential("tok-2")
	old.Expiry = time.Now().Add(-time.Second)
	c.Put(t.Context(), "a1", old)
	time.Sleep(10 * time.Millisecond)
	if got, ok := c.Get(t.Context(), "a1"); ok {
		t.Errorf("Get() after Put() of an expired credential = %s", got.Token.Reveal())
	}
}

func fill(t *testing.T, c Cache) {
	if got := c.Fill(t.Context(), "a1", Credential("tok-1")); got.Token.Reveal() != "tok-1" {
		t.Errorf("Fill() of an empty place = %s, want tok-1", got.Token.Reveal())
	}
	if got := c.Fill(t.Context(), "a1", Credential("tok-2")); got.Token.Reveal() != "tok-1" {
		t.Errorf("Fill() of a full place = %s, want tok-1", got.Token.Reveal())
	}
	wantToken(t, c, "a1", "tok-1")
}

// generation is a credential that counts.
func generation(n uint64) *secret.Credential {
	c := Credential(fmt.Sprint("tok-", n))
	c.Generation = n
	return c
}

func fetch(t *testing.T, c Cache) {
	ctx := t.Context()
	c.Put(ctx, "a1", generation(1))
	if got, ok := c.Fetch(ctx, "a1", generation(1)); ok {
		t.Errorf("Fetch() of another than tok-1 = %s, want nothing", got.Token.Reveal())
	}
	if got, ok := c.Fetch(ctx, "a1", nil); !ok || got.Generation != 1 {
		t.Errorf("Fetch() = %v, %v; want tok-1", got, ok)
	}
	c.Put(ctx, "a1", generation(2))
	if got, ok := c.Fetch(ctx, "a1", generation(1)); !ok || got.Generation != 2 {
		t.Errorf("Fetch() of another than tok-1 = %v, %v; want tok-2", got, ok)
	}
}

func keep(t *testing.T, c Cache) {
	c.Keep("a1", generation(2))
	c.Keep("a1", generation(1))
	if got, ok := c.Near("a1"); !ok || got.Generation != 2 {
		t.Errorf("Near() after Keep() of an older one = %v, %v; want the newer one", got, ok)
	}
	changed, stop := c.Watch("a1")
	defer stop()
	c.Drop("a1")
	if _, ok := c.Near("a1"); ok {
		t.Error("Near() after Drop() = a credential")
	}
	select {
	case <-changed:
	case <-time.After(time.Second):
		t.Error("Drop() did not wake the watcher")
	}
}

func watch(t *testing.T, c Cache) {
	changed, stop := c.Watch("a1")
	defer stop()
	_, stopEarly := c.Watch("a1")
	stopEarly()
	c.Put(t.Context(), "a2", Credential("tok-2"))
	select {
	case <-changed:
		t.Error("a Put of another account woke the watcher")
	case <-time.After(20 * time.Millisecond):
	}
	c.Put(t.Context(), "a1", Credential("tok-1"))
	select {
	case <-changed:
	case <-time.After(5 * time.Second):
		t.Error("a Put did not wake the watcher")
	}
}

func isolation(t *testing.T, c Cache) {
	ids := []string{"a", "a:b", "a*", "", "é", "a b", "{a}"}
	for _, id := range ids {
		c.Put(t.Context(), id, Credential("tok of "+id))
	}
	for _, id := range ids {
		wantToken(t, c, id, "tok of "+id)
	}
}

func concurrent(t *testing.T, c Cache) {
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			id := fmt.Sprint("a", i)
			for n := range 50 {
				want := fmt.Sprintf("%s %d", id, n)
				c.Put(t.Context(), id, Credential(want))
				wantToken(t, c, id, want)
			}
		})
	}
	wg.Wait()
}

func lock(t *testing.T, c Cache) {
	unlock, ok := c.Lock(t.Context(), "a1", time.Minute)
	if !ok {
		t.Fatal("Lock() of a free account = false")
	}
	unlock()
	unlock, ok = c.Lock(t.Context(), "a1", time.Minute)
	if !ok {
		t.Fatal("Lock() after unlock = false")
	}
	unlock()
}

func take(t *testing.T, c Cache) {
	for i := range 5 {
		wait, ok := c.Take(t.Context(), "a1", 3, time.Minute)
		if want := i < 3; ok != want {
			t.Errorf("Take() %d of 3 = %v, want %v", i+1, ok, want)
		}
		if !ok && (wait <= 0 || wait > 65*time.Second) {
			t.Errorf("Take() of what is used up: wait %v, want up to 65s", wait)
		}
	}
	if _, ok := c.Take(t.Context(), "a2", 3, time.Minute); !ok {
		t.Error("Take() of another account = false")
	}
	if _, ok := c.Take(t.Context(), "a1", 4, time.Minute); !ok {
		t.Error("Take() of a limit that was raised = false")
	}
	if _, ok := c.Take(t.Context(), "a1", 2, time.Minute); ok {
		t.Error("Take() of a limit that was lowered = true")
	}
}

func takeConcurrently(t *testing.T, c Cache) {
	var got atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				if _, ok := c.Take(t.Context(), "a1", 100, time.Minute); ok {
					got.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if got.Load() != 100 {
		t.Errorf("Take() 400 times at once gave %d, want 100", got.Load())
	}
}

// takeSlides takes as fast as it can for several windows: no stretch of a window's
// length may have more than the limit, wherever it begins, and yet the limit is used.
func takeSlides(t *testing.T, c Cache) {
	const n, per, windows = 20, 600 * time.Millisecond, 4
	type taken struct{ before, after time.Time }
	var all []taken
	for end := time.Now().Add(windows * per); time.Now().Before(end); {
		before := time.Now()
		wait, ok := c.Take(t.Context(), "a1", n, per)
		if ok {
			all = append(all, taken{before, time.Now()})
			if len(all)%n == n/2 {
				time.Sleep(per / 4) // so that the window's edges are not all that there is
			}
			continue
		}
		time.Sleep(wait)
	}
	for i := n; i < len(all); i++ {
		if apart := all[i].after.Sub(all[i-n].before); apart < per {
			t.Errorf("take %d came %v after take %d, want at least %v", i, apart, i-n, per)
		}
	}
	if len(all) < (windows-2)*n { // a busy machine sleeps longer than it was told
		t.Errorf("%d taken in %d windows of %d", len(all), windows, n)
	}
}
