package sign

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// readRequest reads a request in HTTP/1.1 as people write it into a file: lines
// end in CR LF or LF, and characters that had to be percent-encoded may stand in
// the path, since test suites have such. Errors begin with the line's number.
func readRequest(src []byte) (*http.Request, []byte, error) {
	head, rest, n := splitHead(src)
	if len(head) == 0 {
		return nil, nil, errors.New("1: there is no request; want GET /path HTTP/1.1")
	}
	req := &http.Request{Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}}
	if err := readFirstLine(req, head[0]); err != nil {
		return nil, nil, fmt.Errorf("%d: %w", n, err)
	}
	last := "" // the header that a line which begins with white space goes on
	for _, line := range head[1:] {
		n++
		if line[0] == ' ' || line[0] == '\t' {
			if last == "" {
				return nil, nil, fmt.Errorf("%d: the line goes on from nothing; want Name: value", n)
			}
			// A folded line goes on with the value, after white space (RFC 9112 §5.2).
			values := req.Header[last]
			values[len(values)-1] = strings.TrimSpace(values[len(values)-1] + " " + strings.TrimSpace(line))
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || !httpguts.ValidHeaderFieldName(name) {
			return nil, nil, fmt.Errorf("%d: this is no header; want Name: value, and an empty line before the body", n)
		}
		last = http.CanonicalHeaderKey(name)
		req.Header[last] = append(req.Header[last], strings.TrimSpace(value))
	}
	if err := setHost(req); err != nil {
		return nil, nil, fmt.Errorf("%d: %w", n, err)
	}
	body, err := readBody(req, rest)
	if err != nil {
		return nil, nil, fmt.Errorf("%d: %w", n+1, err)
	}
	req.ContentLength, req.Body = int64(len(body)), http.NoBody
	if len(body) > 0 {
		req.Body = io.NopCloser(bytes.NewReader(body))
	}
	return req, body, nil
}

// splitHead returns the lines before the first empty one, what follows, and the
// number of the first line. Empty lines at the start are skipped.
func splitHead(src []byte) (head []string, rest []byte, first int) {
	src, first = bytes.TrimPrefix(src, []byte("\ufeff")), 1
	for len(src) > 0 {
		line, after, _ := bytes.Cut(src, []byte("\n"))
		line = bytes.TrimSuffix(line, []byte("\r"))
		src = after
		switch {
		case len(line) > 0:
			head = append(head, string(line))
		case len(head) > 0:
			return head, src, first
		default:
			first++
		}
	}
	return head, nil, first
}

// readFirstLine reads method and target. The target may hold spaces.
func readFirstLine(req *http.Request, line string) error {
	method, target, ok := strings.Cut(line, " ")
	at := strings.LastIndex(target, " ")
	if !ok || at < 0 || !strings.HasPrefix(target[at+1:], "HTTP/") || !httpguts.ValidHeaderFieldName(method) {
		return errors.New("want METHOD, path and HTTP/1.1, such as GET /path HTTP/1.1")
	}
	target = target[:at]
	u := &url.URL{Scheme: "https"}
	if scheme, rest, ok := strings.Cut(target, "://"); ok && (scheme == "https" || scheme == "http") {
		u.Scheme = scheme
		i := strings.IndexAny(rest+"/", "/?")
		u.Host, target = rest[:i], rest[i:]
		if !strings.HasPrefix(target, "/") {
			target = "/" + target
		}
	}
	if !strings.HasPrefix(target, "/") && target != "*" {
		return errors.New("the target begins with neither / nor https://")
	}
	path, query, _ := strings.Cut(target, "?")
	u.RawQuery = query
	if plain, err := url.PathUnescape(path); err == nil {
		u.Path, u.RawPath = plain, path
	}
	if u.Path == "" || u.EscapedPath() != path {
		// As it stands, it could not be sent; it is signed and printed as it stands.
		u.Path, u.RawPath, u.Opaque = path, "", path
	}
	req.Method, req.URL = method, u
	return nil
}

// setHost takes the host from the URL or from Host.
func setHost(req *http.Request) error {
	hosts := req.Header["Host"]
	delete(req.Header, "Host")
	switch {
	case req.URL.Host != "":
	case len(hosts) == 1 && hosts[0] != "":
		req.URL.Host = hosts[0]
	case len(hosts) > 1:
		return errors.New("the request has several Hosts")
	default:
		return errors.New("the request has no Host")
	}
	if !httpguts.ValidHostHeader(req.URL.Host) || strings.ContainsAny(req.URL.Host, "/@") {
		return errors.New("its Host is no host name")
	}
	req.Host = req.URL.Host
	return nil
}

// readBody is what the headers say of what follows them.
func readBody(req *http.Request, rest []byte) ([]byte, error) {
	if strings.EqualFold(req.Header.Get("Transfer-Encoding"), "chunked") {
		delete(req.Header, "Transfer-Encoding")
		body, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(rest)))
		if err != nil {
			return nil, errors.New("the body is not in chunks, as Transfer-Encoding says")
		}
		return body, nil
	}
	length := req.Header.Get("Content-Length")
	if length == "" {
		rest = bytes.TrimSuffix(rest, []byte("\n"))
		return bytes.TrimSuffix(rest, []byte("\r")), nil
	}
	n, err := strconv.ParseUint(length, 10, 31)
	switch {
	case err != nil:
		return nil, errors.New("Content-Length is no number of bytes")
	case int(n) > len(rest):
		return nil, fmt.Errorf("the body is %d bytes, and Content-Length says %d", len(rest), n)
	}
	return rest[:n], nil
}

// writeRequest writes the request as it would go out, headers by name.
func writeRequest(w io.Writer, req *http.Request) error {
	var b bytes.Buffer
	target := req.URL.Opaque
	if target == "" {
		target = req.URL.EscapedPath()
	}
	if req.URL.RawQuery != "" {
		target += "?" + req.URL.RawQuery
	}
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", req.Method, target, req.Host)
	var body []byte
	if req.Body != nil {
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return err
		}
	}
	if len(body) > 0 || req.Method == http.MethodPost || req.Method == http.MethodPut || req.Method == http.MethodPatch {
		req.Header.Set("Content-Length", strconv.Itoa(len(body)))
	} else {
		req.Header.Del("Content-Length")
	}
	for _, name := range slices.Sorted(maps.Keys(req.Header)) {
		for _, v := range req.Header[name] {
			fmt.Fprintf(&b, "%s: %s\r\n", name, v)
		}
	}
	b.WriteString("\r\n")
	b.Write(body)
	_, err := w.Write(b.Bytes())
	return err
}
