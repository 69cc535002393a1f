package start

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// free is an error where another process has one of the addresses. Caddy shares
// ports with whoever does so too: two proxies would each get a part of the calls.
func (f *facts) free() error {
	for _, at := range f.addresses {
		if at.IsFdNetwork() || at.StartPort == 0 && !at.IsUnixNetwork() {
			continue
		}
		if at.IsUnixNetwork() {
			if conn, err := net.DialTimeout("unix", at.Host, time.Second); err == nil {
				_ = conn.Close()
				return fmt.Errorf("another process answers at the socket %s; stop it first", at.Host)
			}
			continue
		}
		for port := at.StartPort; port <= at.EndPort; port++ {
			if err := freePort(at, port); err != nil {
				return err
			}
		}
	}
	return nil
}

func freePort(at caddy.NetworkAddress, port uint) error {
	place := net.JoinHostPort(at.Host, strconv.Itoa(int(port)))
	l, err := net.Listen("tcp", place)
	if err == nil {
		return l.Close()
	}
	if !errors.Is(err, syscall.EADDRINUSE) {
		return nil // Caddy meets it again
	}
	pid, name := holder(int(port))
	if pid == 0 {
		return fmt.Errorf("another process has %s, of another user perhaps; stop it, or let this one listen elsewhere (--config)", place)
	}
	who := fmt.Sprintf("process %d", pid)
	if name != "" {
		who += " (" + name + ")"
	}
	return fmt.Errorf("%s has %s; stop it (kill %d), or let this one listen elsewhere (--config)", who, place, pid)
}
