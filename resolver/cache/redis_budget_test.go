package cache_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/attache-proxy/attache/resolver/budget"
	"github.com/attache-proxy/attache/resolver/cache"
)

// TestBudgets: replicas take together never more than there is, all or none of several
// budgets; while Redis is away each goes on from what it has heard, and what is strict is
// refused.
func TestBudgets(t *testing.T) {
	s := startRedis(t)
	a, _ := openRedis(t, cache.RedisOptions{URL: s.addr})
	b, _ := openRedis(t, cache.RedisOptions{URL: s.addr})
	ctx, until := t.Context(), time.Now().Add(time.Hour)
	charges := func(need int64) []budget.Charge {
		return []budget.Charge{{Counter: "agent/x|requests|hour", Slot: 1, Until: until, Need: need, Add: need, Most: 30}, {Counter: "account/y|requests|hour", Slot: 1, Until: until, Need: need, Add: need, Most: 1 << 52}}
	}
	var passed atomic.Int64
	var all sync.WaitGroup
	for i := range 90 {
		all.Go(func() {
			ok, err := []*cache.Redis{a, b}[i%2].Budgets().Take(ctx, charges(1))
			if err != nil {
				t.Error(err)
			}
			if ok {
				passed.Add(1)
			}
		})
	}
	all.Wait()
	if passed.Load() != 30 {
		t.Errorf("%d passed, of 30", passed.Load())
	}
	now := charges(0)
	if err := b.Budgets().Used(ctx, now); err != nil || now[0].Used != 30 || now[1].Used != 30 {
		t.Errorf("used: %+v, %v", now, err)
	}
	if ttl := s.admin().TTL(ctx, "attache:{budget}:agent/x|requests|hour:1").Val(); ttl < 24*time.Hour || ttl > 26*time.Hour {
		t.Errorf("it is remembered for %v", ttl)
	}
	back := []budget.Charge{{Counter: "agent/x|requests|hour", Slot: 1, Until: until, Add: -4}}
	if err := a.Budgets().Add(ctx, back); err != nil || back[0].Used != 26 {
		t.Errorf("given back: %+v, %v", back, err)
	}
	below := []budget.Charge{{Counter: "account/y|requests|hour", Slot: 1, Until: until, Add: -400}}
	if err := a.Budgets().Add(ctx, below); err != nil || below[0].Used != 0 {
		t.Errorf("given back more than there was: %+v, %v", below, err)
	}
	s.stop()
	for i := range 6 {
		if ok, err := a.Budgets().Take(ctx, charges(1)); err != nil || ok != (i < 4) {
			t.Errorf("%d of 4 that were left, with Redis away: %v, %v", i+1, ok, err)
		}
	}
	strict := charges(1)
	strict[1].Strict = true
	if ok, err := b.Budgets().Take(ctx, strict); ok || !errors.Is(err, budget.ErrAway) {
		t.Errorf("what is strict, with Redis away: %v, %v", ok, err)
	}
}
