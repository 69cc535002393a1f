package budget

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/attache-proxy/attache/resolver/refusal"
)

// Rate is how many requests an account may have in any minute; zero means any number.
type Rate struct {
	PerMinute int
	// Limited and Away make believe that it is reached, and that there is no service.
	Limited, Away bool
}

// Taker counts in a sliding window.
type Taker interface {
	Take(ctx context.Context, id string, n int, per time.Duration) (wait time.Duration, ok bool)
}

// Take counts one request of account id. About is how it is called in a refusal.
func (r Rate) Take(ctx context.Context, t Taker, id string, about func() string) error {
	switch {
	case r.Away:
		return &refusal.Refusal{Code: "upstream_unreachable", Detail: about() + " is in test mode and plays that the service cannot be reached", Next: "Treat it as you would an outage."}
	case r.Limited:
		return &refusal.Refusal{Code: "rate_limited", RetryAfter: 60, Detail: about() + " is in test mode and plays that its limit is reached", Next: "Treat it as you would the limit: wait, then go on slower."}
	case r.PerMinute <= 0:
		return nil
	}
	wait, ok := t.Take(ctx, id, r.PerMinute, time.Minute)
	if ok {
		return nil
	}
	seconds := int(math.Ceil(wait.Seconds()))
	return &refusal.Refusal{Code: "rate_limited", RetryAfter: seconds,
		Detail: fmt.Sprintf("%s is limited to %d requests a minute", about(), r.PerMinute),
		Next:   fmt.Sprintf("Wait %d seconds; then go on slower.", seconds)}
}
