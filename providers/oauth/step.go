package oauth

import (
	"errors"
	"fmt"
	"net/http"
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
	// guarded steps carry what goes only where secret.FixedHosts says.
	guarded bool
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

// step compiles s; key names it in errors.
func (k *compiler) step(key string, s StepSpec) (*step, error) {
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
	k.guarded = false
	err := errors.Join(c.compileURL(k, s), c.compileEncoding(s), c.compileTemplates(k, s))
	if err != nil {
		return nil, err
	}
	// Only a link of a chain may do without: the others are token requests.
	c.guarded = k.guarded || !strings.Contains(key, "[") || c.auth != authOff && c.auth != authBearer && c.auth != authNone
	if c.response, err = compileResponse(key, s.Response); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *step) compileURL(k *compiler, s StepSpec) (err error) {
	if s.URL == "" {
		return fmt.Errorf("%s is missing: say where to send the request, https://HOST/PATH", c.urlKey())
	}
	c.url, err = k.endpoint(c.urlKey(), s.URL)
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
		if c.auth == authDefault {
			c.auth = authHeader // the body has no place for it
		}
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

func (c *step) compileTemplates(k *compiler, s StepSpec) (err error) {
	if c.headers, err = k.named(c.key+": header", s.Headers); err != nil {
		return err
	}
	for name := range s.Headers {
		if !validHeaderName(name) {
			return fmt.Errorf("%s: %q is not a header name", c.key, name)
		}
	}
	if c.query, err = k.named(c.key+": query", s.Query); err != nil {
		return err
	}
	if c.params, err = k.params(c.key, s.Params, c.encoding == inJSON); err != nil {
		return err
	}
	if s.Body != "" {
		if c.body, err = k.template(s.Body); err != nil {
			return fmt.Errorf("%s: body: %w", c.key, err)
		}
	}
	return nil
}
