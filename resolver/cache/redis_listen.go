package cache

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// pingEvery is how long a subscription may be silent before it is asked whether
// it still lives: a connection that died without a word loses changes.
const pingEvery = 5 * time.Second

// listen follows the changes that other replicas publish, for ever.
func (r *Redis) listen(ctx context.Context) {
	pause := firstPause
	for ctx.Err() == nil {
		began := time.Now()
		r.subscribe(ctx)
		if time.Since(began) > time.Minute {
			pause = firstPause
		}
		if !sleep(ctx, pause) {
			return
		}
		pause = min(2*pause, maxPause)
	}
}

// subscribe follows one subscription until it breaks.
func (r *Redis) subscribe(ctx context.Context) {
	sub := r.client.Subscribe(ctx, r.channel())
	defer sub.Close()
	for silent := false; ; {
		msg, err := sub.ReceiveTimeout(ctx, pingEvery)
		var timeout net.Error
		switch {
		case err == nil:
			silent = false
		case errors.As(err, &timeout) && timeout.Timeout() && !silent && ctx.Err() == nil:
			silent = true
			if sub.Ping(ctx) != nil {
				return
			}
			continue
		default:
			return
		}
		switch msg := msg.(type) {
		case *redis.Subscription:
			r.missed()
		case *redis.Message:
			if who, rest, ok := strings.Cut(msg.Payload, " "); ok && who != r.self {
				number, id, _ := strings.Cut(rest, " ")
				version, _ := strconv.ParseInt(number, 10, 64)
				r.change(id, func() { r.near.Delete(ctx, id); r.seen.announced(id, version) })
			}
		}
	}
}

// missed drops all copies: while nobody listened, any of them may have become
// old.
func (r *Redis) missed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.epoch++
	r.near.entries.InvalidateAll()
	r.near.watchers.tellAll()
}
