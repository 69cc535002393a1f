package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// The upstream is a process of its own, so that its work is in nobody's figures.
// It is this program with the role variable set.
const (
	roleVariable  = "ATTACHE_BENCH_ROLE"
	tokenVariable = "ATTACHE_BENCH_TOKEN"
	agentVariable = "ATTACHE_BENCH_AGENT"
	certVariable  = "ATTACHE_BENCH_CERT" // PEM files, without .crt and .key
)

// kind is a listener of the upstream.
type kind int

const (
	plainHTTP  kind = iota
	httpsH1         // TLS, HTTP/1.1 alone
	httpsH2         // TLS, HTTP/2 offered
	controller      // counts, for us
	kinds
)

// upstreamAddrs is the line that the upstream prints when it listens: host:port
// of each kind.
type upstreamAddrs [kinds]string

// counts are what a listener has seen since it began.
type counts struct {
	Accepted, OK, Denied int64
}

type counter struct{ accepted, ok, denied atomic.Int64 }

// answer is 1 KiB of JSON, as an API would give it.
var answer = makeAnswer(1 << 10)

func makeAnswer(size int) []byte {
	const head, tail = `{"id":"item_1","object":"item","created":1700000000,"note":"`, `"}`
	return []byte(head + strings.Repeat("a", size-len(head)-len(tail)) + tail)
}

// serveUpstream listens, prints where, and serves until standard input closes:
// so it never outlives the program that started it.
func serveUpstream() error {
	want := "Bearer " + os.Getenv(tokenVariable)
	cert, err := tls.LoadX509KeyPair(os.Getenv(certVariable)+".crt", os.Getenv(certVariable)+".key")
	if err != nil {
		return err
	}
	var addrs upstreamAddrs
	var counters [kinds]counter
	for k := range kinds {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		addrs[k] = ln.Addr().String()
		srv := &http.Server{Handler: service(want, &counters[k]), ErrorLog: log.New(io.Discard, "", 0)}
		if k == controller {
			srv.Handler = tell(&counters)
		}
		srv.ConnState = func(_ net.Conn, s http.ConnState) {
			if s == http.StateNew {
				counters[k].accepted.Add(1)
			}
		}
		switch k {
		case httpsH1, httpsH2:
			protos := []string{"http/1.1"}
			if k == httpsH2 {
				protos = []string{"h2", "http/1.1"}
			}
			srv.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: protos}
			if k == httpsH1 {
				srv.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){}
			}
			go func() { _ = srv.ServeTLS(ln, "", "") }()
		default:
			go func() { _ = srv.Serve(ln) }()
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(addrs); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// service answers 1 KiB, or a stream of events under /events, to whoever has
// the credential.
func service(want string, c *counter) http.Handler {
	length := strconv.Itoa(len(answer))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !allowed(r, want) {
			c.denied.Add(1)
			http.Error(w, "no credential", http.StatusUnauthorized)
			return
		}
		c.ok.Add(1)
		if r.URL.Path == "/events" {
			events(w, r)
			return
		}
		switch r.URL.Path {
		case "/bytes":
			download(w, r)
			return
		case "/sink":
			upload(w, r)
			return
		}
		h := w.Header()
		h.Set("Content-Type", "application/json")
		if r.URL.Path == longPath {
			h.Set("Content-Length", strconv.Itoa(len(longAnswer)))
			_, _ = w.Write(longAnswer)
			return
		}
		h.Set("Content-Length", length)
		_, _ = w.Write(answer)
	})
}

// allowed reports that the credential came: the bearer token, or a signature of
// the body with it, or one of Signature Version 4, of which only the shape is
// looked at.
func allowed(r *http.Request, want string) bool {
	got := r.Header.Get("Authorization")
	if got == want {
		return true
	}
	if sum := r.Header.Get("X-Signature"); sum != "" {
		body, err := io.ReadAll(r.Body)
		m := hmac.New(sha256.New, []byte(strings.TrimPrefix(want, "Bearer ")))
		m.Write(body)
		return err == nil && sum == hex.EncodeToString(m.Sum(nil))
	}
	_, signature, ok := strings.Cut(got, "Signature=")
	return ok && strings.HasPrefix(got, "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/") && len(signature) == 64
}

// download sends as many bytes as the query asks for, of the type that it names.
func download(w http.ResponseWriter, r *http.Request) {
	n, _ := strconv.ParseInt(r.URL.Query().Get("n"), 10, 64)
	h := w.Header()
	h.Set("Content-Type", r.URL.Query().Get("type"))
	h.Set("Content-Length", strconv.FormatInt(n, 10))
	_, _ = io.CopyBuffer(struct{ io.Writer }{w}, io.LimitReader(noise{}, n), make([]byte, 256<<10))
}

// upload takes a body and says how long it was.
func upload(w http.ResponseWriter, r *http.Request) {
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, r.Body, make([]byte, 256<<10))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	_, _ = io.WriteString(w, strconv.FormatInt(n, 10))
}

// eventEvery is the pause between two events.
const eventEvery = 5 * time.Millisecond

// events sends the number of events that the query asks for, each with the time
// at which it was written, in Unix nanoseconds.
func events(w http.ResponseWriter, r *http.Request) {
	n, _ := strconv.Atoi(r.URL.Query().Get("n"))
	w.Header().Set("Content-Type", "text/event-stream")
	flush := http.NewResponseController(w)
	_ = flush.Flush()
	for range min(n, 10_000) {
		time.Sleep(eventEvery)
		fmt.Fprintf(w, "data: %d\n\n", time.Now().UnixNano())
		if flush.Flush() != nil {
			return
		}
	}
}

func tell(counters *[kinds]counter) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		var out [kinds]counts
		for k := range counters {
			c := &counters[k]
			out[k] = counts{c.accepted.Load(), c.ok.Load(), c.denied.Load()}
		}
		_ = json.NewEncoder(w).Encode(out)
	})
}

// control asks what is not measured.
var control = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}

// upstream is the running upstream, as the bench sees it.
type upstream struct {
	*process
	addrs upstreamAddrs
	hold  *os.File // its standard input
}

// counts asks what a listener has seen.
func (u *upstream) counts(k kind) (counts, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+u.addrs[controller]+"/", nil)
	if err != nil {
		return counts{}, err
	}
	res, err := control.Do(req)
	if err != nil {
		return counts{}, fmt.Errorf("asking the upstream for its counts: %w", err)
	}
	defer res.Body.Close()
	var all [kinds]counts
	err = json.NewDecoder(res.Body).Decode(&all)
	return all[k], err
}
