package integration_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// byHand is a service that writes its answers byte by byte. It is given each
// connection and its number, from 0.
func byHand(t testing.TB, serve func(n int, c net.Conn, r *bufio.Reader)) *service {
	t.Helper()
	l := listen(t)
	go func() {
		for n := 0; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(n, c, bufio.NewReader(c))
			}()
		}
	}()
	return &service{URL: "http://" + l.Addr().String()}
}

func proxyOf(t testing.TB, s *service) *attache {
	t.Helper()
	integration(t)
	return newAttache(t, setup{
		Attache: connector("hand", "hand.test", s, "bearer {fields.key}", "DEMO_TOKEN") + agentLocal("hand"),
		Env:     []string{"DEMO_TOKEN=" + demoToken},
	})
}

const short200 = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// A service closes a kept connection when a request is on its way: what may be
// repeated is sent once more, the rest is answered with 502. Nothing comes twice.
func TestKeptConnectionCloses(t *testing.T) {
	for method, want := range map[string]struct {
		status   int
		requests int32
	}{"GET": {200, 3}, "POST": {502, 2}} {
		t.Run(method, func(t *testing.T) {
			var requests atomic.Int32
			a := proxyOf(t, byHand(t, func(n int, c net.Conn, r *bufio.Reader) {
				for i := 0; ; i++ {
					req, err := http.ReadRequest(r)
					if err != nil {
						return
					}
					requests.Add(1)
					io.Copy(io.Discard, req.Body)
					if n == 0 && i == 1 {
						return
					}
					io.WriteString(c, short200)
				}
			}))
			at := door{base: a.URL + "/hand", http: a.plainClient(t)}
			body(t, at.get(t, "/first"))
			res := at.do(t, method, "/second", strings.NewReader(map[string]string{"POST": "x"}[method]), nil)
			if body(t, res); res.StatusCode != want.status || requests.Load() != want.requests {
				t.Errorf("%d after %d requests, want %d after %d", res.StatusCode, requests.Load(), want.status, want.requests)
			}
		})
	}
}

// A service answers by the head alone and reads no body, thousands of times:
// each agent gets the answer, and nothing is left open.
func TestBodyThatNobodyReads(t *testing.T) {
	a := proxyOf(t, byHand(t, func(_ int, c net.Conn, r *bufio.Reader) {
		if _, err := http.ReadRequest(r); err == nil {
			io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")
			c.(*net.TCPConn).CloseWrite()
			time.Sleep(5 * time.Millisecond)
		}
	}))
	at := door{base: a.URL + "/hand", http: a.plainClient(t)}
	n, got := 10_000, 0
	if testing.Short() {
		n = 500
	}
	for i := range n {
		size := []int64{100, 40 << 10, 300 << 10}[i%3]
		req, _ := http.NewRequest("POST", at.base+"/", io.LimitReader(zeros{}, size))
		if req.ContentLength = size; i%2 == 0 {
			req.ContentLength = -1
		}
		res, err := at.http.Do(req)
		if err != nil {
			continue // the connection to us closed while the client still wrote
		}
		if io.Copy(io.Discard, res.Body); res.StatusCode == 413 {
			got++
		}
		res.Body.Close()
	}
	if got < n*8/10 {
		t.Errorf("%d of %d requests got the service's 413", got, n)
	}
	time.Sleep(time.Second)
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", a.cmd.Process.Pid))
	if err != nil || len(files) > 100 {
		t.Errorf("the proxy has %d files open (%v), want few", len(files), err)
	}
}

// Informational answers without end are cut off.
func TestInformationalForEver(t *testing.T) {
	a := proxyOf(t, byHand(t, func(_ int, c net.Conn, r *bufio.Reader) {
		http.ReadRequest(r)
		for {
			if _, err := io.WriteString(c, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"); err != nil {
				return
			}
		}
	}))
	conn := a.dial(t)
	fmt.Fprintf(conn, "GET /hand/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
	r := bufio.NewReader(conn)
	for n := 0; ; n++ {
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatalf("after %d informational answers: %v", n, err)
		}
		if res.StatusCode == 103 {
			continue
		}
		if res.StatusCode != 502 || n > 2000 {
			t.Errorf("%d after %d informational answers, want 502 after at most 2000", res.StatusCode, n)
		}
		return
	}
}

