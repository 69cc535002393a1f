package cache

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/attache-proxy/attache/resolver/budget"
)

// chargeScript counts several charges, all or none. KEYS: the counters; ARGV: 1 to count only
// what fits, and then for each counter what must be left, what is added, how much it may
// become, and how many seconds it is remembered. It returns whether it counted, and what is used of each.
var chargeScript = redis.NewScript(`
local out, fits = {}, true
for i, key in ipairs(KEYS) do
	local used = tonumber(redis.call("get", key) or "0")
	out[i + 1] = used
	if used + tonumber(ARGV[i * 4 - 2]) > tonumber(ARGV[i * 4]) then fits = false end
end
if ARGV[1] == "1" and not fits then
	out[1] = 0
	return out
end
for i, key in ipairs(KEYS) do
	local add = math.max(tonumber(ARGV[i * 4 - 1]), -out[i + 1])
	if add ~= 0 then
		out[i + 1] = redis.call("incrby", key, string.format("%.0f", add))
		redis.call("expire", key, ARGV[i * 4 + 1])
	end
end
out[1] = 1
return out
`)

// Budgets counts what is used of budgets, by any replica, in one round trip a request. While
// Redis is away each replica goes on from what it has heard, and what is strict is refused.
func (r *Redis) Budgets() budget.Store { return budgets{r} }

type budgets struct{ r *Redis }

// Take implements budget.Store.
func (b budgets) Take(ctx context.Context, charges []budget.Charge) (bool, error) {
	return b.count(ctx, charges, true)
}

// Add implements budget.Store.
func (b budgets) Add(ctx context.Context, charges []budget.Charge) error {
	// Who hung up has used it nevertheless.
	_, err := b.count(context.WithoutCancel(ctx), charges, false)
	return err
}

func (b budgets) count(ctx context.Context, charges []budget.Charge, onlyFitting bool) (bool, error) {
	if len(charges) == 0 {
		return true, nil
	}
	if b.r.down.Load() {
		return b.alone(ctx, charges, onlyFitting)
	}
	keys, args := make([]string, len(charges)), make([]any, 1, 1+4*len(charges))
	args[0] = map[bool]string{true: "1", false: "0"}[onlyFitting]
	for i := range charges {
		c := &charges[i]
		keys[i] = b.key(c)
		args = append(args, c.Need, c.Add, c.Most, max(int64(time.Until(c.KeepUntil()).Seconds()), 1))
	}
	op, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	out, err := chargeScript.Run(op, b.r.client, keys, args...).Int64Slice()
	if err != nil || len(out) != len(charges)+1 {
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		b.r.failed(ctx, err)
		return b.alone(ctx, charges, onlyFitting)
	}
	for i := range charges {
		charges[i].Used = out[i+1]
	}
	b.r.spent.Set(charges)
	return out[0] == 1, nil
}

// alone counts in this process, as far as it may.
func (b budgets) alone(ctx context.Context, charges []budget.Charge, onlyFitting bool) (bool, error) {
	for i := range charges {
		if charges[i].Strict && onlyFitting {
			return false, budget.ErrAway
		}
	}
	if !onlyFitting {
		return true, b.r.spent.Add(ctx, charges)
	}
	return b.r.spent.Take(ctx, charges)
}

// Used implements budget.Store.
func (b budgets) Used(ctx context.Context, charges []budget.Charge) error {
	if len(charges) == 0 {
		return nil
	}
	if b.r.down.Load() {
		return b.r.spent.Used(ctx, charges)
	}
	keys := make([]string, len(charges))
	for i := range charges {
		keys[i] = b.key(&charges[i])
	}
	op, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	values, err := b.r.client.MGet(op, keys...).Result()
	if err != nil {
		b.r.failed(ctx, err)
		return b.r.spent.Used(ctx, charges)
	}
	for i, v := range values {
		text, _ := v.(string)
		charges[i].Used, _ = strconv.ParseInt(text, 10, 64)
	}
	return nil
}

// key is a counter's name. What stands in braces puts all of them into one slot of a
// cluster: those of a request are counted together.
func (b budgets) key(c *budget.Charge) string {
	return strings.Join([]string{b.r.prefix + "{budget}", c.Counter, strconv.FormatInt(c.Slot, 10)}, ":")
}
