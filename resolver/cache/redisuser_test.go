package cache_test

import (
	"strings"
	"testing"
	"time"

	"github.com/attache-proxy/attache/resolver/cache"
	"github.com/attache-proxy/attache/resolver/cache/cachetest"
)

// TestRedisUser does everything as a user with the permissions that
// docs/caddyfile.md names.
func TestRedisUser(t *testing.T) {
	s := startRedis(t)
	if err := s.admin().Do(t.Context(), args(`ACL SETUSER attache on >hunter2 ~attache:* &attache:* +@read +@write +@scripting +@pubsub +@connection +time`)...).Err(); err != nil {
		t.Fatal(err)
	}
	url := "redis://attache:hunter2@" + s.addr
	a, heard := openRedis(t, cache.RedisOptions{URL: url})
	b, heardToo := openRedis(t, cache.RedisOptions{URL: url})
	listening(t, a, b)
	ctx := t.Context()
	a.Put(ctx, "x", cachetest.Credential("one"))
	if _, ok := b.Fetch(ctx, "x", nil); !ok {
		t.Error("the other replica finds no credential")
	}
	unlock, _ := a.Lock(ctx, "x", time.Minute)
	unlock()
	a.Take(ctx, "x", 1, time.Minute)
	if _, ok := b.Take(ctx, "x", 1, time.Minute); ok {
		t.Error("the limit does not hold over both")
	}
	a.Delete(ctx, "x")
	if heard.String()+heardToo.String() != "" {
		t.Errorf("events = %q, %q; want none", heard, heardToo)
	}
}

func args(command string) (all []any) {
	for _, word := range strings.Fields(command) {
		all = append(all, word)
	}
	return all
}
