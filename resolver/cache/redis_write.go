package cache

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/attache-proxy/attache/providers/secret"
)

// Put replaces the credential of account id, here and everywhere. It is not
// undone when ctx ends: a token that was obtained must not get lost.
func (r *Redis) Put(ctx context.Context, id string, cred *secret.Credential) {
	ctx = context.WithoutCancel(ctx)
	var version int64
	r.change(id, func() { r.near.Put(ctx, id, cred); version = r.seen.take(id) })
	life := remaining(cred)
	r.write(ctx, id, version, func(ctx context.Context, p redis.Pipeliner) {
		if life <= 0 {
			p.Del(ctx, r.key(id))
			return
		}
		sealed, err := seal(r.sealer, id, cred, version)
		if err != nil {
			p.Del(ctx, r.key(id)) // better nothing than the old one
			r.notify(Notice{Unreadable, errors.New("sealing a credential for the shared cache failed")})
			return
		}
		p.Set(ctx, r.key(id), sealed, life)
	})
}

// Delete forgets the credential of account id, here and everywhere.
func (r *Redis) Delete(ctx context.Context, id string) {
	ctx = context.WithoutCancel(ctx)
	var version int64
	r.change(id, func() { r.near.Delete(ctx, id); version = r.seen.take(id) })
	r.write(ctx, id, version, func(ctx context.Context, p redis.Pipeliner) {
		p.Del(ctx, r.key(id))
	})
}

// change applies f to near as a change of id.
func (r *Redis) change(id string, f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.epoch++
	f()
}

// write sends commands and tells the others. Where that fails, id is dirty: its
// entry in Redis must go before anybody may trust it again.
func (r *Redis) write(ctx context.Context, id string, version int64, f func(context.Context, redis.Pipeliner)) {
	if r.soilIfDown(id) {
		return
	}
	op, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	p := r.client.Pipeline()
	f(op, p)
	if _, err := p.Exec(op); err != nil {
		r.soil(id)
		r.failed(ctx, err)
		return
	}
	// After the value, so that whoever hears of it finds it.
	if err := r.client.Publish(op, r.channel(), r.announcement(id, version)).Err(); err != nil {
		r.soil(id)
		r.failed(ctx, err)
	}
}

// announcement tells the others that id changed, and which version it has now.
func (r *Redis) announcement(id string, version int64) string {
	return r.self + " " + strconv.FormatInt(version, 10) + " " + id
}

// soilIfDown marks id dirty while Redis is away. It holds the lock under which
// recovered decides that nothing is dirty any more.
func (r *Redis) soilIfDown(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.down.Load() {
		r.dirty[id] = struct{}{}
		return true
	}
	return false
}

// soil marks id dirty after a write that failed. The caller says failed next,
// which starts the healing that cleans it.
func (r *Redis) soil(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dirty[id] = struct{}{}
}

// remaining is how long Redis may keep cred; 0 or less for one that has expired.
func remaining(cred *secret.Credential) time.Duration {
	if cred.Expiry.IsZero() {
		return keepUnexpiring
	}
	return time.Until(cred.Expiry).Truncate(time.Millisecond)
}
