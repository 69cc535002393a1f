package oauth

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// maxLifetime is what longer lifetimes are cut to: a number as large as that
// means "for ever", and time.Duration must not overflow.
const maxLifetime = 10 * 365 * 24 * time.Hour

// errExpiry says what an expiry must look like; it never quotes the answer's.
var errExpiry = errors.New("its expiry is not a number of seconds, or what the connector declares")

// units are the words of response.expires_unit that scale a number.
var units = map[string]time.Duration{
	"": time.Second, "s": time.Second, "ms": time.Millisecond, "min": time.Minute, "h": time.Hour,
	"hms": 0, "rfc3339": 0,
}

// expiry is when the token of an answer ends; zero when the answer does not say
// and the connector declares no lifetime.
func (p *response) expiry(a *answer, now time.Time) (time.Time, error) {
	if v := p.expiresAt.find(a); v != nil {
		return p.absolute(v, now)
	}
	v := p.expiresIn.find(a)
	if v == nil {
		return p.ownExpiry(a, now)
	}
	s, ok := text(v)
	if _, isBool := v.(bool); !ok || isBool {
		return time.Time{}, errExpiry
	}
	d, err := p.relative(s)
	switch {
	case err != nil:
		return time.Time{}, err
	case d == 0 && p.zeroNever:
		return time.Time{}, nil
	case d <= 0:
		return time.Time{}, fmt.Errorf("it has expired already: expires_in is 0 or less; if 0 means never, declare response.expires_zero: never")
	}
	return now.Add(d), nil
}

// ownExpiry is for answers that do not say: the lifetime that the connector
// declares, and not beyond the exp of an access token that is a JWT (RFC 9068).
func (p *response) ownExpiry(a *answer, now time.Time) (time.Time, error) {
	var end time.Time
	if p.lifetime > 0 {
		end = now.Add(p.lifetime)
	}
	access, err := secretText(p.accessToken.find(a))
	if err != nil {
		return end, nil // the caller says so
	}
	exp, ok := jwtExpiry(access.Reveal())
	switch {
	case !ok:
		return end, nil
	case !exp.After(now):
		return end, errors.New("it is a JWT that has expired already")
	case end.IsZero():
		return earlier(exp, now.Add(maxLifetime)), nil
	}
	return earlier(end, exp), nil
}

// jwtExpiry reads exp of a signed JWT. The signature is not ours to check: the
// token came from its own issuer, and a wrong exp harms nobody else.
func jwtExpiry(token string) (time.Time, bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}, false
	}
	var header struct {
		Alg string `json:"alg"`
	}
	var claims struct {
		Exp *json.Number `json:"exp"`
	}
	for i, into := range []any{&header, &claims} {
		raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[i], "="))
		if err != nil || json.Unmarshal(raw, into) != nil {
			return time.Time{}, false
		}
	}
	if header.Alg == "" || claims.Exp == nil {
		return time.Time{}, false
	}
	n, err := number(claims.Exp.String())
	if err != nil || n <= 0 || n > 32503680000 { // no seconds: not what it claims to be
		return time.Time{}, false
	}
	return time.Unix(int64(n), 0), true
}

func (p *response) relative(s string) (time.Duration, error) {
	if p.unit == "hms" { // Tableau's "240:00:00"
		parts := strings.Split(s, ":")
		if len(parts) != 3 {
			return 0, errExpiry
		}
		sum := 0.0
		for _, part := range parts {
			n, err := strconv.ParseUint(part, 10, 31)
			if err != nil {
				return 0, errExpiry
			}
			sum = sum*60 + float64(n)
		}
		return scale(sum, time.Second), nil
	}
	n, err := number(s)
	if err != nil {
		return 0, err
	}
	unit := units[p.unit]
	if unit == 0 {
		unit = time.Second
	}
	return scale(n, unit), nil
}

// absolute reads a time since 1970, or RFC 3339. A number too large for seconds
// of this millennium's first thousand years is milliseconds, unless the unit is declared.
func (p *response) absolute(v any, now time.Time) (time.Time, error) {
	s, ok := text(v)
	if !ok {
		return time.Time{}, errExpiry
	}
	var at time.Time
	if n, err := number(s); err == nil && p.unit != "rfc3339" {
		unit := time.Second
		if p.unit == "ms" || p.unit == "" && n > 32503680000 {
			unit = time.Millisecond
		}
		at = time.Unix(0, 0).Add(time.Duration(min(n*float64(unit), math.MaxInt64/2)))
	} else if at, err = parseTime(s); err != nil {
		return time.Time{}, errExpiry
	}
	if !at.After(now) {
		return time.Time{}, errors.New("it has expired already")
	}
	return earlier(at, now.Add(maxLifetime)), nil
}

// parseTime reads RFC 3339 and its cousins without a zone or with +0000, in UTC
// when they do not say.
func parseTime(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05", "2006-01-02 15:04:05", time.RFC1123} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errExpiry
}

// number parses what JSON or a string calls a number; no NaN, no infinity, no hex.
func number(s string) (float64, error) {
	s = strings.TrimSpace(s)
	if s == "" || strings.Trim(s, "0123456789.eE+-") != "" {
		return 0, errExpiry
	}
	n, err := strconv.ParseFloat(s, 64)
	if errors.Is(err, strconv.ErrRange) {
		return math.Copysign(math.MaxInt64, n), nil
	}
	if err != nil {
		return 0, errExpiry
	}
	return n, nil
}

func scale(n float64, unit time.Duration) time.Duration {
	if n > float64(maxLifetime)/float64(unit) {
		return maxLifetime
	}
	return time.Duration(n * float64(unit))
}

func parseSeconds(s string) (time.Duration, error) {
	n, err := number(s)
	if err != nil || n < 0 {
		return 0, errExpiry
	}
	return scale(n, time.Second), nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
