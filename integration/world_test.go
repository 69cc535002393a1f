package integration_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// A world is a network of the test's own: its loopback interface has public
// and private addresses, its name server knows the names the test wants, and
// its ports below 1024 are free. So a request to api.github.com reaches a
// server of the test, and one to the cloud's metadata address would, too.
//
// A test in a world starts this test binary again in new network and mount
// namespaces (network_namespaces(7)), as root or in a user namespace.

// worldEnv names the directory for a world's files in the process within.
const worldEnv = "ATTACHE_TEST_WORLD"

// Addresses of a world beside 127.0.0.0/8 and ::1.
const (
	publicIP   = "52.1.2.3"
	publicIP2  = "52.1.2.4"
	publicIP6  = "2600:1f00::3"
	metadataIP = "169.254.169.254"
	privateIP  = "10.1.2.3"
	cgnatIP    = "100.64.0.9"
	uniqueIP6  = "fd00:ec2::254"
	nat64IP6   = "64:ff9b::a9fe:a9fe" // 169.254.169.254 in RFC 6052 form
	sixToFour  = "2002:a9fe:a9fe::1"  // 169.254.169.254 in RFC 3056 form
)

var worldAddresses = []string{publicIP, publicIP2, publicIP6, metadataIP, privateIP, cgnatIP, uniqueIP6, nat64IP6, sixToFour}

// inWorld reports whether this process already is in a world. If not, it runs
// the calling test in one and takes over its outcome.
func inWorld(t *testing.T) bool {
	t.Helper()
	integration(t)
	if os.Getenv(worldEnv) != "" {
		return true
	}
	program(t, "ip")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), worldEnv+"="+t.TempDir(), "ATTACHE_BIN="+plainBinary(t))
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	var out buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		missing(t, fmt.Sprintf("a network namespace (as root, or user namespaces for others): %v", err))
	}
	err = cmd.Wait()
	if err != nil {
		t.Fatalf("in its own network: %v\n%s", err, out.String())
	}
	if !strings.Contains(out.String(), "--- PASS: "+t.Name()) {
		t.Fatalf("in its own network the test did not run:\n%s", out.String())
	}
	return false
}

// enterWorld makes the network of a process that just got its namespaces, with
// its files in dir.
func enterWorld(dir string) error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making mounts private: %w", err)
	}
	for file, content := range map[string]string{
		"/etc/resolv.conf": "nameserver 127.0.0.1\noptions timeout:2 attempts:1\n",
		"/etc/hosts":       "127.0.0.1 localhost\n::1 localhost ip6-localhost\n",
	} {
		target, err := filepath.EvalSymlinks(file)
		if err != nil {
			return err
		}
		replacement := filepath.Join(dir, filepath.Base(file))
		if err := os.WriteFile(replacement, []byte(content), 0o644); err != nil {
			return err
		}
		if err := syscall.Mount(replacement, target, "", syscall.MS_BIND, ""); err != nil {
			return fmt.Errorf("replacing %s: %w", file, err)
		}
	}
	commands := [][]string{{"link", "set", "lo", "up"}}
	for _, a := range worldAddresses {
		add := []string{"addr", "add", a, "dev", "lo"}
		if strings.Contains(a, ":") {
			add = append(add, "nodad") // else it may not be used for a second
		}
		commands = append(commands, add)
	}
	for _, c := range commands {
		if out, err := exec.Command("/sbin/ip", c...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", strings.Join(c, " "), err, out)
		}
	}
	return nil
}

// installRoot makes a CA one of the system's roots, for this world only.
func installRoot(t testing.TB, ca *authority) {
	t.Helper()
	const roots = "/etc/ssl/certs/ca-certificates.crt"
	target, err := filepath.EvalSymlinks(roots)
	if err != nil {
		missing(t, roots+" (Debian's ca-certificates)")
	}
	all := writeFile(t, filepath.Join(t.TempDir(), "roots.crt"), readFile(t, target)+string(ca.PEM))
	if err := syscall.Mount(all, target, "", syscall.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Unmount(target, syscall.MNT_DETACH) })
}

