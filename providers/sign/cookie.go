package sign

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/attache-proxy/attache/providers/expr"
)

// cookie sets one cookie among the agent's others.
type cookie struct {
	name  string
	value *expr.Template
}

func newCookie(name string, t *expr.Template) (placer, error) {
	if !isToken(name) {
		return nil, fmt.Errorf("%q: want a cookie name", name)
	}
	return &cookie{name, t}, nil
}

func (c *cookie) place(r *http.Request, in *Input) error {
	v, err := in.eval("cookie", c.name, c.value)
	if err != nil {
		return explain("cookie "+c.name, err)
	}
	if hasControl(v) || strings.ContainsAny(v, ";") {
		return cannot("cookie %s: the value holds a semicolon or a control character", c.name)
	}
	stripCookie(r.Header, c.name)
	line := c.name + "=" + v
	if old := r.Header["Cookie"]; len(old) > 0 {
		line = strings.Join(old, "; ") + "; " + line
	}
	r.Header["Cookie"] = []string{line}
	return nil
}

func (c *cookie) present(r *http.Request, _ *Input) (bool, error) {
	_, err := r.Cookie(c.name)
	return err == nil, nil
}

func (c *cookie) places(p *Places) { p.Cookies = append(p.Cookies, c.name) }
func (c *cookie) needsBody() bool  { return c.value.NeedsBody() }

// stripCookie removes the cookies called name. Names tell case apart (RFC 6265
// §5.4); the bytes of the others stay.
func stripCookie(h http.Header, name string) {
	var kept []string
	changed := false
	for _, line := range h["Cookie"] {
		if !strings.Contains(line, name) {
			kept = append(kept, line)
			continue
		}
		var pairs []string
		for pair := range strings.SplitSeq(line, ";") {
			n, _, _ := strings.Cut(pair, "=")
			if strings.TrimSpace(n) == name {
				changed = true
				continue
			}
			pairs = append(pairs, strings.TrimSpace(pair))
		}
		if len(pairs) > 0 {
			kept = append(kept, strings.Join(pairs, "; "))
		}
	}
	switch {
	case !changed:
	case len(kept) == 0:
		delete(h, "Cookie")
	default:
		h["Cookie"] = kept
	}
}
