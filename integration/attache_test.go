package integration_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// setup is what a test wants of its proxy; everything else is as
// Caddyfile.example has it.
type setup struct {
	Options  string       // further global options
	Attache  string       // inside the global option `attache`: connectors, agents
	Listener string       // inside the listener's `attache`; default "agent local"
	Sites    string       // further sites
	Env      []string     // of the proxy: where credentials come from
	Port     int          // default: a free one
	Trust    []*authority // CAs that the proxy accepts from services
	Plain    bool         // without the race detector, for tests that measure
	Stopped  bool         // write everything, start nothing
	Logged   bool         // with Caddy's access log; requests in tunnels then pass through all of Caddy's server
	Files    int          // how many descriptors the proxy may have; 0: as many as we
}

// attache is a running proxy with a configuration, state and log of its own.
type attache struct {
	Dir       string // short, since unix sockets lie in it
	Caddyfile string
	Addr      string // host:port of the listener
	URL       string // http://Addr
	CA        string // file with the root certificate that intercepts
	Log       *buffer

	t    testing.TB
	s    setup
	port int
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
}

// newAttache starts the proxy and waits until it listens. It ends with the test.
func newAttache(t testing.TB, s setup) *attache {
	t.Helper()
	integration(t)
	dir, err := os.MkdirTemp("", "att")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	port := s.Port
	if port == 0 {
		port = freePort(t)
	}
	a := &attache{t: t, s: s, Dir: dir, port: port, Log: &buffer{},
		Caddyfile: filepath.Join(dir, "Caddyfile"), Addr: "127.0.0.1:" + strconv.Itoa(port)}
	a.URL = "http://" + a.Addr
	writeFile(t, a.Caddyfile, a.caddyfile(s))
	if !s.Stopped {
		a.start()
	}
	return a
}

func (a *attache) caddyfile(s setup) string {
	listener := s.Listener
	if listener == "" {
		listener = "agent local"
	}
	return fmt.Sprintf(`{
	admin unix/%[1]s/admin.sock
	storage file_system %[1]s/storage
	grace_period 5s
	log {
		level DEBUG
	}
	%[2]s
	attache {
		%[3]s
	}
}
http://:%[4]d {
	bind 127.0.0.1
	%[7]s
	%[5]s
}
%[6]s
`, a.Dir, s.Options, s.Attache, a.port, directive(listener), s.Sites, map[bool]string{true: "log"}[s.Logged || os.Getenv("ATTACHE_COMPOSED") == "1"])
}

// directive is the site's, with its options. With ATTACHE_COMPOSED=1 it is the
// other way to write it, by which requests go through Caddy's reverse_proxy.
func directive(options string) string {
	if os.Getenv("ATTACHE_COMPOSED") != "1" || slices.ContainsFunc(strings.Split(options, "\n"), notOfMatch) {
		return "attache {\n" + options + "\n}"
	}
	return "attache_match {\n" + options + "\n}\nreverse_proxy {\ndynamic attache\ntransport attache\nstream_close_delay 24h\n}"
}

// notOfMatch reports an option that attache_match does not have.
func notOfMatch(line string) bool {
	word, _, _ := strings.Cut(strings.TrimSpace(line), " ")
	return word != "" && !slices.Contains([]string{"agent", "agent_from_certificate", "unmatched", "name"}, word)
}

// env is the environment of the proxy and of its commands.
func (a *attache) env() []string {
	env := cleanEnv(a.Dir)
	if len(a.s.Trust) > 0 {
		var pem []byte
		for _, ca := range a.s.Trust {
			pem = append(pem, ca.PEM...)
		}
		env = append(env, "SSL_CERT_FILE="+writeFile(a.t, filepath.Join(a.Dir, "trust.pem"), string(pem)))
	}
	return append(env, a.s.Env...)
}

func (a *attache) start() {
	t := a.t
	t.Helper()
	bin := raceBinary(t)
	if a.s.Plain {
		bin = plainBinary(t)
	}
	a.cmd = exec.Command(bin, "run", "--config", a.Caddyfile)
	if a.s.Files > 0 {
		a.cmd = exec.Command("/bin/sh", "-c", fmt.Sprintf(`ulimit -n %d; exec "$0" "$@"`, a.s.Files), bin, "run", "--config", a.Caddyfile)
	}
	a.cmd.Dir, a.cmd.Env = a.Dir, a.env()
	a.cmd.Stdout, a.cmd.Stderr = a.Log, a.Log
	a.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := a.cmd.Start(); err != nil {
		t.Fatalf("starting attache: %v", err)
	}
	a.done = make(chan struct{})
	go func() { a.cmd.Wait(); close(a.done) }()
	t.Cleanup(func() {
		a.stop()
		a.check()
	})

	deadline := time.Now().Add(30 * time.Second)
	for {
		if conn, err := net.DialTimeout("tcp", a.Addr, time.Second); err == nil {
			conn.Close()
			break
		}
		select {
		case <-a.done:
			t.Fatalf("attache ended at its start:\n%s\nwith\n%s", clip(a.Log.String()), readFile(t, a.Caddyfile))
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("attache does not listen on %s after 30 s:\n%s", a.Addr, clip(a.Log.String()))
		}
	}
	a.CA = a.rootCertificate()
}

