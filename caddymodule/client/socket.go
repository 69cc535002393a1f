package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// strangersSocket refuses a socket that anybody could have made.
type strangersSocket struct{ path, why string }

func (e *strangersSocket) Error() string {
	return fmt.Sprintf("the socket %s may be anybody's: %s", e.path, e.why)
}

// dialOwned dials a unix socket of root's, of this user's, or of whoever alone can
// put one there: another one could be that of a program that waits for tokens.
func dialOwned(ctx context.Context, dialer *net.Dialer, path string) (net.Conn, error) {
	if why := strangeSocket(path); why != "" {
		return nil, &strangersSocket{path, why}
	}
	return dialer.DialContext(ctx, "unix", path)
}

// errPlain refuses to send a token in the clear over a network.
var errPlain = errors.New("plain HTTP is for this machine alone")

// onlyLoopback looks at the address that is dialled, after DNS.
func onlyLoopback(_, address string, _ syscall.RawConn) error {
	if ap, err := netip.ParseAddrPort(address); err != nil || !ap.Addr().Unmap().IsLoopback() {
		return errPlain
	}
	return nil
}
