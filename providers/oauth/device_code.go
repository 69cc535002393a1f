package oauth

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/attache-proxy/attache/providers/secret"
)

// Device is a device's authorization that a person must confirm (RFC 8628 §3.2).
type Device struct {
	Code secret.Value
	// UserCode is what the person types at VerificationURI.
	UserCode        string
	VerificationURI string
	// VerificationURIComplete holds the user code already; it may be empty.
	VerificationURIComplete string
	// Interval is how long to wait between polls.
	Interval time.Duration
	Expiry   time.Time
}

const (
	defaultInterval = 5 * time.Second // RFC 8628 §3.2
	slowDown        = 5 * time.Second // §3.5
	maxDeviceLife   = time.Hour
)

// AuthorizeDevice asks for a device code.
func (c *Config) AuthorizeDevice(ctx context.Context, req Request) (*Device, error) {
	r, err := c.start(&req)
	if err != nil {
		return nil, err
	}
	if c.device == nil {
		return nil, errors.New("the connector has no device_url")
	}
	var std []param
	if p, ok := r.scopeParam(); ok {
		std = append(std, p)
	}
	a, err := c.device.exchange(ctx, r, std)
	if err != nil {
		return nil, err
	}
	return readDevice(a, r.now)
}

func readDevice(a *answer, now time.Time) (*Device, error) {
	get := func(names ...string) string {
		for _, name := range names {
			if s, ok := text(parsePath(name).find(a)); ok && s != "" {
				return s
			}
		}
		return ""
	}
	d := &Device{
		Code:                    secret.New(get("device_code")),
		UserCode:                get("user_code"),
		VerificationURI:         get("verification_uri", "verification_url"), // Google and Yandex write url
		VerificationURIComplete: get("verification_uri_complete", "verification_url_complete"),
		Interval:                defaultInterval,
	}
	if d.Code.IsZero() || d.UserCode == "" || !isWebURL(d.VerificationURI) {
		return nil, a.refuse("no device code, user code or verification URL in the answer")
	}
	if d.VerificationURIComplete != "" && !isWebURL(d.VerificationURIComplete) {
		d.VerificationURIComplete = ""
	}
	if n, err := parseSeconds(get("interval")); err == nil && n > 0 {
		d.Interval = min(n, time.Minute)
	}
	life := maxDeviceLife
	if n, err := parseSeconds(get("expires_in")); err == nil && n > 0 {
		life = min(n, maxDeviceLife)
	}
	d.Expiry = now.Add(life)
	return d, nil
}

// isWebURL keeps javascript: and the like away from people.
func isWebURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil
}

// pollDevice asks once whether the person has confirmed (RFC 8628 §3.4). Until
// then it returns an *Error for which Pending is true.
func pollDevice(ctx context.Context, r *run) (*Token, error) {
	if r.DeviceCode.IsZero() {
		return nil, ErrNeedsConsent
	}
	return r.ask(ctx, r.c.token, []param{
		{"grant_type", "urn:ietf:params:oauth:grant-type:device_code"},
		{"device_code", r.DeviceCode.Reveal()},
	})
}

// slowest is the longest pause between polls that slow_down and outages add up to.
const slowest = 2 * time.Minute

// Pending reports whether to ask again after err, and how long to wait from now on:
// the person has not decided yet, or the endpoint does not answer and is asked more
// slowly (RFC 8628 §3.5).
func Pending(err error, interval time.Duration) (wait time.Duration, pending bool) {
	e, ok := errors.AsType[*Error](err)
	switch {
	case !ok:
		return 0, false
	case e.Code == codePending:
		wait = max(interval, e.Interval)
	case e.Code == codeSlowDown:
		wait = interval + slowDown
		if e.Interval > interval { // GitHub says how long
			wait = e.Interval
		}
	case e.Temporary:
		wait = 2 * interval
	default:
		return 0, false
	}
	return min(wait, slowest), true
}
