package sign

import (
	"encoding/json"
	"mime"
	"net/http"
	"strings"

	"github.com/attache-proxy/attache/providers/expr"
)

// Strip removes from r what stands in the places p, so that nothing of the
// agent's own remains beside what a Signer writes. Parameters of the query are
// found however their names are encoded and in any case of letters, and the
// bytes of the others stay.
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
	if len(p.Query) > 0 {
		r.URL.RawQuery = expr.QueryWithoutFold(r.URL.RawQuery, p.Query...)
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

// stripBody removes the form fields or JSON members p from the body, when it is
// a form or JSON object and has them.
func stripBody(r *http.Request, in *Input, p Places) error {
	if in.Body == nil || len(p.Form)+len(p.JSON) == 0 {
		return nil
	}
	mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case isForm(mediaType) && len(p.Form) > 0:
		body, err := in.Body.Bytes()
		if err != nil {
			return err
		}
		if rest := expr.QueryWithoutFold(string(body), p.Form...); len(rest) != len(body) {
			setBody(r, in, []byte(rest))
		}
	case isJSON(mediaType) && len(p.JSON) > 0:
		body, err := in.Body.Bytes()
		if err != nil || !json.Valid(body) {
			return err
		}
		rest := body
		for _, name := range p.JSON {
			rest = removeMember(rest, strings.Split(name, "."))
		}
		if len(rest) != len(body) {
			setBody(r, in, rest)
		}
	}
	return nil
}
