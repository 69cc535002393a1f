package cache

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/redis/go-redis/v9"
)

// unlockScript removes a lock only if it is still ours.
var unlockScript = redis.NewScript(`if redis.call("get", KEYS[1]) == ARGV[1] then return redis.call("del", KEYS[1]) end return 0`)

// Lock tries to take the lock of account id among all replicas, for at most ttl.
// It is for accounts without a row in the vault, where two token requests at once
// do no harm: so without Redis everybody has it.
func (r *Redis) Lock(ctx context.Context, id string, ttl time.Duration) (unlock func(), ok bool) {
	free := func() {}
	if r.down.Load() {
		return free, true
	}
	key, token := r.prefix+"lock:"+id, rand.Text()
	op, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	got, err := r.client.SetNX(op, key, token, ttl).Result()
	if err != nil {
		r.failed(ctx, err)
		return free, true
	}
	if !got {
		return free, false
	}
	return func() {
		ctx := context.WithoutCancel(ctx)
		op, cancel := context.WithTimeout(ctx, opTimeout)
		defer cancel()
		if err := unlockScript.Run(op, r.client, []string{key}, token).Err(); err != nil {
			r.failed(ctx, err) // the lock ends by itself
		}
	}, true
}
