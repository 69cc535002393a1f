// Package http1 is what requests and answers of HTTP/1.1 need beside the others: a
// body that may be framed in two ways, Expect, the upgrade to h2c, reason phrases, and the names of
// headers as services write them.
package http1

import (
	"net/http"
	"strings"
)

// DropH2C declines the upgrade to cleartext HTTP/2 that Java's client offers
// with its first request (RFC 7540 §3.2, gone from RFC 9113), alone or in a list.
// Passed on, it would be an upgrade that nobody here speaks, and past which
// nothing is looked at.
func DropH2C(h http.Header) {
	offered := false
	for _, v := range h["Upgrade"] {
		for p := range strings.SplitSeq(v, ",") {
			name, _, _ := strings.Cut(strings.TrimSpace(p), "/")
			offered = offered || strings.EqualFold(name, "h2c") || strings.EqualFold(name, "h2")
		}
	}
	if !offered {
		return
	}
	for _, name := range []string{"Upgrade", "Http2-Settings", "Connection"} {
		delete(h, name)
	}
}
