package oauth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/attache-proxy/attache/providers/expr"
)

// param is a parameter of a request: a string, or a JSON value.
type param struct {
	name  string
	value any
}

// request builds the HTTP request. std are the grant type's own parameters;
// the step's may rename, drop, replace and add.
func (c *step) request(ctx context.Context, v *expr.Vars, std []param, sign signAssertion) (*http.Request, error) {
	u, err := c.url.eval(v, false)
	if err != nil {
		return nil, err
	}
	header := http.Header{"Accept": {c.response.accept()}, "User-Agent": {"attache"}}
	proof, err := c.auth.apply(v, u, header, sign)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.key, err)
	}
	params := c.renamed(append(slices.Clone(std), proof...))
	if params, err = c.added(params, v); err != nil {
		return nil, err
	}
	body, err := c.encode(u, params, v)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, c.method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%s: %w: check the URL", c.key, errURL)
	}
	if c.method == http.MethodGet {
		// net/http repeats a GET without a body by itself when a kept connection dies.
		// A rotating refresh token must not be sent twice.
		req.Body, req.GetBody = io.NopCloser(bytes.NewReader(nil)), nil
	}
	if c.media != "" {
		header.Set("Content-Type", c.media)
	}
	req.Header = header
	if err := c.setHeaders(req, v); err != nil || c.finish == nil {
		return req, err
	}
	return req, c.finish(req)
}

// renamed applies rename and drop to the standard parameters.
func (c *step) renamed(std []param) []param {
	out := std[:0]
	for _, p := range std {
		if slices.Contains(c.drop, p.name) {
			continue
		}
		if to := c.rename[p.name]; to != "" {
			p.name = to
		}
		out = append(out, p)
	}
	return out
}

// added adds the step's own parameters, which replace others of their name.
func (c *step) added(params []param, v *expr.Vars) ([]param, error) {
	for _, name := range slices.Sorted(maps.Keys(c.params)) {
		bare, optional := strings.CutSuffix(name, "?")
		value, err := c.params[name].eval(v)
		var missing *expr.MissingError
		switch {
		case optional && errors.As(err, &missing):
			continue
		case err != nil:
			return nil, fmt.Errorf("%s: parameter %s: %w", c.key, bare, err)
		}
		i := slices.IndexFunc(params, func(p param) bool { return p.name == bare })
		if i < 0 {
			params = append(params, param{bare, value})
		} else {
			params[i].value = value
		}
	}
	return params, nil
}

// encode puts the parameters into the URL or returns them as a body.
func (c *step) encode(u *url.URL, params []param, v *expr.Vars) ([]byte, error) {
	for _, name := range slices.Sorted(maps.Keys(c.query)) {
		value, err := c.query[name].Eval(v)
		if err != nil {
			return nil, fmt.Errorf("%s: query %s: %w", c.key, name, err)
		}
		addQuery(u, name, value)
	}
	switch c.encoding {
	case inBody:
		return c.body.Append(nil, v, escapeXML)
	case inJSON:
		return encodeJSON(params)
	case inQuery:
		for _, p := range params {
			addQuery(u, p.name, fmt.Sprint(p.value))
		}
		return nil, nil
	}
	form := &url.URL{}
	for _, p := range params {
		addQuery(form, p.name, fmt.Sprint(p.value))
	}
	return []byte(form.RawQuery), nil
}

// addQuery appends one parameter and leaves what is there as it is.
func addQuery(u *url.URL, name, value string) {
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += url.QueryEscape(name) + "=" + url.QueryEscape(value)
}

func encodeJSON(params []param) ([]byte, error) {
	object := make(map[string]any, len(params))
	for _, p := range params {
		switch before, twice := object[p.name]; {
		case !twice:
			object[p.name] = p.value
		default: // token exchange may name several audiences
			list, ok := before.([]any)
			if !ok {
				list = []any{before}
			}
			object[p.name] = append(list, p.value)
		}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(object); err != nil {
		return nil, errors.New("encoding the JSON body failed")
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func (c *step) setHeaders(req *http.Request, v *expr.Vars) error {
	for name, t := range c.headers {
		bare, optional := strings.CutSuffix(name, "?")
		value, err := t.Eval(v)
		var missing *expr.MissingError
		switch {
		case optional && errors.As(err, &missing):
			continue
		case err != nil:
			return fmt.Errorf("%s: header %s: %w", c.key, bare, err)
		case strings.ContainsAny(value, "\r\n\x00"):
			return fmt.Errorf("%s: header %s: the value has a line break in it", c.key, bare)
		}
		req.Header.Set(bare, value)
	}
	return nil
}