// names is the world's name server. The same name may have several answers:
// each question gets the next one, and the last one stays.
type names struct {
	mu      sync.Mutex
	answers map[string][][]string // name without the last dot → answers → addresses
	asked   map[string]int
}

// newNames serves DNS on 127.0.0.1:53 of a world.
func newNames(t testing.TB) *names {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:53")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	n := &names{answers: map[string][][]string{}, asked: map[string]int{}}
	go func() {
		p := make([]byte, 1500)
		for {
			size, from, err := conn.ReadFrom(p)
			if err != nil {
				return
			}
			if reply := n.reply(p[:size]); reply != nil {
				conn.WriteTo(reply, from)
			}
		}
	}()
	return n
}

// set gives a name its answers, each a list of addresses.
func (n *names) set(name string, answers ...[]string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.answers[name], n.asked[name] = answers, 0
}

// reply answers one question; names that were not set do not exist.
func (n *names) reply(query []byte) []byte {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	m.Header.Response, m.Header.RecursionAvailable = true, true
	m.Additionals = nil
	addresses, known := n.next(strings.ToLower(strings.TrimSuffix(q.Name.String(), ".")), q.Type)
	if !known {
		m.Header.RCode = dnsmessage.RCodeNameError
	}
	for _, a := range addresses {
		ip := net.ParseIP(a)
		h := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: dnsmessage.ClassINET} // TTL 0
		switch ip4 := ip.To4(); {
		case ip4 != nil && !strings.Contains(a, ":") && q.Type == dnsmessage.TypeA:
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AResource{A: [4]byte(ip4)}})
		case strings.Contains(a, ":") && q.Type == dnsmessage.TypeAAAA:
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AAAAResource{AAAA: [16]byte(ip.To16())}})
		}
	}
	reply, err := m.Pack()
	if err != nil {
		return nil
	}
	return reply
}

// next is the answer to give now. Only questions for A records count as asked,
// since resolvers ask for both types at once.
func (n *names) next(name string, qtype dnsmessage.Type) ([]string, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	answers, known := n.answers[name]
	if !known {
		return nil, false
	}
	i := min(n.asked[name], len(answers)-1)
	if qtype == dnsmessage.TypeA {
		n.asked[name]++
	}
	return answers[i], true
}

// trap is a server on every address of the world that must not be reached: it
// keeps the local address of each connection.
type trap struct {
	mu      sync.Mutex
	reached []string
}

// newTrap listens on the ports of all private addresses of the world, with
// HTTP and raw TCP alike: a connection is enough.
func newTrap(t testing.TB, ports ...int) *trap {
	t.Helper()
	tr := &trap{}
	addresses := []string{"127.0.0.1", "::1", metadataIP, privateIP, cgnatIP, uniqueIP6, nat64IP6, sixToFour}
	for _, a := range addresses {
		for _, port := range ports {
			l, err := net.Listen("tcp", net.JoinHostPort(a, fmt.Sprint(port)))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
			go tr.serve(l)
		}
	}
	return tr
}

func (tr *trap) serve(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		tr.mu.Lock()
		tr.reached = append(tr.reached, conn.LocalAddr().String())
		tr.mu.Unlock()
		go func() {
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(5 * time.Second))
			if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\ntrapped")
			}
		}()
	}
}

// check fails the test if somebody was there.
func (tr *trap) check(t testing.TB, after string) {
	t.Helper()
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if len(tr.reached) > 0 {
		t.Errorf("%s: a connection reached %s", after, strings.Join(tr.reached, ", "))
		tr.reached = nil
	}
}

// serveAt serves h on an address of the world, with TLS if ca is given.
func serveAt(t testing.TB, address string, h http.Handler, ca *authority, names ...string) *service {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, l, h, ca, names...)
}
