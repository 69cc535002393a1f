package forward

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Answer writes the service's answer and closes its body. Its error means that
// the answer is incomplete or the agent gone; the head is written then, and only
// breaking the connection off says that it is not all.
func Answer(w http.ResponseWriter, res *http.Response) error {
	defer res.Body.Close()
	streams := flushes(res)
	dropHopByHop(res.Header)
	h := w.Header()
	delete(h, "Server")
	addHeader(h, res.Header)
	h["Via"] = append(slices.Clip(h["Via"]), via(res))
	announced := len(res.Trailer)
	if announced > 0 {
		announce(h, res.Trailer)
	}
	w.WriteHeader(res.StatusCode)
	if res.Body != http.NoBody {
		if err := copyBody(w, res, streams); err != nil {
			return err
		}
	}
	if len(res.Trailer) == 0 {
		return nil
	}
	// Without this net/http would count a short body's length, and then has no
	// place for trailers.
	if err := http.NewResponseController(w).Flush(); err != nil {
		return err
	}
	writeTrailers(h, res.Trailer, announced)
	return nil
}

// addHeader adds one to the other. The values become the other's.
func addHeader(to, from http.Header) {
	for name, values := range from {
		if old := to[name]; len(old) > 0 {
			values = append(slices.Clip(old), values...)
		}
		to[name] = values
	}
}

// via is how a proxy signs answers (RFC 9110 §7.6.3), as reverse_proxy does.
func via(res *http.Response) string {
	switch {
	case res.ProtoMajor == 1 && res.ProtoMinor == 1:
		return "1.1 Caddy"
	case res.ProtoMajor == 2:
		return "2.0 Caddy"
	}
	return strconv.Itoa(res.ProtoMajor) + "." + strconv.Itoa(res.ProtoMinor) + " Caddy"
}

func announce(h, trailer http.Header) {
	names := make([]string, 0, len(trailer))
	for name := range trailer {
		names = append(names, name)
	}
	h.Add("Trailer", strings.Join(names, ", "))
}

// writeTrailers hands trailers over to net/http's server. Those that were not
// announced have a prefix there.
func writeTrailers(h, trailer http.Header, announced int) {
	if len(trailer) == announced {
		addHeader(h, trailer)
		return
	}
	for name, values := range trailer {
		h[http.TrailerPrefix+name] = values
	}
}

// flushes reports an answer whose pieces must arrive as they come: events, and
// whatever does not say how long it is.
func flushes(res *http.Response) bool {
	if res.ContentLength < 0 || caddyhttp.IsIncremental(res.Header) {
		return true
	}
	t, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";")
	if len(t) < len("text/event-stream") {
		return false
	}
	kind, _, err := mime.ParseMediaType(t)
	return err == nil && kind == "text/event-stream"
}

// buffers are as large as a TLS record and more; long ones, for what is longer than
// they are, cost fewer calls of the kernel.
var (
	buffers = sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}
	long    = sync.Pool{New: func() any { b := make([]byte, longBuffer); return &b }}
)

const longBuffer = 128 << 10

// buffered is a body that knows how much of it can be read without waiting.
type buffered interface{ Buffered() int }

// copyBody copies until the end. Where pieces must arrive as they come, what was
// written is flushed before anything is waited for.
func copyBody(w http.ResponseWriter, res *http.Response, streams bool) error {
	if done, err := splice(w, res, streams); done {
		return err
	}
	pool := &buffers
	if !streams && res.ContentLength > longBuffer {
		pool = &long
	}
	p := pool.Get().(*[]byte)
	defer pool.Put(p)
	ready, _ := res.Body.(buffered)
	rc := http.NewResponseController(w)
	pending := streams // the head
	for {
		if pending && (ready == nil || ready.Buffered() == 0) {
			if err := rc.Flush(); err != nil {
				return err
			}
			pending = false
		}
		n, err := res.Body.Read(*p)
		if n > 0 {
			if _, err := w.Write((*p)[:n]); err != nil {
				return errors.Join(errAgent, err)
			}
			pending = streams
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

var errAgent = errors.New("the agent does not take the answer")

// minSplice is from what length on moving bytes inside the kernel pays.
const minSplice = 64 << 10

// splice hands a long body of known length to the server in one go, which moves
// it from socket to socket where both are plain TCP. Caddy's idle timeouts, which
// are lifted for a request that is forwarded, would cut it into pieces; where
// somebody else listens in (an access log that counts bytes), there is none.
func splice(w http.ResponseWriter, res *http.Response, streams bool) (done bool, err error) {
	if streams || res.ContentLength < minSplice {
		return false, nil
	}
	from, ok := res.Body.(io.WriterTo)
	if !ok {
		return false, nil
	}
	to := socket(w)
	if to == nil {
		return false, nil
	}
	_, err = from.WriteTo(to)
	return true, err
}

// socket is the writer that may hand a body over to the kernel, or nil.
func socket(w http.ResponseWriter) io.Writer {
	for {
		switch in := w.(type) {
		case *caddyhttp.IdleTimeoutWriter:
			return in.ResponseWriterWrapper
		case interface{ Below() http.ResponseWriter }: // package http1 looks at heads alone
			w = in.Below()
		case interface{ Unwrap() http.ResponseWriter }:
			return nil
		default:
			if _, moves := w.(io.ReaderFrom); !moves {
				return nil
			}
			return w
		}
	}
}
