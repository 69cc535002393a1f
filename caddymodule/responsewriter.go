package caddymodule

import (
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// answerWriter is the visit's writer, with what HTTP/1.1 clients need besides.
func (v *visit) answerWriter() http.ResponseWriter {
	w := &answer{ResponseWriterWrapper: &caddyhttp.ResponseWriterWrapper{ResponseWriter: v.w}}
	if v.r.ProtoMajor == 1 {
		w.offered, w.last = offersBody(v.r), v.last
		if v.call != nil && v.call.Connector != nil {
			w.lower = v.call.Connector.MetaPrefixes
		}
	}
	return w
}

// offersBody reports whether an HTTP/1.1 client offers its body with Expect:
// 100-continue. Where it is refused, and the connection goes on, net/http reads
// the body before it writes the head, and the client waits or uploads for nothing.
func offersBody(r *http.Request) bool { return r.ProtoMajor == 1 && r.Header.Get("Expect") != "" }

// answer is a ResponseWriter that touches the head of the final answer.
type answer struct {
	*caddyhttp.ResponseWriterWrapper
	// offered is offersBody: then the connection ends with a refusal.
	offered bool
	// last is framedTwice: then the connection ends with the answer.
	last bool
	// lower begin the headers whose names are sent in lower case, as S3 and the
	// like do: net/http would write X-Amz-Meta-Note for x-amz-meta-note, and
	// boto3 shows the name as it comes.
	lower []string
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
