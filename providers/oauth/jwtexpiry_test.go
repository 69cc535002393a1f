package oauth

import (
	"encoding/base64"
	"fmt"
	"testing"
	"time"
)

// A token that says itself when it ends, ends then.
func TestJWTExpiry(t *testing.T) {
	at := time.Now().Add(time.Hour).Truncate(time.Second)
	jwt := func(header, claims string) string {
		e := base64.RawURLEncoding
		return e.EncodeToString([]byte(header)) + "." + e.EncodeToString([]byte(claims)) + ".c2ln"
	}
	good := fmt.Sprintf(`{"exp":%d}`, at.Unix())
	for token, want := range map[string]bool{
		jwt(`{"alg":"RS256"}`, good): true, jwt(`{"alg":"RS256"}`, fmt.Sprintf(`{"exp":%d.0}`, at.Unix())): true,
		jwt(`{"alg":"RS256"}`, `{"exp":"soon"}`): false, jwt(`{"alg":"RS256"}`, `{}`): false, jwt(`{"alg":"RS256"}`, `{"exp":-1}`): false, jwt(`{"alg":"RS256"}`, `{"exp":1e30}`): false,
		jwt(`{}`, good): false, jwt(`x`, good): false, "a.b": false, "opaque": false, "a.b.c": false, "": false,
	} {
		got, ok := jwtExpiry(token)
		if ok != want || ok && !got.Equal(at) {
			t.Errorf("jwtExpiry(%s) = %v, %v; want %v", token, got, ok, want)
		}
	}
	for name, c := range map[string]struct {
		lifetime time.Duration
		exp      time.Time
		want     time.Time
		fails    bool
	}{
		"no lifetime":        {0, at, at, false},
		"a longer lifetime":  {9 * time.Hour, at, at, false},
		"a shorter lifetime": {time.Minute, at, time.Time{}, false},
		"over":               {0, at.Add(-2 * time.Hour), time.Time{}, true},
	} {
		now := time.Now()
		if c.lifetime == time.Minute {
			c.want = now.Add(time.Minute)
		}
		p := &response{accessToken: parsePath("access_token"), expiresIn: parsePath("expires_in"), lifetime: c.lifetime}
		a := &answer{tree: map[string]any{"access_token": jwt(`{"alg":"ES256"}`, fmt.Sprintf(`{"exp":%d}`, c.exp.Unix()))}}
		got, err := p.expiry(a, now)
		if (err != nil) != c.fails || err == nil && !got.Equal(c.want) {
			t.Errorf("%s: %v, %v; want %v", name, got, err, c.want)
		}
	}
}
