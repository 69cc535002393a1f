//go:build linux

package confine

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Everything in testdata/attempts.txt fails, whoever runs it.
func TestAttempts(t *testing.T) {
	text, err := os.ReadFile("testdata/attempts.txt")
	if err != nil {
		t.Fatal(err)
	}
	for who, uid := range users() {
		t.Run(who, func(t *testing.T) {
			s := newStage(t)
			if !s.confinable(t, uid) {
				return
			}
			for _, name := range []string{"home/.aws/credentials", "home/.ssh/id_ed25519", "given/.ssh/id_ed25519", "given/.git-credentials", "given/.npmrc", "given/.docker/config.json", "given/.kube/config",
				"vault/vault.db", "vault/vault.key", "outside.txt", "work/hidden.env", "work/readonly/file", "given/plain"} {
				s.write(t, name, "secret of "+name)
			}
			if err := os.Symlink("../outside.txt", filepath.Join(s.dir, "work", "link")); err != nil {
				t.Fatal(err)
			}
			outside, err := net.Listen("unix", filepath.Join(s.dir, "outside.sock"))
			if err != nil {
				t.Fatal(err)
			}
			defer outside.Close()
			abstract := fmt.Sprintf("confine-%d-%d", os.Getpid(), uid)
			hears, err := net.Listen("unix", "@"+abstract)
			if err != nil {
				t.Fatal(err)
			}
			defer hears.Close()
			_, port, _ := net.SplitHostPort(s.proxy.Addr().String())
			given := filepath.Join(s.dir, "given")
			replaced := strings.NewReplacer("%PORT%", port, "%ABSTRACT%", abstract, "%SOCKET%", outside.Addr().String(), "%HOME%", filepath.Join(s.dir, "home"), "%GIVEN%", given,
				"%VAULT%", filepath.Join(s.dir, "vault"), "%OUTSIDE%", filepath.Join(s.dir, "outside.txt"), "%PID%", strconv.Itoa(os.Getpid())).Replace(string(text))
			rows := s.command(t, uid, s.program)
			rows.Stdin = strings.NewReader(replaced)
			// The stage's "given" is the home here, so that what is hidden in homes is hidden in it.
			rows.Env = append(rows.Env, "HOME="+given, "RW="+given, "RO="+filepath.Join(s.dir, "bin")+" ./readonly", "HIDE=./hidden.env", "NEVER="+filepath.Join(s.dir, "vault"),
				"OPENAI_API_KEY=sk-secret-of-the-user", "SSH_AUTH_SOCK=ssh-agent-socket")
			nine, err := os.Open(filepath.Join(s.dir, "outside.txt"))
			if err != nil {
				t.Fatal(err)
			}
			defer nine.Close()
			rows.ExtraFiles = []*os.File{nine, nine, nine, nine, nine, nine, nine} // 3 to 9
			code, out, errs := ends(t, rows)
			if code != 0 {
				t.Fatalf("exit %d:\n%s%s", code, out, errs)
			}
			tried := 0
			for line := range strings.Lines(out) {
				if name, ok := strings.CutPrefix(line, "THROUGH "); ok {
					t.Errorf("went through: %s", name)
				}
				if strings.HasPrefix(line, "stopped ") {
					tried++
				}
			}
			if tried < 60 {
				t.Errorf("%d attempts were stopped:\n%s%s", tried, out, errs)
			}
			t.Logf("%d attempts", tried)
			for _, asked := range s.heard() {
				if strings.Contains(asked, ":22 ") || strings.Contains(asked, ":25 ") || strings.Contains(asked, "dns.google") {
					t.Errorf("the proxy was asked: %s", asked)
				}
			}
		})
	}
}

// hostile is the program inside: it tries what its input says.
func hostile() int {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		parts := strings.Split(lines.Text(), "|")
		if len(parts) < 3 || strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		name, do, want := strings.TrimSpace(parts[0]), strings.TrimSpace(strings.Join(parts[1:len(parts)-1], "|")), strings.TrimSpace(parts[len(parts)-1])
		verb, rest, _ := strings.Cut(do, " ")
		err := attempt(verb, rest)
		var errno syscall.Errno
		switch {
		case err == nil:
			fmt.Println("THROUGH", name)
		case want != "any" && (!errors.As(err, &errno) || unix.ErrnoName(errno) != want):
			fmt.Println("THROUGH", name, "- stopped by another error:", err)
		default:
			fmt.Println("stopped", name+":", err)
		}
	}
	return 0
}

var errEmpty = errors.New("it is empty")

