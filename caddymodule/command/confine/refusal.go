package confine

import (
	"bytes"
	"fmt"
)

// recordTypeHandshake is the first byte of a TLS connection (RFC 8446 §5.1).
const recordTypeHandshake = 0x16

// refusal is a connection that is not passed on, and why.
type refusal struct{ code, why string }

func (r *refusal) Error() string { return r.code + ": " + r.why }

// told is what a client is sent: an alert of TLS, an answer of HTTP, a line before the
// greeting of SSH (RFC 4253 §4.2) or instead of that of SMTP.
func (r *refusal) told(port uint16, said []byte) []byte {
	switch {
	case len(said) > 0 && said[0] == recordTypeHandshake:
		return []byte{0x15, 3, 3, 0, 2, 2, 49} // fatal, access_denied
	case port == 25 || port == 465 || port == 587:
		return fmt.Appendf(nil, "554 attache: %s\r\n", r.why)
	case speaksHTTP(said) || len(said) == 0 && (port == 80 || port == 8080):
		return fmt.Appendf(nil, "HTTP/1.1 403 attache: %s\r\nAttache-Error: %[1]s\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s\n", r.code, len(r.why)+1, r.why)
	case port == 443 || port == 853:
		return []byte{0x15, 3, 3, 0, 2, 2, 49}
	}
	return fmt.Appendf(nil, "attache: %s\r\n", r.why)
}

// speaksHTTP reports that a client began with a method.
func speaksHTTP(said []byte) bool {
	method, _, ok := bytes.Cut(said, []byte(" "))
	return ok && len(method) > 2 && len(method) < 12 && bytes.Equal(method, bytes.ToUpper(method)) && method[0] >= 'A' && method[0] <= 'Z'
}
