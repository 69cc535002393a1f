package integration_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// auditLines are those of the audit that match, once there are n of them or five
// seconds are over.
func (a *attache) auditLines(t testing.TB, n int, pattern string) []string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		var found []string
		for line := range strings.Lines(grep(a.Log.String(), `"attache.audit"`)) {
			if re.MatchString(line) {
				found = append(found, line)
			}
		}
		if len(found) >= n || time.Now().After(deadline) {
			return found
		}
	}
}

// misbehaving is a service whose answers do not come to an end.
func misbehaving() http.Handler {
	mux := streaming()
	mux.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) {
		chunk := make([]byte, 32<<10)
		for r.Context().Err() == nil {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/breaks", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1000000")
		fmt.Fprint(w, "beginning")
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	mux.HandleFunc("/silent", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/drip", func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			fmt.Fprint(w, "x")
			http.NewResponseController(w).Flush()
			time.Sleep(100 * time.Millisecond)
		}
	})
	return requires(bearer(demoToken), mux)
}

func newMisbehaving(t testing.TB, more ...func(*setup)) *demo {
	return newDemo(t, append(more, func(s *setup) {
		ca := s.Trust[0]
		svc := newService(t, ca, misbehaving(), "demo.test")
		s.Attache = connector("demo", "demo.test", svc, "bearer {fields.key}", "DEMO_TOKEN") + agentLocal("demo") + "allow_address 127.0.0.1\n"
	})...)
}

// TestEveryEndIsAudited: whatever becomes of an answer, the request that reached
// the service is in the audit and in the metrics, with how far it came and what
// was sent.
func TestEveryEndIsAudited(t *testing.T) {
	d := newMisbehaving(t, func(s *setup) { s.Options = "metrics" })
	get := func(t *testing.T, path string) (net.Conn, *bufio.Reader) {
		conn := d.dial(t)
		fmt.Fprintf(conn, "GET /demo%s HTTP/1.1\r\nHost: localhost\r\n\r\n", path)
		return conn, bufio.NewReader(conn)
	}
	line := func(path, rest string) string {
		return `"connector":"demo".*"method":"[A-Z]+","host":"demo.test","port":"443","path":"` + path + `".*` + rest
	}
	for _, tt := range []struct {
		name, path string
		do         func(t *testing.T)
		rest       string
	}{
		{"the agent hangs up in the middle", "/endless", func(t *testing.T) {
			conn, r := get(t, "/endless")
			io.CopyN(io.Discard, r, 100<<10)
			conn.Close()
		}, `"reached":"answered","cut":"agent_left","status":200`},
		{"the agent hangs up before the answer", "/silent", func(t *testing.T) {
			conn, _ := get(t, "/silent")
			time.Sleep(300 * time.Millisecond)
			conn.Close()
		}, `"reached":"sent","cut":"agent_left","status":499`},
		{"the service breaks off", "/breaks", func(t *testing.T) {
			_, r := get(t, "/breaks")
			io.Copy(io.Discard, r)
		}, `"reached":"answered","cut":"service_broke_off","status":200`},
		{"RST_STREAM with a closed window", "/endless-h2", func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			req, _ := http.NewRequestWithContext(ctx, "GET", "https://demo.test/endless?h2", nil)
			res, err := d.goClient(t, true).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(500 * time.Millisecond) // nothing is read: the window closes
			cancel()
			res.Body.Close()
		}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := strings.TrimSuffix(tt.path, "-h2")
			rest, n := tt.rest, 1
			if rest == "" {
				rest, n = `"cut":"agent_left","status":200`, 2 // with the first test's
			}
			tt.do(t)
			if got := d.auditLines(t, n, line(path, rest)); len(got) != n {
				t.Errorf("%d audit lines for %s match %s, want %d:\n%s", len(got), path, rest, n, grep(d.Log.String(), `"attache.audit"`))
			}
		})
	}
	checkMetrics(t, d.metrics(t), `attache_requests_total\{[^}]*connector="demo",outcome="2xx"[^}]*\} 3`)
}

// TestStreamsAreToldTwice: a stream, an upgraded connection, a tunnel and whatever
// lasts has a line when it begins and one when it ends.
func TestStreamsAreToldTwice(t *testing.T) {
	d := newMisbehaving(t)
	both := func(t *testing.T, what, pattern string, end func()) {
		t.Helper()
		if got := d.auditLines(t, 1, pattern+`.*"phase":"begin"`); len(got) != 1 {
			t.Fatalf("%d lines tell the beginning of %s:\n%s", len(got), what, grep(d.Log.String(), `"attache.audit"`))
		}
		if got := regexp.MustCompile(pattern+`.*"phase":"end"`).FindAllString(grep(d.Log.String(), `"attache.audit"`), -1); len(got) > 0 {
			t.Fatalf("%s has ended before it did: %s", what, got)
		}
		end()
		if got := d.auditLines(t, 1, pattern+`.*"phase":"end"`); len(got) != 1 {
			t.Errorf("%d lines tell the end of %s:\n%s", len(got), what, grep(d.Log.String(), `"attache.audit"`))
		}
	}
	t.Run("a stream of events", func(t *testing.T) {
		conn := d.dial(t)
		fmt.Fprintf(conn, "GET /demo/events?n=0&every=50ms HTTP/1.1\r\nHost: localhost\r\n\r\n")
		readHead(t, conn)
		both(t, "the stream", `"path":"/events"`, func() { conn.Close() })
	})
	t.Run("what lasts", func(t *testing.T) {
		conn := d.dial(t)
		fmt.Fprintf(conn, "GET /demo/drip HTTP/1.1\r\nHost: localhost\r\n\r\n")
		readHead(t, conn)
		both(t, "the answer", `"path":"/drip"`, func() { conn.Close() })
	})
	t.Run("WebSocket", func(t *testing.T) {
		conn := upgraded(t, d.attache)
		both(t, "the upgrade", `"path":"/ws"`, func() { conn.Close() })
	})
	t.Run("tunnel", func(t *testing.T) {
		address := echoServer(t)
		conn := d.connect(t, address)
		_, port, _ := net.SplitHostPort(address)
		both(t, "the tunnel", `"method":"CONNECT","host":"127.0.0.1","port":"`+port+`"`, func() { conn.Close() })
	})
}

