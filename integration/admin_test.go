package integration_test

import (
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// listeners are the TCP addresses on which a process listens, from its file
// descriptors and proc(5), net/tcp.
func listeners(t testing.TB, pid int) []string {
	t.Helper()
	sockets := map[string]bool{}
	fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, fd := range fds {
		if link, err := os.Readlink(fd); err == nil && strings.HasPrefix(link, "socket:[") {
			sockets[strings.Trim(link[len("socket:"):], "[]")] = true
		}
	}
	var all []string
	for _, file := range []string{"tcp", "tcp6"} {
		for line := range strings.Lines(readFile(t, fmt.Sprintf("/proc/%d/net/%s", pid, file))) {
			const listening = "0A"
			if f := strings.Fields(line); len(f) > 9 && f[3] == listening && sockets[f[9]] {
				all = append(all, hexAddress(t, f[1]))
			}
		}
	}
	if len(all) == 0 {
		t.Fatalf("process %d listens nowhere: the test does not see", pid)
	}
	return all
}

// hexAddress reads 0100007F:1F90, whose words are in the machine's byte order
// (little-endian wherever we run).
func hexAddress(t testing.TB, s string) string {
	t.Helper()
	host, port, _ := strings.Cut(s, ":")
	b, err := hex.DecodeString(host)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(b); i += 4 {
		b[i], b[i+1], b[i+2], b[i+3] = b[i+3], b[i+2], b[i+1], b[i]
	}
	p, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort(net.IP(b).String(), fmt.Sprint(p))
}

// Caddy's admin API is on its socket and nowhere else: not on TCP, and not
// behind the proxy by any spelling of its address.
func TestAdminAPI(t *testing.T) {
	d := newDemo(t)
	for _, l := range listeners(t, d.cmd.Process.Pid) {
		if l != d.Addr {
			t.Errorf("attache listens on %s, want only %s", l, d.Addr)
		}
	}
	info, err := os.Stat(filepath.Join(d.Dir, "admin.sock"))
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		t.Errorf("the admin socket may be used by others: %v", mode)
	}
	for _, path := range []string{"/config/", "/load", "/pki/ca/attache", "/metrics", "/debug/pprof/", "/reverse_proxy/upstreams", "/stop"} {
		t.Run(path, func(t *testing.T) {
			for _, args := range [][]string{{d.URL + path}, {"-x", d.URL, "http://localhost:2019" + path}, {"-x", d.URL, "http://127.0.0.1:2019" + path},
				{"-H", "Host: localhost:2019", d.URL + path}, {"-x", d.URL, d.URL + path}} {
				r := client{}.run(t, "curl", append([]string{"-sS", "-i"}, args...)...)
				if !strings.Contains(r.Stdout, "Attache-Error: ") {
					t.Errorf("want a refusal: %v", r)
				}
			}
		})
	}
}

// Without an `admin` option Caddy opens localhost:2019. That is said at the
// start, since an agent could reach it.
func TestAdminOnTCPWarns(t *testing.T) {
	a := newAttache(t, setup{Attache: "agent local", Stopped: true})
	port := freePort(t)
	writeFile(t, a.Caddyfile, strings.Replace(readFile(t, a.Caddyfile), fmt.Sprintf("admin unix/%s/admin.sock", a.Dir), fmt.Sprintf("admin 127.0.0.1:%d", port), 1))
	a.start()
	found := false
	for line := range strings.Lines(a.Log.String()) {
		found = found || strings.Contains(line, `"level":"warn"`) && strings.Contains(line, "admin")
	}
	if !found {
		t.Errorf("no warning about the admin API on TCP:\n%s", clip(a.Log.String()))
	}
}

// The proxy reached through itself answers once; it does not go round.
func TestNoLoop(t *testing.T) {
	d := newDemo(t, func(s *setup) {
		// As a developer's shell may have it when starting the proxy.
		s.Attache += "allow_address 127.0.0.1\n"
	})
	d2 := newDemo(t, func(s *setup) {
		s.Port = freePort(t)
		own := fmt.Sprintf("http://127.0.0.1:%d", s.Port)
		s.Env = append(s.Env, "HTTP_PROXY="+own, "HTTPS_PROXY="+own, "http_proxy="+own, "https_proxy="+own)
	})
	checkCurl(t, d2.curl(t, "-x", d2.URL, "--cacert", d2.CA, "https://demo.test/whoami"), authenticated+"\n200 2")
	checkCurl(t, d2.curl(t, d2.URL+"/demo/whoami"), authenticated+"\n200 1.1")

	before := strings.Count(d.Log.String(), "\n")
	client{}.run(t, "curl", "-sS", "--max-time", "5", "-x", d.URL, "--proxytunnel", d.URL+"/demo/whoami")
	if lines := strings.Count(d.Log.String(), "\n") - before; lines > 60 {
		t.Errorf("a request through the proxy to itself left %d lines in the log: it goes round", lines)
	}
}
