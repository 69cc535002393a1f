package mcp

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/attache-proxy/attache/providers/oauth/bearer"
	"github.com/attache-proxy/attache/providers/oauth/unreached"
)

const (
	// maxDocument is more than any metadata needs, decompressed.
	maxDocument = 64 << 10
	// fetchTimeout bounds one request, from dialling to the last byte.
	fetchTimeout = 10 * time.Second
	// maxRedirects is how often a document may have moved within its origin.
	maxRedirects = 3
	// protocolVersion is the revision of MCP whose authorization this is, and
	// handshakeVersion the last that begins with a handshake (initialize).
	protocolVersion  = "2026-07-28"
	handshakeVersion = "2025-11-25"
)

// said is what a server answered to a request without a token.
type said struct {
	bearer.Challenge
	status int
}

// Greeting is the first request of an MCP client: it also proves a token.
type Greeting struct {
	Body    string
	Headers map[string]string
}

// Greetings are those of the two eras, the newer first: a server may know one of them
// alone, and says so by 400, 404, 405 or 406. Since the revision 2026-07-28 there is no
// handshake, and each request says its version, in its headers too.
var Greetings = []Greeting{
	greeting(`{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"`+protocolVersion+
		`","io.modelcontextprotocol/clientInfo":{"name":"attache","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}`,
		map[string]string{"Mcp-Protocol-Version": protocolVersion, "Mcp-Method": "server/discover"}),
	greeting(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"`+handshakeVersion+
		`","capabilities":{},"clientInfo":{"name":"attache","version":"1"}}}`, nil),
}

func greeting(body string, headers map[string]string) Greeting {
	g := Greeting{body, map[string]string{"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}}
	maps.Copy(g.Headers, headers)
	return g
}

// knock sends the first request of an MCP client without a token, of either era until
// one is answered 401. The answers' bodies, which may never end, are not read.
func (f *Finder) knock(ctx context.Context, u *url.URL) (first said, err error) {
	for i, g := range Greetings {
		next, err := f.greet(ctx, u, g)
		if err != nil || next.status == http.StatusUnauthorized {
			return next, err
		}
		if i == 0 || next.ResourceMetadata != "" {
			first = next
		}
	}
	return first, nil
}

func (f *Finder) greet(ctx context.Context, u *url.URL, g Greeting) (said, error) {
	const step = "asking the server without a token"
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), strings.NewReader(g.Body))
	if err != nil {
		return said{}, refused(step, "want https://HOST/PATH")
	}
	req.Header.Set("User-Agent", "attache")
	for name, v := range g.Headers {
		req.Header.Set(name, v)
	}
	res, err := f.HTTP.Do(req)
	if err != nil {
		return said{}, unanswered(step, u, err)
	}
	_ = res.Body.Close()
	if res.StatusCode >= 300 && res.StatusCode < 400 {
		return said{}, refused(step, "%s redirects; name the URL that it redirects to", place(u))
	}
	c, _ := bearer.Parse(res.Header)
	return said{c, res.StatusCode}, nil
}

// document gets a JSON object. found is false where the server has none there.
// Redirects are followed within the origin alone.
func (f *Finder) document(ctx context.Context, step string, u *url.URL, v any) (found bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	for range maxRedirects + 1 {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
		if err != nil {
			return false, refused(step, "its URL on %s is none", place(u))
		}
		req.Header = http.Header{"Accept": {"application/json"}, "User-Agent": {"attache"}, "Mcp-Protocol-Version": {protocolVersion}}
		res, err := f.HTTP.Do(req)
		if err != nil {
			return false, unanswered(step, u, err)
		}
		next, err := res.Location()
		if err == nil && res.StatusCode >= 300 && res.StatusCode < 400 {
			_ = res.Body.Close()
			if !sameOrigin(next, u) || next.User != nil {
				return false, refused(step, "%s redirects to another origin, which is not followed", place(u))
			}
			u = next
			continue
		}
		return read(step, u, res, v)
	}
	return false, refused(step, "%s redirects again and again", place(u))
}

// read reads an answer and closes it.
func read(step string, u *url.URL, res *http.Response, v any) (found bool, err error) {
	defer func() { _ = res.Body.Close() }()
	switch status := res.StatusCode; {
	case status == http.StatusTooManyRequests || status >= 500:
		return false, &Error{Step: step, Why: fmt.Sprintf("%s answers %d", place(u), status), Temporary: true}
	case status != http.StatusOK:
		return false, nil
	}
	if kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); kind == "text/html" {
		return false, nil // a page for people, whatever path is asked for
	}
	return true, object(step, u, res.Body, v)
}

// object decodes one JSON object of bounded size.
func object(step string, u *url.URL, r io.Reader, v any) error {
	b, err := io.ReadAll(io.LimitReader(r, maxDocument+1))
	switch {
	case err != nil:
		return unanswered(step, u, err)
	case len(b) > maxDocument:
		return refused(step, "the document of %s is larger than 64 KiB", place(u))
	case !bytes.HasPrefix(bytes.TrimLeft(b, " \t\r\n"), []byte("{")) || json.Unmarshal(b, v) != nil:
		return refused(step, "what %s answers is not the JSON object that it should be", place(u))
	}
	return nil
}

// unanswered is for requests that got no whole answer. What net/http says may
// quote what came, and shows our network.
func unanswered(step string, u *url.URL, err error) *Error {
	return &Error{Step: step, Why: place(u) + ": " + unreached.Why(err), Temporary: true, cause: err}
}

// short makes a text from outside printable and no longer than max characters.
func short(s string, max int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > max {
		s = string(r[:max])
	}
	return s
}
