package sign

import (
	"encoding/json"
	"mime"
	"net/http"
	"slices"
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
	DropHeaders(r.Header, p.Headers)
	if len(p.Query) > 0 {
		r.URL.RawQuery = expr.QueryWithoutFold(r.URL.RawQuery, p.Query...)
	}
	for _, name := range p.Cookies {
		stripCookie(r.Header, name)
	}
}

// DropHeaders removes headers, in whatever spelling CGI, WSGI and their like take
// for theirs: X-Api-Key, x-api-key, X_Api_Key, X.Api-Key.
func DropHeaders(h http.Header, names []string) {
	for _, name := range names {
		delete(h, name)
	}
	for key := range h {
		if IsNamed(key, names) {
			delete(h, key)
		}
	}
}

// IsNamed reports whether a header is one of those named, in any such spelling.
func IsNamed(header string, names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return len(name) == len(header) && sameWords(name, header) })
}

// sameWords compares names of the same length: letters of either case, digits, and
// between them whatever there is.
func sameWords(a, b string) bool {
	for i := range len(a) {
		if a[i] != b[i] && folded(a[i]) != folded(b[i]) {
			return false
		}
	}
	return true
}

// folded is a letter in lower case, a digit, or - for anything else.
func folded(c byte) byte {
	switch {
	case c >= 'A' && c <= 'Z':
		return c | 0x20
	case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
		return c
	}
	return '-'
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