func attempt(verb, rest string) error {
	switch verb {
	case "socket":
		n := numbers(strings.Fields(rest))
		fd, _, errno := syscall.RawSyscall(syscall.SYS_SOCKET, n[0], n[1], n[2])
		if errno == 0 {
			_ = syscall.Close(int(fd))
			return nil
		}
		return errno
	case "call":
		words := strings.Fields(rest)
		n := append(numbers(words[1:]), 0, 0, 0, 0, 0, 0)
		number, ok := calls[words[0]]
		if !ok {
			panic("no call " + words[0])
		}
		if _, _, errno := syscall.RawSyscall6(number, n[0], n[1], n[2], n[3], n[4], n[5]); errno != 0 {
			return errno
		}
		return nil
	case "read":
		text, err := os.ReadFile(rest)
		if err == nil && len(text) == 0 {
			err = errEmpty
		}
		return err
	case "list":
		all, err := os.ReadDir(rest)
		if err == nil && len(all) == 0 {
			err = errEmpty
		}
		return err
	case "write":
		f, err := os.OpenFile(rest, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = f.WriteString("x")
		return err
	case "dial":
		network, address, _ := strings.Cut(rest, " ")
		return dials(network, address)
	case "udp":
		c, err := net.Dial("udp", rest)
		if err != nil {
			return err
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := c.Write([]byte("x")); err != nil {
			return err
		}
		_, err = c.Read(make([]byte, 10))
		return err
	case "sh":
		return exec.Command("sh", "-c", rest).Run()
	case "env":
		if strings.Contains(strings.Join(os.Environ(), "\n"), rest) {
			return nil
		}
		return errEmpty
	}
	panic("no verb " + verb)
}

// dials connects, and is through when something but a refusal comes back.
func dials(network, address string) error {
	c, err := net.DialTimeout(network, address, 10*time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := c.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
		return err
	}
	said := make([]byte, 512)
	n, err := c.Read(said)
	text := string(said[:n])
	switch {
	case err != nil:
		return err
	case strings.Contains(text, "attache:"):
		return errors.New(strings.TrimSpace(text))
	case n > 0 && said[0] == 0x15:
		return errors.New("alert")
	case strings.Contains(text, "at 169.254.169.254:80"):
		return errors.New("for the proxy to refuse: " + text) // its guard is another test's
	}
	return nil
}

func numbers(words []string) (out []uintptr) {
	for _, w := range words {
		n, err := strconv.ParseInt(w, 0, 64)
		if err != nil {
			panic(err)
		}
		out = append(out, uintptr(n))
	}
	return out
}

var calls = map[string]uintptr{
	"unshare": unix.SYS_UNSHARE, "clone": unix.SYS_CLONE, "clone3": unix.SYS_CLONE3, "setns": unix.SYS_SETNS, "mount": unix.SYS_MOUNT, "umount2": unix.SYS_UMOUNT2,
	"open_tree": unix.SYS_OPEN_TREE, "fsopen": unix.SYS_FSOPEN, "move_mount": unix.SYS_MOVE_MOUNT, "mount_setattr": unix.SYS_MOUNT_SETATTR, "chroot": unix.SYS_CHROOT, "pivot_root": unix.SYS_PIVOT_ROOT,
	"open_by_handle_at": unix.SYS_OPEN_BY_HANDLE_AT, "ptrace": unix.SYS_PTRACE, "process_vm_readv": unix.SYS_PROCESS_VM_READV, "process_vm_writev": unix.SYS_PROCESS_VM_WRITEV, "pidfd_getfd": unix.SYS_PIDFD_GETFD,
	"keyctl": unix.SYS_KEYCTL, "add_key": unix.SYS_ADD_KEY, "request_key": unix.SYS_REQUEST_KEY, "io_uring_setup": unix.SYS_IO_URING_SETUP, "bpf": unix.SYS_BPF, "perf_event_open": unix.SYS_PERF_EVENT_OPEN,
	"userfaultfd": unix.SYS_USERFAULTFD, "kexec_load": unix.SYS_KEXEC_LOAD, "init_module": unix.SYS_INIT_MODULE, "finit_module": unix.SYS_FINIT_MODULE, "swapon": unix.SYS_SWAPON, "reboot": unix.SYS_REBOOT,
	"clock_settime": unix.SYS_CLOCK_SETTIME, "syslog": unix.SYS_SYSLOG, "sethostname": unix.SYS_SETHOSTNAME, "ioctl": unix.SYS_IOCTL, "personality": unix.SYS_PERSONALITY, "fanotify_init": unix.SYS_FANOTIFY_INIT, "quotactl": unix.SYS_QUOTACTL, "openat2": unix.SYS_OPENAT2,
}
