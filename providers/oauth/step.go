package oauth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/attache-proxy/attache/providers/expr"
)

// step is one request to an endpoint, compiled: how it is written and how its
// answer is read. Every grant type fills one.
type step struct {
	key      string // what the Spec calls it, for errors
	method   string
	url      *endpoint
	encoding encoding
	media    string // Content-Type; empty without a body
	auth     clientAuth
	headers  map[string]*expr.Template
	query    map[string]*expr.Template
	params   map[string]*tree
	body     *expr.Template
	rename   map[string]string
	drop     []string
	response *response
	// finish signs the finished request, where a service wants that; it may be nil.
	finish func(*http.Request) error
}

// encoding is where the parameters of a request go.
type encoding int

const (
	inForm encoding = iota
	inJSON
	inQuery
	inBody // a body of the step's own, no parameters
)

// encodings are the words of content_type.
var encodings = map[string]encoding{
	"":                                  inForm,
	"form":                              inForm,
	"application/x-www-form-urlencoded": inForm,
	"json":                              inJSON,
	"application/json":                  inJSON,
	"query":                             inQuery,
}

// compileStep compiles s, whose URL is allowed to be plain HTTP with allowHTTP.
func compileStep(key string, s StepSpec, allowHTTP bool) (*step, error) {
	if s.Get != "" {
		if s.URL != "" || s.Method != "" {
			return nil, fmt.Errorf("%s: get says both url and method; leave these out", key)
		}
		s.URL, s.Method, s.Auth = s.Get, http.MethodGet, or(s.Auth, "bearer")
	}
	if s.Pick != nil {
		if s.Response.Capture != nil {
			return nil, fmt.Errorf("%s: pick and response.capture are the same; leave one out", key)
		}
		s.Response.Capture = s.Pick
	}
	c := &step{key: key, method: strings.ToUpper(s.Method), rename: s.Rename, drop: s.Drop}
	if c.method == "" {
		c.method = http.MethodPost
	}
	if !slices.Contains([]string{"GET", "POST", "PUT", "PATCH", "DELETE"}, c.method) {
		return nil, fmt.Errorf("%s: method %q is not one of GET, POST, PUT, PATCH, DELETE", key, s.Method)
	}
	err := errors.Join(c.compileURL(s, allowHTTP), c.compileEncoding(s), c.compileTemplates(s))
	if err != nil {
		return nil, err
	}
	if c.response, err = compileResponse(key, s.Response); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *step) compileURL(s StepSpec, allowHTTP bool) (err error) {
	if s.URL == "" {
		return fmt.Errorf("%s is missing: say where to send the request, https://HOST/PATH", c.urlKey())
	}
	c.url, err = parseEndpoint(c.urlKey(), s.URL, allowHTTP)
	return err
}

// urlKey is the key under which the step's URL stands in the Spec.
func (c *step) urlKey() string {
	if strings.Contains(c.key, "[") {
		return c.key + ".url"
	}
	return c.key + "_url"
}

func (c *step) compileEncoding(s StepSpec) error {
	var ok bool
	if c.auth, ok = clientAuths[s.Auth]; !ok {
		return fmt.Errorf("%s: client authentication %q is not one of %s", c.key, s.Auth, words(clientAuths))
	}
	if s.Body != "" {
		c.encoding, c.media = inBody, s.ContentType
		if len(s.Params) > 0 || c.auth == authPost || !strings.Contains(s.ContentType, "/") {
			return fmt.Errorf("%s: a body stands for itself: it takes a media type such as text/xml as content_type, no params, and no client authentication inside", c.key)
		}
		return nil
	}
	if c.encoding, ok = encodings[s.ContentType]; !ok {
		return fmt.Errorf("%s: content_type %q is not one of %s", c.key, s.ContentType, words(encodings))
	}
	if c.method == http.MethodGet {
		if c.encoding == inJSON {
			return fmt.Errorf("%s: a GET has no JSON body; use content_type query or method POST", c.key)
		}
		c.encoding = inQuery
	}
	switch c.encoding {
	case inForm:
		c.media = "application/x-www-form-urlencoded"
	case inJSON:
		c.media = "application/json"
	}
	return nil
}

func (c *step) compileTemplates(s StepSpec) (err error) {
	if c.headers, err = compileMap(c.key+": header", s.Headers); err != nil {
		return err
	}
	for name := range s.Headers {
		if !validHeaderName(name) {
			return fmt.Errorf("%s: %q is not a header name", c.key, name)
		}
	}
	if c.query, err = compileMap(c.key+": query", s.Query); err != nil {
		return err
	}
	if c.params, err = compileParams(c.key, s.Params, c.encoding == inJSON); err != nil {
		return err
	}
	if s.Body != "" {
		if c.body, err = expr.Compile(s.Body); err != nil {
			return fmt.Errorf("%s: body: %w", c.key, err)
		}
	}
	return nil
}

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

// host is the endpoint's host as the Spec writes it, for errors.
func (c *step) host() string { return c.url.origin.String() }
