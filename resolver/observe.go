package resolver

import (
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// Outcome is what became of a call. Its counters may still grow while a body
// is streaming.
type Outcome struct {
	// Status is the service's; zero where none came.
	Status int
	// Scrubbed says that an echo of the credential was replaced.
	Scrubbed atomic.Bool

	sent, received atomic.Int64
}

// Sent is how many bytes of the request body went out.
func (o *Outcome) Sent() int64 { return o.sent.Load() }

// Received is how many bytes of the response body came in.
func (o *Outcome) Received() int64 { return o.received.Load() }

// Observation is one audited request. It never holds a secret: the path is without
// query, and headers and bodies are not in it.
type Observation struct {
	Agent, Connector, Account string
	// AgentID and AccountID are those of the vault, or of the Caddyfile.
	AgentID, AccountID string
	Door               Door
	Method, Host, Path string
	// Status is what the agent got.
	Status         int
	Sent, Received int64
	Duration       time.Duration
	// Code is the refusal's code, or empty.
	Code string
}

// Observer hears of every request. It must not block, and cannot fail it.
type Observer interface {
	Observe(e *Observation)
}

type nobody struct{}

func (nobody) Observe(*Observation) {}

// Observe passes an event on.
func (r *Resolver) Observe(e *Observation) { r.observer.Observe(e) }

// countRequest counts the bytes of a streaming body. Lengths that are known
// need no counting.
func (call *Call) countRequest(out *http.Request) {
	if out.Body == nil || out.Body == http.NoBody {
		return
	}
	if out.ContentLength > 0 {
		call.Outcome.sent.Store(out.ContentLength)
		return
	}
	out.Body = &countingBody{out.Body, &call.Outcome.sent}
}

// countResponse counts the answer's bytes. An upgraded connection stays as it
// is: it must remain readable and writable.
func (call *Call) countResponse(res *http.Response) {
	call.Outcome.Status = res.StatusCode
	if res.Body != nil && res.Body != http.NoBody && res.StatusCode != http.StatusSwitchingProtocols {
		res.Body = &countingBody{res.Body, &call.Outcome.received}
	}
}

// countingBody counts what is read, and lets pass what its source can besides.
type countingBody struct {
	io.ReadCloser
	n *atomic.Int64
}

func (b *countingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n.Add(int64(n))
	return n, err
}

// Buffered is how many bytes can be read without waiting, as far as is known.
func (b *countingBody) Buffered() int {
	if s, ok := b.ReadCloser.(interface{ Buffered() int }); ok {
		return s.Buffered()
	}
	return 0
}

// WriteTo implements io.WriterTo.
func (b *countingBody) WriteTo(w io.Writer) (int64, error) {
	s, ok := b.ReadCloser.(io.WriterTo)
	if !ok {
		return io.Copy(w, struct{ io.Reader }{b})
	}
	n, err := s.WriteTo(w)
	b.n.Add(n)
	return n, err
}
