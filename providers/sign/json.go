package sign

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/attache-proxy/attache/providers/expr"
)

// jsonMember sets one member of a JSON body. All other bytes stay, numbers
// included.
type jsonMember struct {
	path  []string
	value *expr.Template
}

func newJSON(name string, t *expr.Template) (placer, error) {
	path := strings.Split(name, ".")
	for _, p := range path {
		if p == "" {
			return nil, fmt.Errorf("%q: want member names joined by dots, such as auth.key", name)
		}
	}
	return &jsonMember{path, t}, nil
}

func (m *jsonMember) place(r *http.Request, in *Input) error {
	body, err := editable(r, in, "application/json", isJSON)
	if err != nil {
		return err
	}
	v, err := in.eval("json", m.path[len(m.path)-1], m.value)
	if err != nil {
		return explain("JSON member "+strings.Join(m.path, "."), err)
	}
	if !m.value.Numeric() {
		v = expr.QuoteJSON(v)
	}
	out, err := setMember(body, m.path, v)
	if err != nil {
		return err
	}
	if r.Header.Get("Content-Type") == "" {
		r.Header["Content-Type"] = []string{"application/json"}
	}
	setBody(r, in, out)
	return nil
}

func (m *jsonMember) present(r *http.Request, in *Input) (bool, error) {
	body, err := editable(r, in, "application/json", isJSON)
	if err != nil || !json.Valid(body) {
		return false, err
	}
	for _, name := range m.path {
		obj, ok := parseObject(body)
		if !ok {
			return false, nil
		}
		if body, ok = obj.last(name); !ok {
			return false, nil
		}
	}
	return true, nil
}

func (m *jsonMember) places(p *Places) { p.JSON = append(p.JSON, strings.Join(m.path, ".")) }
func (m *jsonMember) needsBody() bool  { return true }

func isJSON(mediaType string) bool {
	return mediaType == "application/json" || strings.HasSuffix(mediaType, "+json") || mediaType == "text/json"
}