// upgraded is a WebSocket to the service, after its handshake.
func upgraded(t testing.TB, a *attache) net.Conn {
	t.Helper()
	conn := a.dial(t)
	fmt.Fprintf(conn, "GET /demo/ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	if status, head := readHead(t, conn); !strings.Contains(status, " 101 ") {
		t.Fatalf("the upgrade = %s\n%s", status, head)
	}
	return conn
}

// TestLongPathsAreCut: the audit takes 2 KiB of what an agent chose, and says
// which it was.
func TestLongPathsAreCut(t *testing.T) {
	d := newDemo(t, func(s *setup) { s.Options = "servers {\n\t\tmax_header_size 256KB\n\t}" })
	long := strings.Repeat("a", 100<<10)
	conn := d.dial(t)
	fmt.Fprintf(conn, "GET /demo/%s HTTP/1.1\r\nHost: localhost\r\n\r\n", long)
	readHead(t, conn)
	lines := d.auditLines(t, 1, `"path":"/aaaa`)
	if len(lines) != 1 || len(lines[0]) > 3<<10 || !strings.Contains(lines[0], "…sha256:") {
		t.Errorf("%d lines, the first of %d bytes; want one of at most 3 KiB with a hash", len(lines), len(strings.Join(lines, "")))
	}
}

// TestWrongTokens: a flood of tokens that nobody has costs little disk, is slowed
// down, and slows nobody down who has a right one.
func TestWrongTokens(t *testing.T) {
	d := newDemo(t, withAgentToken, func(s *setup) { s.Plain = true })
	before := len(d.Log.String())
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	answers := make(chan int, 1024)
	const clients = 400
	for i := range clients {
		go func() {
			n := 0
			defer func() { answers <- n }()
			for ctx.Err() == nil {
				conn, err := net.Dial("tcp", d.Addr)
				if err != nil {
					continue
				}
				stop := context.AfterFunc(ctx, func() { conn.Close() })
				r := bufio.NewReader(conn)
				for {
					_, err := fmt.Fprintf(conn, "GET /demo/whoami HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer wrong-token-%d-%d\r\n\r\n", i, n)
					if err != nil {
						break
					}
					res, err := http.ReadResponse(r, nil)
					if err != nil {
						break
					}
					io.Copy(io.Discard, res.Body)
					n++
					if res.Close {
						break
					}
				}
				stop()
				conn.Close()
			}
		}()
	}
	var took []time.Duration
	right := &http.Client{Timeout: 5 * time.Second}
	asked := 0
	for ; ctx.Err() == nil; asked++ {
		req, _ := http.NewRequest("GET", d.URL+"/demo/whoami", nil)
		req.Header.Set("Authorization", "Bearer "+agentToken)
		began := time.Now()
		res, err := right.Do(req)
		if err != nil {
			t.Fatalf("the right token during the flood: %v", err)
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if res.StatusCode != 200 {
			t.Fatalf("the right token during the flood = %d", res.StatusCode)
		}
		took = append(took, time.Since(began))
		time.Sleep(20 * time.Millisecond)
	}
	total := 0
	for range clients {
		total += <-answers
	}
	d.stop()
	grown := len(d.Log.String()) - before
	right200 := asked * 3 << 10 // lines of the requests with the right token: access, debug and audit
	slices.Sort(took)
	middle, slowest := took[len(took)/2], took[len(took)-1]
	t.Logf("%d wrong answers in 5 s, %d KiB of log, %d right requests in %v, the slowest in %v", total, grown>>10, asked, middle, slowest)
	if grown-right200 > 1<<20 {
		t.Errorf("the flood of %d wrong tokens wrote %d KiB, want less than 1 MiB", total, grown>>10)
	}
	if total > 20_000 {
		t.Errorf("%d wrong tokens were answered in 5 s: they are not slowed down", total)
	}
	if middle > 500*time.Millisecond {
		t.Errorf("a request with the right token took %v, at most %v", middle, slowest)
	}
	if got := d.auditLines(t, 1, `"code":"(unknown_agent|too_many_requests)".*"count":\d+`); len(got) == 0 {
		t.Errorf("no line says how many were refused:\n%s", grep(d.Log.String(), `"attache.audit"`))
	}
}
