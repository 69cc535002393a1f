// Package keep keeps request bodies that may be needed more than once, in memory while they
// are short and on disk where they are long.
package keep

import (
	"bytes"
	"io"
	"net/http"

	"github.com/attache-proxy/attache/providers/expr"
	"github.com/attache-proxy/attache/resolver/limit"
	"github.com/attache-proxy/attache/resolver/spool"
)

// maxInMemory is up to what length it is kept in memory.
const maxInMemory = 1 << 20

// Body is a request body that may be needed more than once.
type Body struct {
	// Agent is who is charged; nil where nobody is.
	Agent *limit.Agent
	// Buffered is what was read, unless it is long: then it is on disk.
	Buffered []byte
	// Held says that the whole body is here, Signer that the signer asked for it, and
	// Replayable that it can be sent again.
	Held, Signer, Replayable bool

	memory int64 // bytes of the agent's memory that are taken
	spool  *spool.Spool
}

// Read takes the body, at most a byte more than the limit: into memory while it
// is short, else to disk. Length is what was announced, or -1.
func (b *Body) Read(body io.Reader, length, limitBytes int64) (int64, error) {
	inMemory := min(limitBytes, maxInMemory)
	size := min(max(length, 512), inMemory)
	if length < 0 {
		size = inMemory // it may become that long
	}
	if !b.Agent.Take(limit.Memory, size) {
		return 0, &limit.FullError{Kind: limit.Memory}
	}
	b.memory = size
	buf := bytes.NewBuffer(make([]byte, 0, min(max(length, 512), inMemory)+bytes.MinRead))
	n, err := io.Copy(buf, io.LimitReader(body, inMemory+1))
	if err != nil || n <= inMemory || n > limitBytes {
		b.Buffered = buf.Bytes()
		return n, err
	}
	if b.spool, err = spool.New(b.Agent); err != nil {
		return n, err
	}
	if _, err = b.spool.Write(buf.Bytes()); err == nil {
		b.release() // it is on disk now
		var rest int64
		rest, err = io.Copy(b.spool, io.LimitReader(body, limitBytes+1-n))
		n += rest
	}
	return n, err
}

// release gives the memory back.
func (b *Body) release() {
	b.Agent.Give(limit.Memory, b.memory)
	b.memory = 0
}

// Close lets go of the memory and of the disk. The body cannot be read any more.
func (b *Body) Close() {
	if b == nil {
		return
	}
	b.release()
	if b.spool != nil {
		b.spool.Close()
	}
}

// Keeps reports whether something is to be let go of.
func (b *Body) Keeps() bool { return b.spool != nil || b.memory > 0 }

// Attach gives out a fresh reader of the body.
func (b *Body) Attach(out *http.Request) {
	if !b.Held {
		return
	}
	if b.spool == nil && len(b.Buffered) == 0 {
		out.Body, out.ContentLength = nil, 0
		return
	}
	length := int64(len(b.Buffered))
	if b.spool != nil {
		length = b.spool.Size()
	}
	out.Body = io.NopCloser(b.Reader())
	if out.ContentLength = length; len(out.Trailer) > 0 {
		out.ContentLength = -1 // trailers need chunks
	}
	out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(b.Reader()), nil }
}

// Reader is a fresh reader of what was read.
func (b *Body) Reader() io.Reader {
	if b.spool != nil {
		return b.spool.Reader()
	}
	return bytes.NewReader(b.Buffered)
}

// ForSigner is the body as templates read it; nil where they do not need it.
func (b *Body) ForSigner() expr.Body {
	if !b.Signer {
		return nil
	}
	if b.spool != nil {
		return b.spool
	}
	return expr.Bytes(b.Buffered)
}
