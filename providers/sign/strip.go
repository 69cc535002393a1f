package sign

import (
	"net/http"
	"strings"
)

// Strip removes from r what stands in the places p, so that nothing of the
// agent's own remains beside what a Signer writes. Parameters of the query are
// found however their names are encoded, and the bytes of the others stay.
//
// Form fields and JSON members are not removed here but by the Signer, which
// has the body.
func Strip(r *http.Request, p Places) {
	for _, name := range p.Headers {
		delete(r.Header, http.CanonicalHeaderKey(name))
	}
	if len(p.Headers) > 0 {
		stripOddCase(r.Header, p.Headers)
	}
	for _, name := range p.Query {
		r.URL.RawQuery = without(r.URL.RawQuery, name)
	}
	for _, name := range p.Cookies {
		stripCookie(r.Header, name)
	}
}

// stripOddCase removes headers that were not stored in canonical case.
func stripOddCase(h http.Header, names []string) {
	for key := range h {
		for _, name := range names {
			if len(key) == len(name) && strings.EqualFold(key, name) {
				delete(h, key)
			}
		}
	}
}
