package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/attache-proxy/attache/providers/secret"
)

const (
	// apiBase is the path of the REST API.
	apiBase = "/api/v1"
	// apiTimeout is how long one answer may take. Revoking waits for the service.
	apiTimeout = 2 * time.Minute
	// apiPage is how many items of a list are asked for at once, and maxPage
	// bounds an answer, in bytes.
	apiPage = 200
	maxPage = 32 << 20
)

// API asks the REST API of one Attaché with an admin token. It goes through no
// proxy of the environment, follows no redirect, and speaks plain HTTP to this
// machine alone.
type API struct {
	at string // as people wrote it
	// OverSocket says that it is on a unix socket, whose file mode may be the
	// permission.
	OverSocket bool
	base       *url.URL
	token      secret.Value // zero: none is sent
	http       *http.Client
}

// NewAPI makes a client for http://host:port, https://host or unix//path.
func NewAPI(at string, token secret.Value) (*API, error) {
	a := &API{at: at, token: token}
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	dial := dialer.DialContext
	if path, ok := strings.CutPrefix(at, "unix/"); ok {
		a.OverSocket = true
		path, _, _ = strings.Cut(path, "|") // Caddy writes the file's mode after it
		a.base = &url.URL{Scheme: "http", Host: "localhost"}
		dial = func(ctx context.Context, _, _ string) (net.Conn, error) { return dialOwned(ctx, dialer, path) }
	} else {
		u, err := parseAPI(at)
		if err != nil {
			return nil, err
		}
		if a.base = u; u.Scheme == "http" {
			dialer.Control = onlyLoopback
		}
	}
	a.http = &http.Client{
		Transport:     &http.Transport{DialContext: dial, ResponseHeaderTimeout: apiTimeout, ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return a, nil
}

// Here reports whether the API is on this machine, over TCP.
func (a *API) Here() bool { return a.base.Scheme == "http" && !a.OverSocket }

// parseAPI reads the address of an API; its errors show no password.
func parseAPI(at string) (*url.URL, error) {
	if !strings.Contains(at, "://") {
		at = "http://" + at
	}
	u, err := url.Parse(at)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return nil, errors.New("the address of the REST API is none; want http://127.0.0.1:port, https://host or unix//path/to.sock")
	case u.User != nil:
		return nil, errors.New("a token does not belong into the address of the REST API, where others see it; set ATTACHE_ADMIN_TOKEN, or give --token-file FILE")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("the address of the REST API ends with its path; leave out ? and #")
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimSuffix(strings.TrimSuffix(u.Path, "/"), apiBase)}, nil
}

// Path makes the path of an operation. Each element is escaped: it may hold
// slashes and colons.
func Path(elements ...string) string {
	for i, e := range elements {
		elements[i] = url.PathEscape(e)
	}
	return "/" + strings.Join(elements, "/")
}

// Answer is what the API answered.
type Answer struct {
	Header http.Header
	Body   json.RawMessage // empty where there is none
}

// Do sends a request. The path comes from Path; the query and the body, which is
// sent as JSON, may be nil. A refusal is an *Error with the API's code.
func (a *API) Do(ctx context.Context, method, path string, query url.Values, body any) (*Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	res, err := a.send(ctx, method, path, query, nil, body)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxPage+1))
	switch {
	case err != nil:
		return nil, a.unreachable(err)
	case len(text) > maxPage:
		return nil, a.stranger("its answer is too large")
	case len(text) > 0 && !json.Valid(text):
		return nil, a.stranger("its answer is no JSON")
	}
	return &Answer{res.Header, bytes.TrimSpace(text)}, nil
}

// Ask is Do with the answer's body as a T.
func Ask[T any](ctx context.Context, a *API, method, path string, query url.Values, body any) (out Item[T], err error) {
	answer, err := a.Do(ctx, method, path, query, body)
	if err == nil {
		out, err = itemOf[T](a, answer.Body)
	}
	return out, err
}

// Item is a value of the API, and its JSON as it came.
type Item[T any] struct {
	Value T
	JSON  json.RawMessage
}

func itemOf[T any](a *API, text json.RawMessage) (Item[T], error) {
	item := Item[T]{JSON: text}
	if err := json.Unmarshal(text, &item.Value); err != nil {
		return item, a.stranger("its answer is no JSON of ours")
	}
	return item, nil
}

