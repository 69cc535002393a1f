package integration_test

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// streaming has a resource for each way in which an answer or a request is
// more than a body of known length.
func streaming() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("/events", events)
	mux.HandleFunc("/upload", upload)
	mux.HandleFunc("/download", download)
	mux.HandleFunc("/trailers", trailers)
	mux.HandleFunc("/hints", hints)
	mux.HandleFunc("/slow", slow)
	mux.HandleFunc("/status/{code}", func(w http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(r.PathValue("code"))
		w.Header().Set("ETag", `"v1"`)
		w.WriteHeader(code)
	})
	mux.HandleFunc("/file", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"v1"`)
		http.ServeContent(w, r, "file.bin", time.Unix(1e9, 0), &pattern{size: 1 << 20})
	})
	mux.HandleFunc("/bidi", bidi)
	mux.HandleFunc("/ws", echoWebSocket)
	return mux
}

// events sends n server-sent events, one each `every`. With n=0 it goes on for ever.
// With `gate` the next event is sent when the test says that it has the last one.
func events(w http.ResponseWriter, r *http.Request) {
	n, _ := strconv.Atoi(r.FormValue("n"))
	every, _ := time.ParseDuration(r.FormValue("every"))
	w.Header().Set("Content-Type", "text/event-stream")
	read, gated := gates.Load(r.FormValue("gate"))
	for i := 0; n == 0 || i < n; i++ {
		if i > 0 {
			next := time.After(every)
			if gated {
				next = read.(chan time.Time)
			}
			select {
			case <-next:
			case <-r.Context().Done():
				return
			}
		}
		fmt.Fprintf(w, "data: %d\n\n", i)
		if http.NewResponseController(w).Flush() != nil {
			return
		}
	}
}

// gates are channels by name on which tests say that they have an event.
var gates sync.Map

// upload says how the body came, how long it was, and when its parts arrived:
// `spread` is the time from the first byte to the last, in ms.
func upload(w http.ResponseWriter, r *http.Request) {
	var n int64
	var first time.Time
	sum := newChecksum()
	p := make([]byte, 64<<10)
	for {
		k, err := r.Body.Read(p)
		if k > 0 && first.IsZero() {
			first = time.Now()
		}
		sum.Write(p[:k])
		n += int64(k)
		if err == io.EOF {
			break
		}
		if err != nil {
			answer(w, http.StatusBadRequest, map[string]any{"error": err.Error()})
			return
		}
	}
	spread := time.Duration(0)
	if !first.IsZero() {
		spread = time.Since(first)
	}
	trailer := map[string]string{}
	for k := range r.Trailer {
		trailer[k] = r.Trailer.Get(k)
	}
	answer(w, http.StatusOK, map[string]any{"bytes": n, "sum": sum.Sum64(), "length": r.ContentLength,
		"encoding": r.TransferEncoding, "spread": spread.Milliseconds(), "trailer": trailer})
}

// download sends `bytes` bytes of the pattern.
func download(w http.ResponseWriter, r *http.Request) {
	n, _ := strconv.ParseInt(r.FormValue("bytes"), 10, 64)
	w.Header().Set("Content-Type", "application/octet-stream")
	if r.FormValue("chunked") == "" {
		w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
	}
	io.CopyN(w, &pattern{size: n}, n)
}

// trailers sends a trailer that it announced and one that it did not.
func trailers(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Trailer", "X-Checksum")
	io.WriteString(w, "body")
	http.NewResponseController(w).Flush()
	w.Header().Set("X-Checksum", "abc")
	w.Header().Set(http.TrailerPrefix+"X-Late", "yes")
	w.Header().Set(http.TrailerPrefix+"X-Echo", r.Header.Get("Authorization"))
	for _, name := range notTrailers {
		w.Header().Set(http.TrailerPrefix+name, "session=1")
	}
}

// notTrailers are what a service may not say to an agent after a body either.
var notTrailers = []string{"Set-Cookie", "Set-Cookie2", "Attache-Error", "Attache-Connect-Url", "Proxy-Authorization"}

// hints sends 103 Early Hints before its answer (RFC 8297).
func hints(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Link", "</style.css>; rel=preload")
	w.WriteHeader(http.StatusEarlyHints)
	w.Header().Del("Link")
	time.Sleep(50 * time.Millisecond)
	io.WriteString(w, "after the hints")
}

// slow waits `for` before its first byte, and again before its last.
func slow(w http.ResponseWriter, r *http.Request) {
	wait, _ := time.ParseDuration(r.FormValue("for"))
	io.Copy(io.Discard, r.Body)
	pause := func() {
		select {
		case <-time.After(wait):
		case <-r.Context().Done():
		}
	}
	pause()
	io.WriteString(w, "first")
	if r.FormValue("twice") != "" {
		http.NewResponseController(w).Flush()
		pause()
		io.WriteString(w, " last")
	}
}

// bidi answers each line of the request with a line, while both go on.
func bidi(w http.ResponseWriter, r *http.Request) {
	c := http.NewResponseController(w)
	c.EnableFullDuplex()
	w.Header().Set("Trailer", "X-Status")
	w.WriteHeader(http.StatusOK)
	c.Flush()
	p := make([]byte, 4096)
	for {
		n, err := r.Body.Read(p)
		if n > 0 {
			fmt.Fprintf(w, "echo %s", p[:n])
			c.Flush()
		}
		if err != nil {
			break
		}
	}
	w.Header().Set("X-Status", "done")
}

func echoWebSocket(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true, Subprotocols: []string{"echo"}})
	if err != nil {
		return
	}
	defer conn.CloseNow()
	conn.SetReadLimit(1 << 20)
	for {
		kind, data, err := conn.Read(r.Context())
		if err != nil {
			return
		}
		if string(data) == "close" {
			conn.Close(websocket.StatusCode(4001), "as asked")
			return
		}
		if conn.Write(r.Context(), kind, data) != nil {
			return
		}
	}
}
