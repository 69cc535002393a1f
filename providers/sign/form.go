package sign

import (
	"errors"
	"net/http"
	"strings"

	"github.com/attache-proxy/attache/providers/expr"
)

const formType = "application/x-www-form-urlencoded"

// form sets one field of a form body. The bytes and the order of the other
// fields stay; ours comes last.
type form struct {
	name  string
	value *expr.Template
}

func newForm(name string, t *expr.Template) (placer, error) {
	if name == "" {
		return nil, errors.New("want a field name")
	}
	return &form{name, t}, nil
}

func (f *form) place(r *http.Request, in *Input) error {
	body, err := editable(r, in, formType, isForm)
	if err != nil {
		return err
	}
	rest := expr.QueryWithoutFold(string(body), f.name)
	out := make([]byte, 0, len(rest)+len(f.name)+128)
	out = append(out, rest...)
	if len(out) > 0 && !strings.HasSuffix(rest, "&") {
		out = append(out, '&')
	}
	out = append(percent(out, f.name), '=')
	out, err = in.append("form", f.name, out, f.value, percent)
	if err != nil {
		return explain("form field "+f.name, err)
	}
	if r.Header.Get("Content-Type") == "" {
		r.Header["Content-Type"] = []string{formType}
	}
	setBody(r, in, out)
	return nil
}

func (f *form) present(r *http.Request, in *Input) (bool, error) {
	body, err := editable(r, in, formType, isForm)
	return hasParam(string(body), f.name), err
}

func (f *form) places(p *Places) { p.Form = append(p.Form, f.name) }
func (f *form) needsBody() bool  { return true }

func isForm(mediaType string) bool { return mediaType == formType }
