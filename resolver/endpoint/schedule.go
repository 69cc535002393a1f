package endpoint

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/providers/secret"
)

// Works reports whether the token has life left. The margin covers the way to
// the service; for very short tokens it is a tenth of their life.
func Works(cred *secret.Credential, now time.Time) bool {
	if cred.Expiry.IsZero() {
		return true
	}
	margin := 5 * time.Second
	if life := cred.Expiry.Sub(cred.RefreshAt); !cred.RefreshAt.IsZero() && life/5 < margin {
		margin = life / 5
	}
	return !cred.Expired(now, margin)
}

// Schedule is when a token is renewed ahead of time: at the larger of 60 s and a
// tenth of its life before the end, but not in its first half. lot, from 0 to 1,
// moves that ahead by up to another tenth of the life, so that accounts whose
// tokens came at once are not renewed at once. Zero for tokens that do not say
// when they end. A connector's own margin is taken as it is.
func Schedule(expiry, issued time.Time, margin time.Duration, lot float64) time.Time {
	if expiry.IsZero() {
		return time.Time{}
	}
	life := expiry.Sub(issued)
	if margin == 0 {
		margin = max(time.Minute, life/10) + time.Duration(lot*float64(life/10))
	}
	return expiry.Add(-min(margin, life/2))
}

// Backoff is how long nobody asks again after n failures in a row: from half a
// second, doubling up to a minute, with jitter; longer where the endpoint says so.
func Backoff(n int, err error) time.Duration {
	d := 500 * time.Millisecond << min(n-1, 7)
	d = min(d, time.Minute)
	d = d/2 + rand.N(d/2+1)
	var e *oauth.Error
	if errors.As(err, &e) {
		d = max(d, min(e.RetryAfter, 5*time.Minute))
	}
	return d
}
