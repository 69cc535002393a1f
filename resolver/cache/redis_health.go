package cache

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
)

// Pauses between probes while Redis is away, and while listening fails.
const (
	firstPause = 200 * time.Millisecond
	maxPause   = 5 * time.Second
)

// failed looks at an error of an operation on behalf of ctx. Everything but a
// miss and a caller who hung up means that Redis is away.
func (r *Redis) failed(ctx context.Context, err error) {
	if errors.Is(err, redis.Nil) || ctx.Err() != nil {
		return
	}
	if r.down.CompareAndSwap(false, true) {
		r.notify(Notice{Down, err})
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
}

// heal probes a Redis that is away until it is back.
func (r *Redis) heal(ctx context.Context) {
	pause, upSince := firstPause, time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
		}
		if time.Since(upSince) > time.Minute { // else it flaps: probe more slowly
			pause = firstPause
		}
		for !r.recovered(ctx) {
			if !sleep(ctx, pause) {
				return
			}
			pause = min(2*pause, maxPause)
		}
		upSince = time.Now()
	}
}

// recovered tries to write, and to remove what changed during the outage: the
// entries in Redis are old now. Only then Redis is used again.
func (r *Redis) recovered(ctx context.Context) bool {
	op, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	if err := r.client.Set(op, r.prefix+"probe", r.self, time.Minute).Err(); err != nil {
		return false
	}
	for {
		r.mu.Lock()
		ids := slices.Collect(maps.Keys(r.dirty))
		if len(ids) == 0 {
			r.down.Store(false)
			r.mu.Unlock()
			r.notify(Notice{Kind: Up})
			return true
		}
		r.mu.Unlock()
		if !r.clean(ctx, ids) {
			return false
		}
	}
}

// clean removes entries and tells everybody, in batches.
func (r *Redis) clean(ctx context.Context, ids []string) bool {
	for batch := range slices.Chunk(ids, 500) {
		op, cancel := context.WithTimeout(ctx, opTimeout)
		p := r.client.Pipeline()
		for _, id := range batch {
			p.Del(op, r.key(id))
		}
		r.mu.Lock()
		for _, id := range batch {
			p.Publish(op, r.channel(), r.announcement(id, r.seen.take(id)))
		}
		r.mu.Unlock()
		_, err := p.Exec(op)
		cancel()
		if err != nil {
			return false
		}
		r.mu.Lock()
		for _, id := range batch {
			delete(r.dirty, id)
		}
		r.mu.Unlock()
	}
	return true
}

// sleep waits for about d; false when ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d/2 + rand.N(d)):
		return true
	}
}
