package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/attache-proxy/attache/caddymodule/config"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver"
	"github.com/attache-proxy/attache/resolver/cache"
	"github.com/attache-proxy/attache/resolver/vault"
)

// sharedCache is a cache of package cache.
type sharedCache interface {
	resolver.Cache
	Drop(id string)
	Close() error
}

// caches outlive a reload: tokens are not fetched anew because a line of the
// configuration changed.
var caches = caddy.NewUsagePool()

// memoryKey is the pool's key of the one in-process cache.
const memoryKey = "memory"

type pooledCache struct{ sharedCache }

// Destruct closes the cache when no configuration uses it any more.
func (p pooledCache) Destruct() error { return p.Close() }

func (a *App) openCache() (sharedCache, error) {
	key, open := memoryKey, func() (sharedCache, error) { return cache.NewMemory(0), nil }
	if a.Cache != nil && len(a.Cache.Redis) > 0 {
		o, err := a.redisOptions()
		if err != nil {
			return nil, fmt.Errorf("%scache redis: %w", at(a.Cache.Source), err)
		}
		key = o.fingerprint
		open = func() (sharedCache, error) { return cache.OpenRedis(o.RedisOptions) }
	}
	v, _, err := caches.LoadOrNew(key, func() (caddy.Destructor, error) {
		c, err := open()
		if err != nil {
			return nil, fmt.Errorf("%scache %w", at(a.Cache.Source), err) // only Redis has errors
		}
		a.metrics.CacheUp(true)
		return pooledCache{c}, nil
	})
	if err != nil {
		return nil, err
	}
	a.cacheKey = key
	return v.(pooledCache), nil
}

func (a *App) closeCache() {
	if a.cacheKey != "" {
		_, _ = caches.Delete(a.cacheKey)
	}
}

// at is a place in the Caddyfile, for the beginning of a message.
func at(source string) string {
	if source == "" {
		return ""
	}
	return source + ": "
}

type redisOptions struct {
	cache.RedisOptions
	// fingerprint tells configurations apart that cannot share connections.
	fingerprint string
}

func (a *App) redisOptions() (redisOptions, error) {
	c := a.Cache
	url, err := c.URL()
	if err != nil {
		return redisOptions{}, err
	}
	keys, err := a.sealingKeys()
	if err != nil {
		return redisOptions{}, err
	}
	conf, err := c.TLS()
	if err != nil {
		return redisOptions{}, err
	}
	parts := map[string]secret.Value{"url": secret.New(url), "keys": secret.New(strings.Join(keys.IDs(), " ")),
		"tls": secret.New(fmt.Sprint(c.TrustedCA, c.ClientCertificate, c.ClientKey)), "prefix": secret.New(c.Prefix)}
	return redisOptions{
		RedisOptions: cache.RedisOptions{URL: url, TLS: conf, Sealer: keys, Prefix: c.Prefix, Notify: a.cacheNotice()},
		fingerprint:  "redis " + fingerprint(nil, parts),
	}, nil
}

// sealingKeys are the vault's, or those of the option key.
func (a *App) sealingKeys() (*vault.Keyring, error) {
	if a.vault != nil {
		return a.vault.Keys(), nil
	}
	if len(a.Key) == 0 {
		return nil, errors.New("what stands in Redis is sealed, and there is no key; write key {file./run/secrets/attache.key} into the attache option; attache vault keygen makes one")
	}
	return config.Keys(a.Key)
}

// cacheNotice tells the operator when Redis goes away and comes back. The cache
// may outlive this configuration, so nothing of it is kept but the logger.
func (a *App) cacheNotice() func(cache.Notice) {
	log, m := a.logger.Named("cache"), a.metrics
	return func(e cache.Notice) {
		m.CacheEvent(e.Kind.String())
		switch e.Kind {
		case cache.Down:
			m.CacheUp(false)
			log.Warn("Redis is away; tokens come from memory and from the vault until it is back", zap.Error(e.Err))
		case cache.Up:
			m.CacheUp(true)
			log.Info("Redis is back")
		default:
			log.Warn("an entry in Redis cannot be used; it counts as missing", zap.Error(e.Err))
		}
	}
}

// tokenTimeout bounds one token request.
func (a *App) tokenTimeout() time.Duration {
	if a.TokenTimeout > 0 {
		return time.Duration(a.TokenTimeout)
	}
	return resolver.DefaultTokenTimeout
}

// finish waits for token requests that run: a service may have replaced a refresh
// token, and the new one is not stored yet.
func (a *App) finish() {
	ctx, cancel := context.WithTimeout(context.Background(), a.tokenTimeout()+5*time.Second)
	defer cancel()
	a.credentials.Wait(ctx)
}
