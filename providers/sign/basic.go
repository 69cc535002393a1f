package sign

import (
	"bytes"
	"encoding/base64"
	"net/http"

	"github.com/attache-proxy/attache/providers/expr"
)

// basic is HTTP Basic (RFC 7617 §2).
type basic struct {
	username, password *expr.Template
	pair               *expr.Origin // of both together
}

func (b *basic) place(r *http.Request, in *Input) error {
	var room [256]byte
	plain, err := in.append("header", "Authorization", room[:0], b.username, nil)
	if err != nil {
		return explain("basic username", err)
	}
	if bytes.IndexByte(plain, ':') >= 0 {
		return cannot("basic username: it holds a colon, which HTTP Basic cannot carry")
	}
	plain = append(plain, ':')
	plain, err = in.append("header", "Authorization", plain, b.password, nil)
	if err != nil {
		return explain("basic password", err)
	}
	if hasControl(plain) {
		return cannot("basic: the user name or password holds a control character")
	}
	var coded [6 + 344]byte
	out := append(coded[:0], "Basic "...)
	out = base64.StdEncoding.AppendEncode(out, plain)
	v := string(out)
	r.Header["Authorization"] = []string{v}
	in.note(Placed{"header", "Authorization", expr.Use{Text: v[len("Basic "):], Lead: "Basic ", Origin: b.pair}})
	return nil
}

func (b *basic) places(p *Places) { p.Headers = append(p.Headers, "Authorization") }
func (b *basic) needsBody() bool  { return b.username.NeedsBody() || b.password.NeedsBody() }
