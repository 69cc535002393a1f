package intercept_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/coder/websocket"

	"github.com/attache-proxy/attache/caddymodule/intercept"
)

// who is what the service says about a request.
type who struct {
	Proto, Host, TunnelHost, TunnelPort, SNI, Remote string
	TLS, Resumed                                     bool
	Version                                          int
}

// service answers the requests inside tunnels.
func (h *testHandler) service(w http.ResponseWriter, r *http.Request) {
	rc := http.NewResponseController(w)
	switch r.URL.Path {
	case "/who":
		t := intercept.FromContext(r.Context())
		if t == nil {
			http.Error(w, "not in a tunnel", http.StatusTeapot)
			return
		}
		answer := who{Proto: r.Proto, Host: r.Host, TunnelHost: t.Host, TunnelPort: t.Port, Remote: r.RemoteAddr, Version: h.Version}
		if r.TLS != nil {
			answer.TLS, answer.SNI, answer.Resumed = true, r.TLS.ServerName, r.TLS.DidResume
		}
		_ = json.NewEncoder(w).Encode(answer)
	case "/sse": // ?n=events&ms=between them; "wait" waits for the test before the last
		n, _ := strconv.Atoi(r.FormValue("n"))
		ms, _ := strconv.Atoi(r.FormValue("ms"))
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range n {
			if i == n-1 && r.FormValue("wait") != "" {
				select {
				case <-h.p.leave:
				case <-r.Context().Done():
					return
				}
			}
			fmt.Fprintf(w, "data: %d\n\n", i)
			if rc.Flush() != nil {
				return
			}
			time.Sleep(time.Duration(ms) * time.Millisecond)
		}
	case "/hints":
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		fmt.Fprint(w, "hinted")
	case "/trailers":
		w.Header().Set("Trailer", "Checksum")
		fmt.Fprint(w, "body")
		w.Header().Set("Checksum", "sum of "+readTrailer(r))
	case "/echo":
		_ = rc.EnableFullDuplex()
		w.Header().Set("Content-Type", "application/octet-stream")
		_, _ = io.Copy(w, r.Body)
	case "/bidi":
		_ = rc.EnableFullDuplex()
		w.WriteHeader(http.StatusOK)
		_ = rc.Flush()
		buf := make([]byte, 1024)
		for {
			n, err := r.Body.Read(buf)
			if n > 0 {
				fmt.Fprintf(w, "%s!", buf[:n])
				_ = rc.Flush()
			}
			if err != nil {
				return
			}
		}
	case "/ws":
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		for {
			kind, m, err := c.Read(r.Context())
			if err != nil || c.Write(r.Context(), kind, m) != nil {
				_ = c.CloseNow()
				return
			}
		}
	case "/panic":
		panic(errors.New("on purpose"))
	default:
		http.NotFound(w, r)
	}
}

// readTrailer reads the body and returns the trailer that the client sent.
func readTrailer(r *http.Request) string {
	_, _ = io.Copy(io.Discard, r.Body)
	return r.Trailer.Get("Sent")
}
