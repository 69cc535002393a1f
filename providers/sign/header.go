package sign

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/attache-proxy/attache/providers/expr"
)

// header sets one header, replacing what is there.
type header struct {
	name  string // canonical
	value *expr.Template
}

// framing are headers that say how the message travels; setting them would
// break it or let one request become two.
var framing = []string{"Host", "Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive",
	"Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Upgrade"}

func newHeader(name string, t *expr.Template) (placer, error) {
	if !isToken(name) {
		return nil, fmt.Errorf("%q: want a header name (letters, digits, -)", name)
	}
	name = http.CanonicalHeaderKey(name)
	if slices.Contains(framing, name) {
		return nil, fmt.Errorf("%s: this header belongs to the connection and cannot be placed", name)
	}
	return &header{name, t}, nil
}

func (h *header) place(r *http.Request, in *Input) error {
	v, err := in.eval("header", h.name, h.value)
	if err != nil {
		return explain("header "+h.name, err)
	}
	if hasControl(v) {
		return cannot("header %s: the value holds a line break or another control character", h.name)
	}
	r.Header[h.name] = []string{v}
	return nil
}

func (h *header) present(r *http.Request, _ *Input) (bool, error) {
	return len(r.Header[h.name]) > 0, nil
}

func (h *header) places(p *Places) { p.Headers = append(p.Headers, h.name) }
func (h *header) needsBody() bool  { return h.value.NeedsBody() }

// isToken reports whether s is a token of RFC 9110 §5.6.2.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// hasControl reports whether s holds a byte that RFC 9110 §5.5 keeps out of
// field values (controls other than tab).
func hasControl[S string | []byte](s S) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return true
		}
	}
	return false
}
