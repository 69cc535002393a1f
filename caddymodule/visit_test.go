package caddymodule

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// Doors leave the request as it came; the rest of the route gets the service's URL,
// with its escapes.
func TestDoorsLeaveTheRequest(t *testing.T) {
	for _, c := range []struct {
		door, sent, routed string
		edit               func(v *visit) error
	}{
		{"forward", "http://api.example/a%2Fb?q=%20", "/a%2Fb?q=%20", func(v *visit) error { v.clearOrigin(); return nil }},
		{"forward without a path", "http://user@api.example?q", "/?q", func(v *visit) error { v.clearOrigin(); return nil }},
		{"path", "/hub/a%2Fb?q=1", "/a%2Fb?q=1", func(v *visit) error { return take(v, "localhost") }},
		{"path, absolute", "http://localhost/hub:work/a?q", "/a?q", func(v *visit) error { v.clearOrigin(); return take(v, "localhost") }},
		{"host", "/a%2Fb", "/a%2Fb", func(v *visit) error { return take(v, "hub.localhost") }},
	} {
		r := httptest.NewRequest(http.MethodGet, c.sent, nil)
		u, uri := *r.URL, r.RequestURI
		v := &visit{r: r, url: *r.URL}
		if err := c.edit(v); err != nil {
			t.Fatal(err)
		}
		if *r.URL != u || r.RequestURI != uri {
			t.Errorf("%s: %s has become %s (%s)", c.door, c.sent, r.URL, r.RequestURI)
		}
		if v.route(); r.RequestURI != c.routed || r.URL.String() != c.routed {
			t.Errorf("%s: %s goes on as %s (%s), want %s", c.door, c.sent, r.URL, r.RequestURI, c.routed)
		}
	}
}

func take(v *visit, host string) error { _, err := v.takeConnector(host); return err }
