package resolver

import (
	"bytes"
	"fmt"
	"io"
	"net/http"

	"github.com/attache-proxy/attache/providers/expr"
	"github.com/attache-proxy/attache/providers/sign"
)

const (
	// maxReplayBytes is up to what length a body is kept to be sent again after a 401.
	maxReplayBytes = 1 << 20
	// maxSignBytes is up to what length a body is buffered because the signature needs it.
	maxSignBytes = 16 << 20
)

// taken is a request body that may be needed more than once.
type taken struct {
	buffered   []byte
	held       bool // buffered is the whole body
	signer     bool // the signer asked for it
	replayable bool
}

// takeBody buffers the body where the signature needs it, or where a 401 could
// make us send it again. Otherwise it streams.
func (x *exchange) takeBody() (*taken, error) {
	req, call := x.req, x.call
	t := new(taken)
	if req.Body == nil || req.Body == http.NoBody {
		t.held, t.replayable = true, true
		return t, nil
	}
	// Whether one needs it may hang on the host that the request will go to.
	t.signer = x.signer.NeedsBody() && sign.NeedsBody(x.signer, x.outgoing())
	replay := x.r.credentials.CanRefresh(call.Account) && req.ContentLength > 0 && req.ContentLength <= maxReplayBytes
	if !t.signer && !replay {
		return t, nil
	}
	if req.ContentLength > maxSignBytes {
		return nil, tooLarge(call)
	}
	buf := bytes.NewBuffer(make([]byte, 0, max(req.ContentLength, 512)))
	n, err := io.Copy(buf, io.LimitReader(req.Body, maxSignBytes+1))
	if err != nil {
		return nil, &Refusal{Code: "bad_request", Err: err, Detail: "the request body broke off", Next: "Send the request again, whole."}
	}
	if n > maxSignBytes {
		return nil, tooLarge(call)
	}
	t.buffered, t.held, t.replayable = buf.Bytes(), true, true
	return t, nil
}

func tooLarge(call *Call) error {
	return &Refusal{Code: "cannot_sign", Status: http.StatusRequestEntityTooLarge,
		Detail: fmt.Sprintf("connector %s signs the body, and this one is larger than %d MiB", call.Connector.Key, maxSignBytes>>20),
		Next:   "Send a smaller body, for example in parts."}
}

// attach gives out a fresh reader of the body.
func (t *taken) attach(out *http.Request) {
	if !t.held {
		return
	}
	if len(t.buffered) == 0 {
		out.Body, out.ContentLength = nil, 0
		return
	}
	out.Body = io.NopCloser(bytes.NewReader(t.buffered))
	if out.ContentLength = int64(len(t.buffered)); len(out.Trailer) > 0 {
		out.ContentLength = -1 // trailers need chunks
	}
	out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(t.buffered)), nil }
}

// forSigner is the body as templates read it; nil where they do not need it.
func (t *taken) forSigner() expr.Body {
	if !t.signer {
		return nil
	}
	return expr.Bytes(t.buffered)
}
