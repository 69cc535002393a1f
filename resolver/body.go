package resolver

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/attache-proxy/attache/providers/expr"
	"github.com/attache-proxy/attache/providers/sign"
	"github.com/attache-proxy/attache/resolver/limit"
	"github.com/attache-proxy/attache/resolver/operation"
	"github.com/attache-proxy/attache/resolver/override"
	"github.com/attache-proxy/attache/resolver/spool"
)

const (
	// maxReplayBytes is up to what length a body is kept to be sent again after a 401.
	maxReplayBytes = 1 << 20
	// DefaultSignedBody is up to what length a body is kept because the signature
	// needs it, unless the configuration says otherwise.
	DefaultSignedBody = 16 << 20
	// maxInMemory is up to what length it is kept in memory.
	maxInMemory = 1 << 20
)

// taken is a request body that may be needed more than once.
type taken struct {
	agent      *limit.Agent // who is charged; nil where nobody is
	memory     int64        // bytes of its memory that are taken
	buffered   []byte
	spool      *spool.Spool // instead of buffered, where the body is long
	held       bool         // the whole body is here
	signer     bool         // the signer asked for it
	replayable bool
}

// takeBody buffers the body where the signature needs it, or where a 401 could
// make us send it again. Otherwise it streams.
func (x *exchange) takeBody() error {
	req, call, t := x.req, x.call, &x.body
	judged := call.deed.waits()
	if req.Body == nil || req.Body == http.NoBody {
		t.held, t.replayable = true, true
		if judged {
			return call.judgeBody(nil, nil)
		}
		return nil
	}
	// Whether one needs it may hang on the host that the request will go to.
	if x.signer.NeedsBody() {
		x.ready = x.outgoing()
		t.signer = sign.NeedsBody(x.signer, &x.ready.req)
	}
	replay := x.r.credentials.CanRefresh(call.Account) && req.ContentLength > 0 && req.ContentLength <= maxReplayBytes
	look, err := override.For(req.Header, call.onlyReads)
	if err != nil || !t.signer && !replay && look == nil && !judged {
		return err
	}
	most := look.Most(x.r.maxBody)
	if judged {
		most = operation.MaxBody
	}
	if req.ContentLength > most {
		return x.tooLarge(most)
	}
	if call.Agent != nil {
		t.agent = call.Agent.Limit
	}
	n, err := t.read(req.Body, req.ContentLength, most)
	if err == nil && n <= most && look != nil {
		err = look.Check(t.reader(), n, t.agent)
	}
	if err == nil && n <= most && judged {
		err = call.judgeBody(t.buffered, t.agent)
	}
	var disk *spool.Error
	var full *limit.FullError
	var ref *Refusal
	if err != nil || n > most {
		t.close()
	}
	switch {
	case errors.As(err, &full):
		return TooMany(call.Agent, full.Kind)
	case errors.As(err, &disk):
		return &Refusal{Code: "cannot_sign", Status: http.StatusServiceUnavailable, Err: err,
			Detail: fmt.Sprintf("connector %s signs the body, and this one cannot be kept on disk meanwhile", call.Connector.Key), Next: "Try again later, or send a smaller body."}
	case errors.As(err, &ref):
		return ref
	case err != nil:
		return &Refusal{Code: "bad_request", Err: err, Detail: "the request body broke off", Next: "Send the request again, whole."}
	case n > most:
		return x.tooLarge(most)
	}
	t.held, t.replayable = true, true
	return nil
}

func (x *exchange) tooLarge(most int64) error {
	if x.call.deed.waits() {
		return x.call.bodyTooLong()
	}
	if most < x.r.maxBody {
		return override.TooLarge()
	}
	size := fmt.Sprintf("%d MiB", x.r.maxBody>>20)
	if x.r.maxBody%(1<<20) != 0 {
		size = fmt.Sprintf("%d bytes", x.r.maxBody)
	}
	return &Refusal{Code: "cannot_sign", Status: http.StatusRequestEntityTooLarge,
		Detail: fmt.Sprintf("connector %s signs the body, and this one is larger than %s", x.call.Connector.Key, size),
		Next:   "Send a smaller body, for example in parts."}
}

// read takes the body, at most a byte more than the limit: into memory while it
// is short, else to disk. Length is what was announced, or -1.
func (t *taken) read(body io.Reader, length, limitBytes int64) (int64, error) {
	inMemory := min(limitBytes, maxInMemory)
	size := min(max(length, 512), inMemory)
	if length < 0 {
		size = inMemory // it may become that long
	}
	if !t.agent.Take(limit.Memory, size) {
		return 0, &limit.FullError{Kind: limit.Memory}
	}
	t.memory = size
	buf := bytes.NewBuffer(make([]byte, 0, min(max(length, 512), inMemory)+bytes.MinRead))
	n, err := io.Copy(buf, io.LimitReader(body, inMemory+1))
	if err != nil || n <= inMemory || n > limitBytes {
		t.buffered = buf.Bytes()
		return n, err
	}
	if t.spool, err = spool.New(t.agent); err != nil {
		return n, err
	}
	if _, err = t.spool.Write(buf.Bytes()); err == nil {
		t.release() // it is on disk now
		var rest int64
		rest, err = io.Copy(t.spool, io.LimitReader(body, limitBytes+1-n))
		n += rest
	}
	return n, err
}

// release gives the memory back.
func (t *taken) release() {
	t.agent.Give(limit.Memory, t.memory)
	t.memory = 0
}

// close lets go of the memory and of the disk. The body cannot be read any more.
func (t *taken) close() {
	if t == nil {
		return
	}
	t.release()
	if t.spool != nil {
		t.spool.Close()
	}
}

// keeps reports whether something is to be let go of.
func (t *taken) keeps() bool { return t.spool != nil || t.memory > 0 }

// attach gives out a fresh reader of the body.
func (t *taken) attach(out *http.Request) {
	if !t.held {
		return
	}
	if t.spool == nil && len(t.buffered) == 0 {
		out.Body, out.ContentLength = nil, 0
		return
	}
	length := int64(len(t.buffered))
	if t.spool != nil {
		length = t.spool.Size()
	}
	out.Body = io.NopCloser(t.reader())
	if out.ContentLength = length; len(out.Trailer) > 0 {
		out.ContentLength = -1 // trailers need chunks
	}
	out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(t.reader()), nil }
}

// reader is a fresh reader of what was read.
func (t *taken) reader() io.Reader {
	if t.spool != nil {
		return t.spool.Reader()
	}
	return bytes.NewReader(t.buffered)
}

// forSigner is the body as templates read it; nil where they do not need it.
func (t *taken) forSigner() expr.Body {
	if !t.signer {
		return nil
	}
	if t.spool != nil {
		return t.spool
	}
	return expr.Bytes(t.buffered)
}
