package approval

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/attache-proxy/attache/resolver/limit"
	"github.com/attache-proxy/attache/resolver/refusal"
)

// Body is the beginning of a request's body, and whether it is all of it.
type Body struct {
	Read  []byte
	Whole bool
}

// Begin reads the beginning of a body, in memory of the agent until release, and returns
// a request in which it is in its place again. Its error is a *refusal.Refusal, or a
// *limit.FullError.
func Begin(req *http.Request, of *limit.Agent) (again *http.Request, b *Body, release func(), err error) {
	if req.Body == nil || req.Body == http.NoBody {
		return req, &Body{Whole: true}, func() {}, nil
	}
	if kind := req.Header.Get("Content-Type"); strings.HasPrefix(kind, "application/grpc") || strings.HasPrefix(kind, "application/connect+") {
		return req, &Body{}, func() {}, nil // a stream may never end before it is answered
	}
	size := int64(MaxBody)
	if n := req.ContentLength; n >= 0 && n < size {
		size = n
	}
	if !of.Take(limit.Memory, size) {
		return nil, nil, nil, &limit.FullError{Kind: limit.Memory}
	}
	release = sync.OnceFunc(func() { of.Give(limit.Memory, size) })
	buf := bytes.NewBuffer(make([]byte, 0, size+bytes.MinRead))
	n, err := io.Copy(buf, io.LimitReader(req.Body, MaxBody+1))
	if err != nil {
		release()
		return nil, nil, nil, &refusal.Refusal{Code: "bad_request", Err: err, Detail: "the request body broke off", Next: "Send the request again, whole."}
	}
	copied := *req
	copied.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(buf.Bytes()), req.Body), req.Body}
	return &copied, &Body{buf.Bytes()[:min(n, MaxBody)], n <= MaxBody}, release, nil
}

// Gone tells that the permission was taken away.
type Gone struct {
	once sync.Once
	c    chan struct{}
}

// NewGone is one that tells nothing yet.
func NewGone() *Gone { return &Gone{c: make(chan struct{})} }

// Close tells it.
func (g *Gone) Close() error {
	g.once.Do(func() { close(g.c) })
	return nil
}
