// Package http1 is what requests and answers of HTTP/1.1 need beside the others: a
// body that may be framed in two ways, Expect, the upgrade to h2c, reason phrases, and the names of
// headers as services write them.
package http1

import (
	"net/http"
	"strings"
)

// WithoutH2C declines the upgrade to cleartext HTTP/2 that Java's client offers
// with its first request (RFC 7540 §3.2, gone from RFC 9113), alone or in a list.
// Passed on, it would be an upgrade that nobody here speaks, and past which
// nothing is looked at. It returns r itself where nothing is offered.
func WithoutH2C(r *http.Request) *http.Request {
	if !offersH2C(r.Header) {
		return r
	}
	without := *r
	without.Header = r.Header.Clone()
	for _, name := range []string{"Upgrade", "Http2-Settings", "Connection"} {
		delete(without.Header, name)
	}
	return &without
}

func offersH2C(h http.Header) bool {
	for _, v := range h["Upgrade"] {
		for p := range strings.SplitSeq(v, ",") {
			name, _, _ := strings.Cut(strings.TrimSpace(p), "/")
			if strings.EqualFold(name, "h2c") || strings.EqualFold(name, "h2") {
				return true
			}
		}
	}
	return false
}
