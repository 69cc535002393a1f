//go:build linux

package confine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/attache-proxy/attache/caddymodule/command/process"
	"github.com/attache-proxy/attache/caddymodule/command/relay"
	"github.com/attache-proxy/attache/providers/secret"
)

// The test's own program is also what is confined, and who confines it.
func TestMain(m *testing.M) {
	switch os.Getenv("CONFINE_TEST") {
	case "run":
		os.Exit(runs())
	case "inside":
		os.Exit(hostile())
	}
	os.Exit(m.Run())
}

// runs starts os.Args[1:] confined, as attache exec does.
func runs() int {
	if os.Getenv("WITHOUT_LANDLOCK") != "" {
		withoutLandlock()
	}
	dir, _ := os.Getwd()
	env := []string{"CONFINE_TEST=inside"}
	for _, line := range os.Environ() {
		if !strings.HasPrefix(line, "CONFINE_TEST=") {
			env = append(env, line)
		}
	}
	env, _ = withoutSecrets(env, func(string) bool { return false })
	split := func(name string) []string { return strings.Fields(os.Getenv(name)) }
	c := Command{
		Path: os.Args[1], Args: os.Args[1:], Env: env,
		Files: Files{
			Dir: dir, Home: os.Getenv("HOME"), Path: os.Getenv("PATH"),
			ReadOnly: split("RO"), ReadWrite: split("RW"), Hide: split("HIDE"), Never: split("NEVER"),
		},
		MaxDisk: 32 << 20, Best: os.Getenv("BEST") != "",
		Proxy: relay.Proxy{
			URL: &url.URL{Scheme: "http", Host: os.Getenv("PROXY")}, Agent: "ada", Token: secret.New("tok-of-the-agent"),
			Dial: func(ctx context.Context) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "tcp", os.Getenv("PROXY"))
			},
		},
		Say: func(line string) { fmt.Fprintln(os.Stderr, "told:", line) },
	}
	if n := os.Getenv("MAX_PROCS"); n != "" {
		_, _ = fmt.Sscan(n, &c.MaxProcs)
	}
	err := Run(c)
	var ended process.Ended
	if errors.As(err, &ended) {
		return int(ended)
	}
	fmt.Fprintln(os.Stderr, "error:", err)
	return process.Code(err)
}

// withoutLandlock makes this kernel one that has none.
func withoutLandlock() {
	p, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: offNumber, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.SYS_LANDLOCK_CREATE_RULESET, SkipFalse: 1},
		fails(unix.ENOSYS),
		bpf.RetConstant{Val: retAllow},
	})
	if err != nil {
		panic(err)
	}
	var raw []unix.SockFilter
	for _, i := range p {
		raw = append(raw, unix.SockFilter{Code: i.Op, Jt: i.Jt, Jf: i.Jf, K: i.K})
	}
	runtime.LockOSThread()
	program := unix.SockFprog{Len: uint16(len(raw)), Filter: &raw[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		panic(err)
	}
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, 1, 1, uintptr(unsafe.Pointer(&program))); errno != 0 {
		panic(errno)
	}
}

// stage is a directory in which runs take place, and a proxy that says what it was
// asked for.
type stage struct {
	dir, program string
	proxy        net.Listener
	mu           sync.Mutex
	asked        []string
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{}
	base, err := os.MkdirTemp("", "confine")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	if err := os.Chmod(base, 0o755); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	s.dir, s.program = base, filepath.Join(base, "bin", "program")
	s.write(t, "bin/program", string(text))
	if err := os.Chmod(s.program, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"work", "home"} {
		s.write(t, dir+"/.keep", "")
	}
	if s.proxy, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.proxy.Close() })
	go s.serve()
	return s
}

func (s *stage) write(t *testing.T, name, text string) {
	t.Helper()
	at := filepath.Join(s.dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.WriteFile(at, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// serve opens tunnels, but to denied.test, and answers in them with the target's name.
func (s *stage) serve() {
	for {
		c, err := s.proxy.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			r := bufio.NewReader(c)
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			_, password, _ := (&http.Request{Header: http.Header{"Authorization": req.Header["Proxy-Authorization"]}}).BasicAuth()
			s.mu.Lock()
			s.asked = append(s.asked, req.Method+" "+req.Host+" "+password)
			s.mu.Unlock()
			if strings.HasPrefix(req.Host, "denied.test") {
				_, _ = io.WriteString(c, "HTTP/1.1 403 attache: no_connector\r\nAttache-Error: no_connector\r\nContent-Length: 6\r\n\r\ndenied")
				return
			}
			if req.Method != http.MethodConnect {
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\nrelayed")
				return
			}
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
			if strings.HasPrefix(req.Host, "talks.test") { // the service speaks first
				_, _ = io.WriteString(c, "hello from "+req.Host+"\n")
			}
			inner, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			body := "at " + req.Host + " as " + inner.Host
			_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(body), body)
		}()
	}
}

func (s *stage) heard() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.asked...)
}

// users are who runs a test: everybody, and where we are root also nobody.
func users() map[string]uint32 {
	if os.Getuid() == 0 {
		return map[string]uint32{"root": 0, "an ordinary user": 65534}
	}
	return map[string]uint32{"us": uint32(os.Getuid())}
}

// command is a confined command in the stage's work directory.
func (s *stage) command(t *testing.T, uid uint32, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	c := exec.CommandContext(ctx, s.program, args...)
	c.Dir = filepath.Join(s.dir, "work")
	c.Env = []string{"CONFINE_TEST=run", "PROXY=" + s.proxy.Addr().String(), "HOME=" + filepath.Join(s.dir, "home"), "PATH=" + os.Getenv("PATH"), "RO=" + filepath.Join(s.dir, "bin")}
	if os.Getuid() == 0 {
		if err := filepath.WalkDir(s.dir, func(at string, _ os.DirEntry, err error) error {
			return errors.Join(err, os.Lchown(at, int(uid), int(uid)))
		}); err != nil {
			t.Fatal(err)
		}
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	}
	return c
}

// ends runs a command and returns its exit code and what it said.
func ends(t *testing.T, c *exec.Cmd) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil && c.ProcessState == nil {
		t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), out.String(), errs.String()
}

// confinable reports whether this kernel confines at all. Where it does not, that
// nothing is started and why is said is what can be tested, and is.
func (s *stage) confinable(t *testing.T, uid uint32) bool {
	t.Helper()
	code, out, errs := ends(t, s.command(t, uid, "/bin/sh", "-c", "echo started"))
	if code == 0 && out == "started\n" {
		return true
	}
	if code != process.Ours || out != "" || !strings.Contains(errs, "error: ") || !strings.Contains(errs, "docs/confinement.md") {
		t.Fatalf("exit %d: %q, %s; want a refusal that says what the kernel lacks", code, out, errs)
	}
	t.Logf("this kernel confines nothing: %s", errs)
	return false
}
