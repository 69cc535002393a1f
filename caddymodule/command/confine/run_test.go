//go:build linux

package confine

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A command in it is as without: exit codes, signals, input, output, directory.
func TestRun(t *testing.T) {
	s := newStage(t)
	uid := uint32(os.Getuid())
	if !s.confinable(t, uid) {
		return
	}
	sh := func(line string) (int, string, string) { return ends(t, s.command(t, uid, "/bin/sh", "-c", line)) }
	for _, tt := range []struct {
		name, line string
		code       int
		out        string
	}{
		{"an exit code", "exit 7", 7, ""},
		{"a signal", "kill -TERM $$", -1, ""}, // ended by the signal itself
		{"the directory", "pwd; echo $PWD", 0, filepath.Join(s.dir, "work") + "\n" + filepath.Join(s.dir, "work") + "\n"},
		{"writing there", "echo text >new && cat new && rm new", 0, "text\n"},
		{"a home of its own", "ls -A ~; echo x >~/file && cat ~/file", 0, "x\n"},
		{"temporary files", "echo y >/tmp/file && cat /tmp/file && touch /var/tmp/z /dev/shm/z /run/z", 0, "y\n"},
		{"devices", "echo a >/dev/null; head -c3 /dev/zero | wc -c; test -c /dev/urandom && test -L /dev/stdin && echo yes", 0, "3\nyes\n"},
		{"its processes alone", "ls /proc >/tmp/list; grep -c '^[0-9]' /tmp/list", 0, "3\n"}, // the first, sh, ls
		{"its name", "cat /proc/1/comm | wc -l", 0, "1\n"},
		{"no rights", "grep -c 'Cap.*:\t0000000000000000' /proc/self/status; grep NoNewPrivs /proc/self/status", 0, "5\nNoNewPrivs:\t1\n"},
	} {
		code, out, errs := sh(tt.line)
		if code != tt.code || out != tt.out {
			t.Errorf("%s: exit %d, %q, %s; want %d, %q", tt.name, code, out, errs, tt.code, tt.out)
		}
	}
	t.Run("not there", func(t *testing.T) {
		if code, _, errs := ends(t, s.command(t, uid, filepath.Join(s.dir, "home", "nothing"))); code != 127 || !strings.Contains(errs, "--ro") {
			t.Errorf("exit %d: %s, want 127 and what to do", code, errs)
		}
		s.write(t, "work/text", "no program")
		if code, _, errs := ends(t, s.command(t, uid, filepath.Join(s.dir, "work", "text"))); code != 126 {
			t.Errorf("exit %d: %s, want 126", code, errs)
		}
	})
	t.Run("much input and output", func(t *testing.T) {
		text := []byte(strings.Repeat("0123456789abcdef", 1<<20))
		c := s.command(t, uid, "/bin/cat")
		c.Stdin = strings.NewReader(string(text))
		if code, out, errs := ends(t, c); code != 0 || sha256.Sum256([]byte(out)) != sha256.Sum256(text) {
			t.Errorf("exit %d, %d bytes: %s", code, len(out), errs)
		}
	})
	t.Run("a signal from outside", func(t *testing.T) {
		c := s.command(t, uid, "/bin/sh", "-c", `trap "echo caught; exit 3" TERM; echo ready; while :; do sleep 0.1; done`)
		out, err := c.StdoutPipe()
		if err != nil || c.Start() != nil {
			t.Fatal("not started", err)
		}
		r := bufio.NewReader(out)
		_, _ = r.ReadString('\n')
		_ = c.Process.Signal(syscall.SIGTERM)
		rest, _ := io.ReadAll(r)
		if err := c.Wait(); string(rest) != "caught\n" || c.ProcessState.ExitCode() != 3 {
			t.Errorf("%q, %v, want that the command caught it", rest, err)
		}
	})
	t.Run("killed from outside", func(t *testing.T) {
		c := s.command(t, uid, "/bin/sh", "-c", `echo ready; exec sleep 1000`)
		out, err := c.StdoutPipe()
		if err != nil || c.Start() != nil {
			t.Fatal("not started", err)
		}
		r := bufio.NewReader(out)
		_, _ = r.ReadString('\n')
		_ = c.Process.Kill()
		if _, err := io.ReadAll(r); err != nil { // ends when nobody has the pipe any more
			t.Error(err)
		}
		_ = c.Wait()
	})
	t.Run("nothing is left mounted", func(t *testing.T) {
		mounts, err := os.ReadFile("/proc/self/mounts")
		if err != nil || strings.Contains(string(mounts), s.dir) {
			t.Errorf("%v, or a run's mounts are in ours:\n%s", err, mounts)
		}
	})
	t.Run("wide directories", func(t *testing.T) {
		for _, dir := range []string{"/", "/tmp", "/etc", filepath.Join(s.dir, "home"), s.dir} {
			c := s.command(t, uid, "/bin/true")
			c.Dir = dir
			if code, _, errs := ends(t, c); code != 125 || !strings.Contains(errs, "working directory") {
				t.Errorf("in %s: exit %d, %s; want a refusal", dir, code, errs)
			}
		}
	})
	t.Run("options that are mistakes", func(t *testing.T) {
		for _, env := range []string{"RW=/nowhere", "RO=/proc", "RW=/", "RW=/dev", "HIDE=./typo"} {
			c := s.command(t, uid, "/bin/true")
			c.Env = append(c.Env, env)
			if code, _, errs := ends(t, c); code != 125 || !strings.Contains(errs, "--") {
				t.Errorf("%s: exit %d, %s; want a refusal", env, code, errs)
			}
		}
	})
	t.Run("confined in confined", func(t *testing.T) {
		c := s.command(t, uid, "/usr/bin/env", "CONFINE_TEST=run", s.program, "/bin/true")
		if code, _, errs := ends(t, c); code != 125 || !strings.Contains(errs, "namespaces") {
			t.Errorf("exit %d: %s; want a refusal that names what is missing", code, errs)
		}
	})
	t.Run("a kernel without Landlock", func(t *testing.T) {
		c := s.command(t, uid, "/bin/echo", "started")
		c.Env = append(c.Env, "WITHOUT_LANDLOCK=1")
		if code, out, errs := ends(t, c); code != 125 || out != "" || !strings.Contains(errs, "Landlock") {
			t.Errorf("exit %d: %q, %s; want a refusal", code, out, errs)
		}
		c = s.command(t, uid, "/bin/echo", "started")
		c.Env = append(c.Env, "WITHOUT_LANDLOCK=1", "BEST=1")
		if code, out, errs := ends(t, c); code != 0 || out != "started\n" || !strings.Contains(errs, "told: warning: ") || !strings.Contains(errs, "Landlock") {
			t.Errorf("exit %d: %q, %s; want that it goes on, and says so", code, out, errs)
		}
	})
	t.Run("too many processes", func(t *testing.T) {
		if os.Getuid() == 0 {
			uid = 65534 // of root the kernel counts none
		}
		c := s.command(t, uid, "/bin/sh", "-c", `i=0; while [ $i -lt 60 ]; do sleep 30 & i=$((i+1)); done; wait`)
		c.Env = append(c.Env, "MAX_PROCS=40")
		if code, _, errs := ends(t, c); code == 0 || !strings.Contains(strings.ToLower(errs), "fork") {
			t.Errorf("exit %d: %s; want that it cannot fork", code, errs)
		}
	})
}

