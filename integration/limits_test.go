package integration_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// mostByOne is how much one agent may make the proxy's memory grow by default.
const mostByOne = 256 << 20 // bytes

// bomb is 256 MiB of JSON in 256 KiB.
var bomb = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	zeros := bytes.Repeat([]byte("0"), 1<<20)
	z.Write([]byte(`"`))
	for range 256 {
		z.Write(zeros)
	}
	z.Close()
	return b.Bytes()
})

// TestNoAgentTakesItAll: an agent that does what it can to use up memory and
// descriptors makes the proxy grow by no more than it may, and shuts nobody out.
func TestNoAgentTakesItAll(t *testing.T) {
	svc := http.NewServeMux()
	svc.Handle("/", demoService()) // /bomb asks for no credential: all see it
	svc.HandleFunc("/bomb", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", "gzip")
		w.Write(bomb())
	})
	for _, tt := range []struct {
		name string
		do   func(t *testing.T, d *demo)
	}{
		{"400 silent connections", func(t *testing.T, d *demo) {
			began := time.Now()
			conns := make([]net.Conn, 400)
			for i := range conns {
				conns[i] = d.dial(t)
			}
			for _, c := range conns {
				c.SetDeadline(began.Add(20 * time.Second))
				if _, err := c.Read(make([]byte, 1)); err != io.EOF && !strings.Contains(fmt.Sprint(err), "reset") {
					t.Fatalf("a connection that says nothing is open after %v: %v", time.Since(began).Round(time.Second), err)
				}
			}
			t.Logf("400 silent connections were closed after %v", time.Since(began).Round(100*time.Millisecond))
		}},
		{"300 unfinished headers", func(t *testing.T, d *demo) {
			var wg sync.WaitGroup
			line := "X-Fill: " + strings.Repeat("f", 16<<10) + "\r\n"
			for i := range 300 {
				wg.Go(func() {
					var conn net.Conn = d.dial(t)
					if i%4 > 0 { // most of them inside tunnels, where headers may be longer
						conn = d.connectTLS(t, "demo.test:443", "http/1.1")
					}
					fmt.Fprintf(conn, "GET /whoami HTTP/1.1\r\nHost: demo.test\r\n")
					for range 60 {
						if _, err := io.WriteString(conn, line); err != nil {
							return
						}
					}
				})
			}
			wg.Wait()
		}},
		{"40 inflating answers", func(t *testing.T, d *demo) {
			var wg sync.WaitGroup
			for range 40 {
				wg.Go(func() {
					conn := d.dial(t)
					fmt.Fprintf(conn, "GET /demo/bomb HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n")
					if status, _ := readHead(t, conn); strings.Contains(status, " 404 ") || strings.Contains(status, " 401 ") {
						t.Errorf("the inflating answer = %s", status)
					}
					// and read no more
					time.Sleep(3 * time.Second)
				})
			}
			wg.Wait()
		}},
		{"10 000 tunnels", func(t *testing.T, d *demo) {
			var wg sync.WaitGroup
			var mu sync.Mutex
			count := map[string]int{}
			for range 20 {
				wg.Go(func() {
					for range 500 {
						conn := d.dial(t)
						fmt.Fprintf(conn, "CONNECT demo.test:443 HTTP/1.1\r\nHost: demo.test:443\r\n\r\n")
						status, head := readHead(t, conn)
						if strings.Contains(status, " 429 ") && !strings.Contains(head, "Retry-After: ") {
							t.Errorf("a refusal without Retry-After: %s", head)
						}
						mu.Lock()
						count[status[:12]]++
						mu.Unlock()
					}
				})
			}
			wg.Wait()
			t.Logf("%v", count)
			if count["HTTP/1.1 429"] == 0 || count["HTTP/1.1 200"] < 512 || len(count) > 2 {
				t.Errorf("10 000 tunnels = %v, want at least 512 and then too_many_requests", count)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDemo(t, func(s *setup) {
				withAgentToken(s)
				s.Plain = true
				s.Attache = strings.Replace(s.Attache, "connector demo", "agent local {\n\tgrant demo read\n}\nconnector demo", 1)
				s.Listener = "agent local"
				at := newService(t, s.Trust[0], svc, "demo.test")
				s.Attache = regexp.MustCompile(`upstream \S+`).ReplaceAllString(s.Attache, "upstream "+at.URL)
			})
			other := func() {
				req, _ := http.NewRequest("GET", d.URL+"/demo/whoami", nil)
				req.Header.Set("Authorization", "Bearer "+agentToken)
				began := time.Now()
				res, err := (&http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
				if err != nil {
					t.Errorf("another agent meanwhile: %v", err)
					return
				}
				defer res.Body.Close()
				if took := time.Since(began); res.StatusCode != 200 || took > 5*time.Second {
					t.Errorf("another agent meanwhile: %d after %v", res.StatusCode, took)
				}
			}
			other()
			time.Sleep(500 * time.Millisecond)
			before, _ := d.rss()
			resetPeak(t, d.cmd.Process.Pid)
			done := make(chan struct{})
			go func() { defer close(done); tt.do(t, d) }()
			for open := true; open; {
				select {
				case <-done:
					open = false
				case <-time.After(250 * time.Millisecond):
					other()
				}
			}
			_, peak := d.rss()
			t.Logf("memory %d MiB before, %d MiB at most: %d MiB more", before>>20, peak>>20, (peak-before)>>20)
			if peak-before > mostByOne {
				t.Errorf("the proxy grew by %d MiB, want at most %d", (peak-before)>>20, mostByOne>>20)
			}
		})
	}
}

// TestFewDescriptors: where connections that say nothing use up the descriptors,
// the administration and other agents still get some.
func TestFewDescriptors(t *testing.T) {
	d := newDemo(t, func(s *setup) { s.Files, s.Plain, s.Options = 200, true, "metrics" })
	for range 400 {
		d.dial(t)
	}
	checkCurl(t, d.curl(t, d.URL+"/demo/whoami"), authenticated+"\n200 1.1")
	checkMetrics(t, d.metrics(t), `attache_requests_total\{[^}]*connector="demo"`)
	if strings.Contains(d.Log.String(), "too many open files") {
		t.Errorf("a listener ran out of descriptors:\n%s", grep(d.Log.String(), "too many open files"))
	}
}

// TestLimitsOfOne: an agent's own limits hold, are told, and are free again.
func TestLimitsOfOne(t *testing.T) {
	d := newDemo(t, func(s *setup) {
		s.Attache += "limits {\n\trequests 3\n\tupgrades 2\n}\nallow_address 127.0.0.1\n"
	})
	var open []net.Conn
	for range 3 {
		conn := d.dial(t)
		fmt.Fprintf(conn, "GET /demo/events?n=0&every=50ms HTTP/1.1\r\nHost: localhost\r\n\r\n")
		readHead(t, conn)
		open = append(open, conn)
	}
	checkRefusal(t, d.attache, []string{d.URL + "/demo/whoami"}, 429, "too_many_requests")
	for range 2 {
		open = append(open, upgraded(t, d.attache))
	}
	checkRefusal(t, d.attache, []string{"-H", "Connection: Upgrade", "-H", "Upgrade: websocket", d.URL + "/demo/ws"}, 429, "too_many_requests")
	for _, c := range open {
		c.Close()
	}
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if r := d.curl(t, d.URL+"/demo/whoami"); strings.Contains(r.Stdout, "200") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("what was closed is still in use")
		}
	}
	upgraded(t, d.attache)
}

