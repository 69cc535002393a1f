package oauth

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/attache-proxy/attache/providers/expr"
	"github.com/attache-proxy/attache/providers/oauth/spec"
)

// endpoint is a URL whose parts are templates. They are kept apart, so that a
// value from outside stays in its part: a host takes only host characters, and
// what enters the path or the query is encoded.
type endpoint struct {
	key       string         // the Spec's key, for errors
	scheme    string         // empty when origin brings it
	origin    *expr.Template // authority, or the whole origin when scheme is empty
	path      *expr.Template
	query     *expr.Template
	allowHTTP bool
}

// endpoint compiles a URL. key names it in errors.
func (k *compiler) endpoint(key, src string) (*endpoint, error) {
	e := &endpoint{key: key, allowHTTP: k.allowHTTP}
	rest := src
	switch {
	case strings.HasPrefix(src, "https://"):
		e.scheme, rest = "https", src[len("https://"):]
	case strings.HasPrefix(src, "http://"):
		if !k.allowHTTP {
			return nil, fmt.Errorf("%s: http:// would send secrets in the clear; use https://, or allow plain HTTP for this connector by name", key)
		}
		e.scheme, rest = "http", src[len("http://"):]
	case strings.HasPrefix(src, "{") && !strings.HasPrefix(src, "{{"):
	default:
		return nil, fmt.Errorf("%s: want https://HOST/PATH or a template such as {fields.base_url}/token, got %q", key, src)
	}
	if strings.ContainsAny(src, "\r\n\t ") && !strings.Contains(src, "{") {
		return nil, fmt.Errorf("%s: %q has spaces in it", key, src)
	}
	authority, path, query, fragment := spec.CutURL(rest)
	if fragment {
		return nil, fmt.Errorf("%s: a URL for requests has no #fragment", key)
	}
	for _, part := range []struct {
		src string
		to  **expr.Template
	}{{authority, &e.origin}, {path, &e.path}, {query, &e.query}} {
		t, err := k.template(part.src)
		if err != nil {
			return nil, fmt.Errorf("%s: in %q: %w", key, part.src, err)
		}
		*part.to = t
	}
	if e.origin.Static() {
		if _, err := e.eval(&expr.Vars{}, true); err != nil {
			return nil, err
		}
	}
	return e, nil
}

var (
	hostValue  = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*(:[0-9]{1,5})?$`)
	authority  = regexp.MustCompile(`^([A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$`)
	originPath = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)*/?$`)
)

// errURL is what an endpoint's evaluation says when a value does not belong
// into a URL. It never quotes the value, which may be a secret.
var errURL = errors.New("a value does not belong into a URL")

// eval makes the URL. With originOnly it checks the origin alone.
func (e *endpoint) eval(v *expr.Vars, originOnly bool) (*url.URL, error) {
	origin, err := e.evalOrigin(v)
	if err != nil || originOnly {
		return nil, err
	}
	path, err := e.path.Append(nil, v, func(dst []byte, s string) []byte {
		return append(dst, url.PathEscape(s)...)
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.key, err)
	}
	query, err := e.query.Append(nil, v, func(dst []byte, s string) []byte {
		return append(dst, url.QueryEscape(s)...)
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.key, err)
	}
	raw := origin + string(path)
	if len(query) > 0 {
		raw += "?" + string(query)
	}
	u, err := url.Parse(raw)
	if err != nil || hasDotSegment(u.EscapedPath()) {
		return nil, fmt.Errorf("%s: %w: check the path", e.key, errURL)
	}
	return u, nil
}

// evalOrigin makes scheme://host[:port], and a path where a field brings one.
func (e *endpoint) evalOrigin(v *expr.Vars) (string, error) {
	if e.scheme == "" {
		return e.foreignOrigin(v)
	}
	clean := true
	host, err := e.origin.Append(nil, v, func(dst []byte, s string) []byte {
		clean = clean && hostValue.MatchString(s)
		return append(dst, s...)
	})
	switch {
	case err != nil:
		return "", fmt.Errorf("%s: %w", e.key, err)
	case !clean:
		return "", fmt.Errorf("%s: %w: a host takes letters, digits, dots and hyphens", e.key, errURL)
	case !authority.Match(host):
		return "", fmt.Errorf("%s: want a host name after %s://", e.key, e.scheme)
	}
	return e.scheme + "://" + string(host), nil
}

// foreignOrigin is evalOrigin for a URL that begins with a template, such as
// {account.instance_url}/token.
func (e *endpoint) foreignOrigin(v *expr.Vars) (string, error) {
	s, err := e.origin.Eval(v)
	if err != nil {
		return "", fmt.Errorf("%s: %w", e.key, err)
	}
	scheme, rest, _ := strings.Cut(s, "://")
	if scheme != "https" && (scheme != "http" || !e.allowHTTP) {
		return "", fmt.Errorf("%s: %w: it must begin with https://", e.key, errURL)
	}
	i := strings.IndexByte(rest+"/", '/')
	if !authority.MatchString(rest[:i]) || !originPath.MatchString(rest[i:]) || hasDotSegment(rest[i:]) {
		return "", fmt.Errorf("%s: %w: want https://HOST[:PORT][/PATH]", e.key, errURL)
	}
	return strings.TrimSuffix(s, "/"), nil
}

// hasDotSegment looks for . and .. in an escaped path, escaped or not.
func hasDotSegment(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		segment = strings.ReplaceAll(strings.ToLower(segment), "%2e", ".")
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}
