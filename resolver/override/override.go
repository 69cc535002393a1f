// Package override finds, in a body that passes, a field that frameworks take for the
// method: _method and its like in forms, parts and JSON (Rails, Laravel, Symfony,
// Express). Nothing is kept but the name that is being read.
package override

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/attache-proxy/attache/providers"
)

// ErrOverride is what a watched body ends with before such a field. The service then
// never gets a whole request.
var ErrOverride = errors.New("a field of the body overrides the method")

// ErrHidden means that the body is a form whose fields cannot be seen, ErrTypes
// that it may be one: it has several Content-Types, and readers differ.
var (
	ErrHidden = errors.New("whether this form overrides the method cannot be seen: it is compressed")
	ErrTypes  = errors.New("whether this body overrides the method cannot be seen: it has several types")
)

// Watch looks at the body of a request while it passes.
func Watch(out *http.Request) error {
	if out.Body == nil || out.Body == http.NoBody {
		return nil
	}
	if len(out.Header.Values("Content-Type")) > 1 {
		return ErrTypes
	}
	mediaType, params, err := mime.ParseMediaType(out.Header.Get("Content-Type"))
	var w fieldNames
	switch {
	case err != nil || mediaType == "application/x-www-form-urlencoded" || strings.Contains(mediaType, "urlencoded"):
		w = &formNames{} // without a type, frameworks try a form
	case strings.HasPrefix(mediaType, "multipart/"):
		if params["boundary"] == "" {
			return nil
		}
		w = &partNames{}
	case strings.HasSuffix(mediaType, "json"):
		w = &jsonNames{}
	default:
		return nil
	}
	if coding := strings.Join(out.Header.Values("Content-Encoding"), ", "); coding != "" && !strings.EqualFold(coding, "identity") {
		if _, isJSON := w.(*jsonNames); isJSON {
			return nil // what inflates JSON takes no method from it
		}
		return ErrHidden
	}
	out.Body = &watched{out.Body, w}
	if again := out.GetBody; again != nil {
		out.GetBody = func() (io.ReadCloser, error) {
			body, err := again()
			return &watched{body, w.fresh()}, err
		}
	}
	return nil
}

// fieldNames reads a body piece by piece and finds overriding fields.
type fieldNames interface {
	// overrides reports whether the piece has the end of such a field's name.
	overrides(piece []byte) bool
	fresh() fieldNames
}

// watched is a body that breaks off before an overriding field.
type watched struct {
	io.ReadCloser
	names fieldNames
}

func (b *watched) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 && b.names.overrides(p[:n]) {
		return 0, ErrOverride
	}
	return n, err
}

// maxFieldName is how much of a name is kept; longer ones override nothing.
const maxFieldName = 128

// name gathers one name.
type name struct {
	text [maxFieldName]byte
	n    int
}

func (m *name) add(c byte) {
	if m.n < len(m.text) {
		m.text[m.n] = c
	}
	m.n++
}

func (m *name) isMethod() bool {
	return m.n > 0 && m.n <= len(m.text) && providers.IsMethodParameter(string(m.text[:m.n]))
}

// formNames reads name=value&name=value.
type formNames struct {
	name    name
	inValue bool
}

func (f *formNames) fresh() fieldNames { return &formNames{} }

func (f *formNames) overrides(piece []byte) bool {
	for _, c := range piece {
		switch {
		case c == '&' || c == ';' || c == '\n' || c == '\r':
			f.name.n, f.inValue = 0, false
		case f.inValue:
		case c == '=':
			if f.name.isMethod() {
				return true
			}
			f.inValue = true
		default:
			f.name.add(c)
		}
	}
	return false
}

// jsonNames reads the names of members, at any depth.
type jsonNames struct {
	name    name
	inside  bool // of a string
	escape  int  // characters of an escape that follow
	code    rune
	pending bool // a string has ended; a colon makes it a name
}

func (j *jsonNames) fresh() fieldNames { return &jsonNames{} }

func (j *jsonNames) overrides(piece []byte) bool {
	for _, c := range piece {
		switch {
		case !j.inside:
			switch c {
			case '"':
				j.inside, j.pending, j.name.n = true, false, 0
			case ':':
				if j.pending && j.name.isMethod() {
					return true
				}
				j.pending = false
			case ' ', '\t', '\r', '\n':
			default:
				j.pending = false
			}
		case j.escape == 1 && c == 'u' && j.code < 0:
			j.escape, j.code = 4, 0
		case j.escape > 0 && j.code >= 0:
			j.code = j.code<<4 | rune(strings.IndexByte("0123456789abcdef", c|0x20)&15)
			if j.escape--; j.escape == 0 {
				j.name.add(byte(min(j.code, 0x7f)))
			}
		case j.escape == 1:
			j.escape = 0
			j.name.add(c)
		case c == '\\':
			j.escape, j.code = 1, -1
		case c == '"':
			j.inside, j.pending = false, true
		default:
			j.name.add(c)
		}
	}
	return false
}

// partNames reads the lines that name the parts of a multipart body.
type partNames struct {
	line [512]byte
	n    int
	head bool // the last line was a Content-Disposition: it may go on
}

func (m *partNames) fresh() fieldNames { return &partNames{} }

func (m *partNames) overrides(piece []byte) bool {
	for _, c := range piece {
		if c != '\n' {
			if m.n < len(m.line) {
				m.line[m.n] = c
			}
			m.n++
			continue
		}
		line := strings.ToLower(strings.TrimRight(string(m.line[:min(m.n, len(m.line))]), "\r"))
		m.n = 0
		m.head = strings.HasPrefix(line, "content-disposition") || m.head && (strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t"))
		if m.head && namesMethod(line) {
			return true
		}
	}
	return false
}

// namesMethod looks at a line's parameters called name or name*.
func namesMethod(line string) bool {
	for part := range strings.SplitSeq(strings.ReplaceAll(line, `\`, ""), ";") {
		key, value, ok := strings.Cut(part, "=")
		if key = strings.TrimSpace(key); !ok || key != "name" && !strings.HasPrefix(key, "name*") {
			continue
		}
		value = strings.Trim(strings.TrimSpace(value), `"' `)
		if i := strings.LastIndex(value, "''"); i >= 0 {
			value = value[i+2:]
		}
		if providers.IsMethodParameter(value) {
			return true
		}
	}
	return false
}
