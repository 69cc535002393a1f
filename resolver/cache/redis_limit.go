package cache

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// takeScript is window.take in Redis: a hash of what was taken per slot. The time
// is Redis' own, so that the clocks of replicas do not matter. KEYS: the account's
// limit; ARGV: how many, the size of a slot in microseconds, how many slots. It
// returns 0, or how many microseconds to wait.
var takeScript = redis.NewScript(`
if redis.replicate_commands then redis.replicate_commands() end
local n, size, slots = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local clock = redis.call("time")
local now = clock[1] * 1000000 + clock[2]
local slot = math.floor(now / size)
local taken, total = {}, 0
local all = redis.call("hgetall", KEYS[1])
for i = 1, #all, 2 do
	local s = tonumber(all[i])
	if s >= slot - slots and s <= slot then
		taken[s] = tonumber(all[i + 1])
		total = total + taken[s]
	else
		redis.call("hdel", KEYS[1], all[i])
	end
end
if total < n then
	redis.call("hincrby", KEYS[1], string.format("%.0f", slot), 1)
	redis.call("pexpire", KEYS[1], math.ceil(size * (slots + 1) / 1000))
	return 0
end
for s = slot - slots, slot do
	total = total - (taken[s] or 0)
	if total < n then
		return (s + slots + 1) * size - now
	end
end
return size * (slots + 1)
`)

func (r *Redis) limitKey(id string) string { return r.prefix + "limit:" + id }

// Take counts one use of account id by any replica; see Memory.Take. It is one
// round trip, and none when this process alone has used up the limit. While Redis
// is away each replica goes on with what it has counted itself.
func (r *Redis) Take(ctx context.Context, id string, n int, per time.Duration) (wait time.Duration, ok bool) {
	if r.down.Load() {
		return r.near.Take(ctx, id, n, per)
	}
	if wait, full := r.near.limits.full(id, n, per); full {
		return wait, false
	}
	op, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	us, err := takeScript.Run(op, r.client, []string{r.limitKey(id)}, n, (per / slots).Microseconds(), slots).Int64()
	switch {
	case err != nil:
		r.failed(ctx, err)
		return r.near.Take(ctx, id, n, per)
	case us > 0:
		return time.Duration(us) * time.Microsecond, false
	}
	r.near.limits.take(id, n, per)
	return 0, true
}