// Clients that know of no proxy.
func TestCatch(t *testing.T) {
	s := newStage(t)
	uid := uint32(os.Getuid())
	if !s.confinable(t, uid) {
		return
	}
	script := `
curl -sS http://plain.test/a; echo
curl -sS -4 http://plain.test/b; echo
curl -sS -6 http://plain.test:1234/c; echo
curl -sS http://denied.test/d; echo
curl -sS http://192.0.2.7/e; echo
curl -sS 'http://[2001:db8::7]/f'; echo
curl -sS -x http://127.127.127.127:8080 http://proxied.test/g; echo
curl -sS --max-time 20 http://talks.test:2000/h --http0.9; echo
curl -sS -o /dev/null https://one.test/ --resolve one.test:443:192.0.2.9
curl -sS -o /dev/null https://two.test/ --connect-to two.test:443:one.test:443 2>&1
`
	code, out, errs := ends(t, s.command(t, uid, "/bin/sh", "-c", script))
	lines := strings.Split(out, "\n")
	want := []string{"at plain.test:80 as plain.test", "at plain.test:80 as plain.test", "at plain.test:1234 as plain.test:1234", "denied", "at 192.0.2.7:80 as 192.0.2.7", "at [2001:db8::7]:80 as [2001:db8::7]", "relayed"}
	for i, w := range want {
		if i >= len(lines) || lines[i] != w {
			t.Errorf("line %d: want %q in\n%s\n%s", i, w, out, errs)
		}
	}
	if !strings.Contains(out, "hello from talks.test:2000") {
		t.Errorf("a service that speaks first: %s\n%s", out, errs)
	}
	heard := s.heard()
	for _, w := range []string{"CONNECT plain.test:80 tok-of-the-agent", "CONNECT 192.0.2.9:443 tok-of-the-agent"} {
		if !slices.Contains(heard, w) {
			t.Errorf("the proxy heard nothing of %q: %q", w, heard)
		}
	}
	if slices.Contains(heard, "CONNECT one.test:443 tok-of-the-agent") || !strings.Contains(errs, "sni_mismatch") {
		t.Errorf("exit %d: another name than the connection's was passed on: %q\n%s", code, heard, errs)
	}
}

// A terminal: its size, and what is typed.
func TestTerminal(t *testing.T) {
	s := newStage(t)
	uid := uint32(os.Getuid())
	if !s.confinable(t, uid) {
		return
	}
	master, slave := terminal(t)
	c := s.command(t, uid, "/bin/sh", "-c", `stty size; tty; read line; stty size; echo "got $line"; trap "echo interrupted; exit 5" INT; echo waiting; while :; do sleep 0.1; done`)
	c.Stdin, c.Stdout, c.Stderr = slave, slave, slave
	if c.SysProcAttr == nil {
		c.SysProcAttr = &syscall.SysProcAttr{}
	}
	c.SysProcAttr.Setsid, c.SysProcAttr.Setctty = true, true
	size := func(rows, columns uint16) {
		if err := unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns}); err != nil {
			t.Fatal(err)
		}
	}
	size(30, 100)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	said := make(chan string, 100)
	go func() {
		defer close(said)
		r := bufio.NewReader(master)
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			said <- strings.TrimSpace(line)
		}
	}()
	until := func(want string) {
		t.Helper()
		var all []string
		for {
			select {
			case line, ok := <-said:
				all = append(all, line)
				if strings.HasSuffix(line, want) { // the terminal echoes ^C
					return
				}
				if !ok {
					t.Fatalf("no %q in %q", want, all)
				}
			case <-time.After(time.Minute):
				t.Fatalf("no %q in %q", want, all)
			}
		}
	}
	until("30 100")
	until("/dev/console")
	size(40, 120)
	fmt.Fprintln(master, "typed")
	until("40 120")
	until("got typed")
	until("waiting")
	fmt.Fprint(master, "\x03")
	until("interrupted")
	if err := c.Wait(); c.ProcessState.ExitCode() != 5 {
		t.Errorf("%v, want exit 5", err)
	}
}

func terminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return master, slave
}