// TestPermissionEndsStreams: who is deleted or suspended, or loses a grant, keeps
// no stream, no upgraded connection and no tunnel for longer than a second.
func TestPermissionEndsStreams(t *testing.T) {
	integration(t)
	port, dir := freePort(t), t.TempDir()
	svc := newPlainService(t, requires(bearer(replicaToken), streaming()))
	writeFile(t, dir+"/connectors/svc.yaml", "key: svc\nhosts: [svc.test]\nauth: {token: {type: credentials, fields: {token: {title: Token, secret: true}}, sign: bearer}}\ntest: {get: /status/200, expect: 200}\n")
	a := newAttache(t, setup{
		Attache:  "vault sqlite " + dir + "/vault.db\nallow_address 127.0.0.1\nconnectors " + dir + "/connectors\nconnector svc {\n\tupstream " + svc.URL + "\n}\nagent local",
		Listener: "unmatched tunnel",
		Sites:    fmt.Sprintf("http://:%d {\n\tbind 127.0.0.1\n\tattache_admin\n}", port),
	})
	admin := strings.TrimSpace(a.command("admin", "token", "create", "--config", a.Caddyfile, "--name", "ops", "--role", "admin").Stdout)
	want := func(status int, method, path, body string) map[string]any {
		t.Helper()
		got, m := callAPI(t, admin, method, fmt.Sprintf("http://127.0.0.1:%d/api/v1", port)+path, body)
		if got != status {
			t.Fatalf("%s %s = %d %v, want %d", method, path, got, m, status)
		}
		return m
	}
	echo := echoServer(t)
	for _, tt := range []struct {
		what  string
		end   func(account, agent, grant string)
		stays string // what goes on
	}{
		{"the grant is deleted", func(_, agent, grant string) { want(204, "DELETE", "/agents/"+agent+"/grants/"+grant, "") }, "tunnel"},
		{"the account is suspended", func(account, _, _ string) { want(200, "POST", "/accounts/"+account+"/suspend", "") }, "tunnel"},
		{"the account is deleted", func(account, _, _ string) { want(204, "DELETE", "/accounts/"+account, "") }, "tunnel"},
		{"the agent is suspended", func(_, agent, _ string) { want(200, "PATCH", "/agents/"+agent, `{"disabled":true}`) }, ""},
		{"the agent is deleted", func(_, agent, _ string) { want(204, "DELETE", "/agents/"+agent, "") }, ""},
		{"only reading is left", func(_, agent, grant string) {
			want(200, "PATCH", "/agents/"+agent+"/grants/"+grant, `{"scopes":["read"]}`)
		}, "tunnel stream answer"},
		{"the token is deleted", func(_, agent, _ string) {
			tokens := want(200, "GET", "/agents/"+agent+"/tokens", "")["items"].([]any)
			want(204, "DELETE", "/agents/"+agent+"/tokens/"+fmt.Sprint(tokens[0].(map[string]any)["id"]), "")
		}, ""},
	} {
		t.Run(tt.what, func(t *testing.T) {
			name := strings.ReplaceAll(strings.TrimPrefix(tt.what, "the "), " ", "-")
			account := fmt.Sprint(want(201, "POST", "/accounts", `{"connector":"svc","name":"`+name+`","credentials":{"token":"`+replicaToken+`"}}`)["id"])
			agent := want(201, "POST", "/agents", `{"name":"`+name+`"}`)
			id, token := fmt.Sprint(agent["id"]), fmt.Sprint(agent["token"])
			grant := fmt.Sprint(want(201, "POST", "/agents/"+id+"/grants", `{"account_id":"`+account+`","scopes":["read","write"]}`)["id"])
			open := map[string]net.Conn{}
			for what, request := range map[string]string{
				"stream":                    "GET /svc/events?n=0&every=20ms HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + token + "\r\n\r\n",
				"answer that has not begun": "GET /svc/slow?for=30s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer " + token + "\r\n\r\n",
				"upgrade":                   "GET /svc/ws HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + token + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
				"tunnel":                    "CONNECT " + echo + " HTTP/1.1\r\nHost: " + echo + "\r\nProxy-Authorization: Bearer " + token + "\r\n\r\n",
			} {
				conn := a.dial(t)
				io.WriteString(conn, request)
				if !strings.HasPrefix(what, "answer") {
					if status, head := readHead(t, conn); !strings.Contains(status, " 200 ") && !strings.Contains(status, " 101 ") {
						t.Fatalf("%s: %s\n%s", what, status, head)
					}
				}
				open[what] = conn
			}
			time.Sleep(200 * time.Millisecond)
			tt.end(account, id, grant)
			began := time.Now()
			var wg sync.WaitGroup
			for what, conn := range open {
				wg.Go(func() {
					first, _, _ := strings.Cut(what, " ")
					stays := strings.Contains(tt.stays, first) // tunnels are to a host of no connector
					conn.SetReadDeadline(began.Add(1500 * time.Millisecond))
					_, err := io.Copy(io.Discard, conn)
					took := time.Since(began).Round(time.Millisecond)
					var late net.Error
					if over := !errors.As(err, &late) || !late.Timeout(); over == stays {
						t.Errorf("%s after %v: over = %t (%v), want %t", what, took, over, err, !stays)
					} else if over && took > time.Second {
						t.Errorf("%s ended after %v, want within a second", what, took)
					}
					conn.Close()
				})
			}
			wg.Wait()
		})
	}
	if got := a.auditLines(t, 10, `"cut":"permission_ended"`); len(got) < 10 {
		t.Errorf("%d lines of the audit say that a permission ended, want at least 10", len(got))
	}
}
