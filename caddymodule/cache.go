package caddymodule

import (
	"github.com/caddyserver/caddy/v2"

	"github.com/attache-proxy/attache/resolver"
	"github.com/attache-proxy/attache/resolver/cache"
)

// caches outlive a reload: tokens are not fetched anew because a line of the
// configuration changed.
var caches = caddy.NewUsagePool()

// memoryKey is the pool's key of the one in-process cache.
const memoryKey = "memory"

type pooledCache struct{ *cache.Memory }

func (pooledCache) Destruct() error { return nil }

func (a *App) openCache() (resolver.Cache, error) {
	v, _, err := caches.LoadOrNew(memoryKey, func() (caddy.Destructor, error) {
		return pooledCache{cache.NewMemory(0)}, nil
	})
	if err != nil {
		return nil, err
	}
	a.cacheOpen = true
	return v.(pooledCache), nil
}

func (a *App) closeCache() {
	if a.cacheOpen {
		_, _ = caches.Delete(memoryKey)
	}
}
