package http1

import (
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Writer is a request's writer, with what HTTP/1.1 clients need besides. Last says
// that the connection ends with the answer; lower begin the headers whose names are
// sent in lower case, as S3 and the like do: net/http would write X-Amz-Meta-Note
// for x-amz-meta-note, and boto3 shows the name as it comes.
func Writer(w http.ResponseWriter, r *http.Request, last bool, lower []string) http.ResponseWriter {
	a := &answer{ResponseWriterWrapper: caddyhttp.ResponseWriterWrapper{ResponseWriter: w}}
	if r.ProtoMajor == 1 {
		a.offered, a.last, a.lower = OffersBody(r), last, lower
	}
	return a
}

// OffersBody reports whether an HTTP/1.1 client offers its body with Expect:
// 100-continue. Where it is refused, and the connection goes on, net/http reads
// the body before it writes the head, and the client waits or uploads for nothing.
func OffersBody(r *http.Request) bool { return r.ProtoMajor == 1 && r.Header.Get("Expect") != "" }

// answer is a ResponseWriter that touches the head of the final answer.
type answer struct {
	caddyhttp.ResponseWriterWrapper
	// offered is OffersBody: then the connection ends with a refusal.
	offered bool
	last    bool
	lower   []string
}

// WriteHeader implements http.ResponseWriter.
func (w *answer) WriteHeader(status int) {
	h := w.Header()
	if status < 200 {
		w.ResponseWriterWrapper.WriteHeader(status)
		return
	}
	if _, typed := h["Content-Type"]; !typed {
		h["Content-Type"] = nil // or net/http guesses one, and the service gave none
	}
	if w.last && status != http.StatusSwitchingProtocols || w.offered && status >= 300 {
		h.Set("Connection", "close")
	}
	for _, prefix := range w.lower {
		for name, values := range h {
			if strings.HasPrefix(name, prefix) {
				delete(h, name)
				h[strings.ToLower(name)] = values
			}
		}
	}
	w.ResponseWriterWrapper.WriteHeader(status)
}

// Below is the writer for the body, of which there is nothing to be touched.
func (w *answer) Below() http.ResponseWriter { return w.ResponseWriter }