// Hints come before the 401 that makes us ask again, and before the answer.
func TestHintsAroundARefresh(t *testing.T) {
	s := newTokenServer(t)
	s.Service = newPlainService(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "<"+r.Header.Get("Authorization")[len("Bearer "):len("Bearer ")+6]+">")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
		s.serve(w, r)
	}))
	a := s.proxy(t, "header_as_payload off")
	at := door{base: a.URL + "/api", http: a.plainClient(t)}
	body(t, at.get(t, "/"))
	s.refuse("minted-1")
	hints := 0
	ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{Got1xxResponse: func(code int, _ textproto.MIMEHeader) error {
		hints++
		return nil
	}})
	res := at.do(t, "GET", "/", nil, func(r *http.Request) { *r = *r.WithContext(ctx) })
	if body(t, res); res.StatusCode != 200 || hints != 2 {
		t.Errorf("%d with %d informational answers, want 200 with 2", res.StatusCode, hints)
	}
}

// An agent that closes its direction has left, for net/http's server: the
// service's request ends, and nothing hangs.
func TestAgentHalfCloses(t *testing.T) {
	ended := make(chan struct{})
	a := proxyOf(t, byHand(t, func(_ int, c net.Conn, r *bufio.Reader) {
		http.ReadRequest(r)
		io.Copy(io.Discard, r)
		close(ended)
	}))
	conn := a.dial(t)
	fmt.Fprintf(conn, "GET /hand/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
	time.Sleep(200 * time.Millisecond)
	conn.(*net.TCPConn).CloseWrite()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("the service's request goes on")
	}
	if _, err := io.ReadAll(conn); err != nil {
		t.Errorf("the agent's connection: %v, want its end", err)
	}
}

// An answer that breaks off is no whole one, whatever its framing.
func TestAnswerBreaksOff(t *testing.T) {
	for name, head := range map[string]string{
		"length": "Content-Length: 100000\r\n", "chunks": "Transfer-Encoding: chunked\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			a := proxyOf(t, byHand(t, func(_ int, c net.Conn, r *bufio.Reader) {
				http.ReadRequest(r)
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n"+head+"\r\n"+map[string]string{"length": "", "chunks": "3\r\n"}[name]+"abc")
				if name == "chunks" {
					io.WriteString(c, "\r\n")
				}
				time.Sleep(50 * time.Millisecond)
			}))
			res := door{base: a.URL + "/hand", http: a.plainClient(t)}.get(t, "/")
			b, err := io.ReadAll(res.Body)
			if err == nil || string(b) != "abc" {
				t.Errorf("%q, %v; want abc and an error", b, err)
			}
		})
	}
}

// Two accounts' requests never share a connection, nor do two agents' to a host
// of no connector.
func TestConnectionsBelongToAccounts(t *testing.T) {
	var remotes [2]string
	s := newPlainService(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i := 0
		if r.Header.Get("Authorization") == "Bearer two" {
			i = 1
		}
		remotes[i] = r.RemoteAddr
	}))
	integration(t)
	a := newAttache(t, setup{Attache: fmt.Sprintf(`connector github {
		upstream %s
		account one token {
			token {env.ONE}
		}
		account two token {
			token {env.TWO}
		}
	}
	agent local {
		grant github:one read
		grant github:two read
	}`, s.URL), Env: []string{"ONE=one", "TWO=two"}})
	at := door{base: a.URL, http: a.plainClient(t)}
	for range 3 {
		for _, account := range []string{"one", "two"} {
			if res := at.get(t, "/github:"+account+"/user"); res.StatusCode != 200 {
				t.Fatalf("%s: %d %s", account, res.StatusCode, body(t, res))
			} else {
				body(t, res)
			}
		}
		if remotes[0] == remotes[1] || remotes[0] == "" || remotes[1] == "" {
			t.Fatalf("the accounts came from %v, want a connection each", remotes)
		}
	}
}
