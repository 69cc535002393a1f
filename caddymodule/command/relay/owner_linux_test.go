package relay

import (
	"net"
	"net/netip"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOwner(t *testing.T) {
	mine, err := ownership()
	if err != nil {
		t.Skip(err)
	}
	l, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	here := l.Addr().(*net.TCPAddr).AddrPort()
	connect := func(domain int, to unix.Sockaddr) (from netip.AddrPort, fd int) {
		t.Helper()
		fd, err := unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Skip(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
		if err := unix.Connect(fd, to); err != nil {
			t.Fatal(err)
		}
		c, err := l.AcceptTCP()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c.RemoteAddr().(*net.TCPAddr).AddrPort(), fd
	}
	four, _ := connect(unix.AF_INET, &unix.SockaddrInet4{Port: int(here.Port()), Addr: [4]byte{127, 0, 0, 1}})
	if !mine(four, here) {
		t.Error("a connection of ours is none of ours")
	}
	six, fd := connect(unix.AF_INET6, &unix.SockaddrInet6{Port: int(here.Port()), Addr: netip.MustParseAddr("::ffff:127.0.0.1").As16()})
	if !mine(six, here) {
		t.Error("a connection of ours over a socket of IPv6 is none of ours")
	}
	if mine(netip.AddrPortFrom(here.Addr(), 1), here) {
		t.Error("a connection that is not there is ours")
	}
	if os.Getuid() == 0 {
		if err := unix.Fchown(fd, 12345, -1); err != nil { // as if another user had made it
			t.Fatal(err)
		}
		if mine(six, here) {
			t.Error("another user's connection is ours")
		}
	}
}