// rootCertificate finds the CA's certificate in the proxy's storage, so that
// only the tests of `attache ca` and of the well-known endpoint need those.
func (a *attache) rootCertificate() string {
	pattern := filepath.Join(a.Dir, "storage", "pki", "authorities", "attache", "root.crt")
	for range 100 {
		if _, err := os.Stat(pattern); err == nil {
			return pattern
		}
		time.Sleep(50 * time.Millisecond)
	}
	a.t.Fatalf("no CA certificate at %s after 5 s:\n%s", pattern, clip(a.Log.String()))
	return ""
}

// stop ends the proxy as an operator would; it kills one that takes over 20 s.
func (a *attache) stop() {
	if a.cmd == nil {
		return
	}
	a.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-a.done:
	case <-time.After(20 * time.Second):
		a.cmd.Process.Signal(syscall.SIGQUIT)
		a.t.Errorf("attache did not end within 20 s of SIGTERM")
		time.Sleep(time.Second)
		a.cmd.Process.Kill()
		<-a.done
	}
}

// check looks for what must be in no proxy's log, and shows the log of a test
// that failed.
func (a *attache) check() {
	log := a.Log.String()
	for _, race := range races(log) {
		a.t.Errorf("attache's log has a data race:\n%s", clip(race))
	}
	for _, bad := range []string{"panic: ", "http: panic serving", "superfluous response.WriteHeader"} {
		if i := strings.Index(log, bad); i >= 0 {
			a.t.Errorf("attache's log has %q:\n%s", bad, clip(log[i:]))
		}
	}
	if a.t.Failed() {
		a.t.Logf("the end of attache's log:\n%s", telling(log))
	}
}

// racesOfCaddy are races within Caddy 2.11.9 that need no code of ours: what
// both stacks of a report name. Each is on a counter or a flag that is read
// while the transport still reads a request's body whose answer came early.
var racesOfCaddy = [][2]string{
	{"(*bodyNopCloserIfNotRead).Read()", "(*bodyNopCloserIfNotRead).Close()"},
	{"(*lengthReader).Read()", "(*Server).logRequest()"},
}

// races are the reports of the race detector in a log, without those of Caddy.
func races(log string) []string {
	var found []string
	for report := range strings.SplitSeq(log, "==================\n") {
		known := slices.ContainsFunc(racesOfCaddy, func(both [2]string) bool {
			return strings.Contains(report, both[0]) && strings.Contains(report, both[1])
		})
		if strings.HasPrefix(report, "WARNING: DATA RACE") && !known {
			found = append(found, report)
		}
	}
	return found
}

// reload writes a new configuration and signals the proxy. It reports what
// the proxy says of it: loaded or refused.
func (a *attache) reload(s setup) (ok bool) {
	a.t.Helper()
	writeFile(a.t, a.Caddyfile, a.caddyfile(s))
	from := a.Log.Len()
	a.cmd.Process.Signal(syscall.SIGUSR1)
	const loaded, refused = "successfully reloaded config from file", "failed to reload config from file"
	for range 200 {
		switch log := a.Log.String()[from:]; {
		case strings.Contains(log, loaded):
			return true
		case strings.Contains(log, refused):
			return false
		}
		time.Sleep(50 * time.Millisecond)
	}
	a.t.Fatalf("attache says nothing of the reload within 10 s:\n%s", clip(a.Log.String()[from:]))
	return false
}

// command runs another command of the binary, such as `attache doctor`.
func (a *attache) command(args ...string) result {
	a.t.Helper()
	return client{Env: a.env()}.run(a.t, raceBinary(a.t), args...)
}

// rss is the resident memory of the proxy in bytes; peak is its highest value
// since the process began. Both are from /proc (see proc(5), status).
func (a *attache) rss() (now, peak int) {
	a.t.Helper()
	status := readFile(a.t, fmt.Sprintf("/proc/%d/status", a.cmd.Process.Pid))
	for line := range strings.Lines(status) {
		f := strings.Fields(line)
		if len(f) != 3 {
			continue
		}
		kib, _ := strconv.Atoi(f[1])
		switch f[0] {
		case "VmRSS:":
			now = kib << 10
		case "VmHWM:":
			peak = kib << 10
		}
	}
	return now, peak
}

// freePort is a port that nobody listens on right now.
func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// telling is what of a log helps to see why a test failed: the last warnings
// and errors that are not of every start, and audit events; each cut short.
func telling(log string) string {
	everyStart := []string{"is not formatted", "host checking disabled", "skipped because it requires TLS", "shutting down apps", "exiting;"}
	var lines []string
	for line := range strings.Lines(log) {
		usual := slices.ContainsFunc(everyStart, func(s string) bool { return strings.Contains(line, s) })
		level := !strings.Contains(line, `"level":"debug"`) && !strings.Contains(line, `"level":"info"`)
		if level && !usual || strings.Contains(line, `"attache.audit"`) {
			lines = append(lines, strings.TrimSpace(line[:min(len(line), 600)]))
		}
	}
	return tail(strings.Join(lines, "\n"), 12)
}

// tail returns the last lines of a log.
func tail(s string, lines int) string {
	all := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// buffer is a bytes.Buffer that a process writes while a test reads it.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func (b *buffer) Len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Len()
}