// List reads a list to its end, page by page as the items are taken. After an
// error there is nothing more.
func List[T any](ctx context.Context, a *API, path string, query url.Values) iter.Seq2[Item[T], error] {
	return func(yield func(Item[T], error) bool) {
		q := url.Values{}
		for name, values := range query {
			q[name] = values
		}
		q.Set("limit", strconv.Itoa(apiPage))
		for {
			page, err := Ask[struct {
				Items []json.RawMessage
				Next  string
			}](ctx, a, http.MethodGet, path, q, nil)
			if err != nil {
				yield(Item[T]{}, err)
				return
			}
			for _, text := range page.Value.Items {
				if item, err := itemOf[T](a, text); !yield(item, err) || err != nil {
					return
				}
			}
			if page.Value.Next == "" || page.Value.Next == q.Get("after") {
				return
			}
			q.Set("after", page.Value.Next)
		}
	}
}

// Whole is List of a list that has no pages.
func Whole[T any](ctx context.Context, a *API, path string, query url.Values) iter.Seq2[Item[T], error] {
	return func(yield func(Item[T], error) bool) {
		all, err := Ask[struct{ Items []json.RawMessage }](ctx, a, http.MethodGet, path, query, nil)
		if err != nil {
			yield(Item[T]{}, err)
			return
		}
		for _, text := range all.Value.Items {
			if item, err := itemOf[T](a, text); !yield(item, err) || err != nil {
				return
			}
		}
	}
}

// send sends a request and hands the answer over where it is a success.
func (a *API) send(ctx context.Context, method, path string, query url.Values, header http.Header, body any) (*http.Response, error) {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(text)
	}
	target := a.base.Scheme + "://" + a.base.Host + a.base.EscapedPath() + apiBase + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, target, content)
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if !a.token.IsZero() {
		req.Header.Set("Authorization", "Bearer "+a.token.Reveal())
	}
	res, err := a.http.Do(req)
	if err != nil {
		return nil, a.unreachable(err)
	}
	if res.StatusCode/100 != 2 {
		defer res.Body.Close()
		return nil, a.refused(res)
	}
	return res, nil
}

// whereIsAPI is what to do where the API is not.
const whereIsAPI = "It is where the directive attache_admin stands in the Caddyfile; say where: --admin URL or ATTACHE_ADMIN=URL."

func (a *API) unreachable(err error) error {
	if errors.Is(err, errPlain) {
		return &Error{Code: "plain_http", Err: err, Msg: "--admin " + a.at + " is not this machine, and the token would cross a network unencrypted", Next: "Use https://, or go through an SSH tunnel to its loopback address."}
	}
	if owner, ok := errors.AsType[*strangersSocket](err); ok {
		return &Error{Code: "unproven", Err: err, Msg: owner.Error() + "; the token was not sent", Next: "Put the socket into a directory where only Attaché's user or root can make files, such as /run/attache."}
	}
	why := dialError(err)
	return &Error{Code: "unreachable", Err: err, Msg: fmt.Sprintf("no REST API answers at %s: %s", a.at, why), Next: whereIsAPI}
}

func (a *API) stranger(why string) error {
	return &Error{Code: "not_attache", Msg: fmt.Sprintf("what answers at %s is not Attaché's REST API: %s", a.at, why), Next: whereIsAPI}
}

// refused reads a refusal (RFC 9457): the sentence and the code, and where the
// request is wrong in several places, all of them.
func (a *API) refused(res *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if res.Header.Get("Attache-Error") != "" {
		return a.stranger("it is the proxy for agents")
	}
	var p struct {
		Code, Detail string
		Errors       []struct{ Location, Message string }
	}
	if json.Unmarshal(text, &p) != nil || p.Code == "" {
		return a.stranger("it answers " + res.Status)
	}
	e := &Error{Code: cleaned(p.Code), Msg: cleaned(p.Detail) + " (" + cleaned(p.Code) + ")"}
	var next []string
	if len(p.Errors) > 1 {
		for _, at := range p.Errors {
			next = append(next, cleaned(at.Location+": "+at.Message))
		}
	}
	switch p.Code {
	case "UNAUTHORIZED":
		next = append(next, "Is the token in ATTACHE_ADMIN_TOKEN, or in --token-file, of this vault, and not over? `attache admin token create --name me --role admin` makes one.")
	case "HOST_NOT_ALLOWED":
		next = append(next, "--admin is "+a.at+".")
	}
	e.Next = strings.Join(next, "\n  ")
	return e
}
