package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"time"
)

// Dialer dials through a Guard. No proxy variable of the environment is ever
// followed: HTTPS_PROXY may point at ourselves.
type Dialer struct {
	Guard *Guard
	// Timeout bounds one dial, DNS included; zero means 10 s.
	Timeout time.Duration
	// Resolver is for tests; nil means the system's.
	Resolver *net.Resolver
	// Last reports a descriptor that is kept for others; nil means that there is none.
	Last func(fd uintptr) bool
}

// DialContext resolves addr and dials the first of its addresses that the
// guard lets through. Where there is none, the error is a *DeniedError.
func (d *Dialer) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	nd := d.netDialer()
	nd.ControlContext = func(_ context.Context, _, address string, raw syscall.RawConn) error {
		ap, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("address %q is refused: not an IP address and port", address)
		}
		if err := d.scarce(raw); err != nil {
			return err
		}
		return d.Guard.Check(ap.Addr())
	}
	conn, err := nd.DialContext(ctx, network, addr)
	if err != nil {
		if denied := (*DeniedError)(nil); errors.As(err, &denied) {
			return nil, denied
		}
		return nil, err
	}
	return conn, nil
}

// ErrScarce is matched by errors of a dialer that would have taken one of the last
// descriptors.
var ErrScarce = errors.New("too few descriptors are left")

func (d *Dialer) scarce(raw syscall.RawConn) (err error) {
	if d.Last == nil {
		return nil
	}
	_ = raw.Control(func(fd uintptr) {
		if d.Last(fd) {
			err = ErrScarce
		}
	})
	return err
}

func (d *Dialer) netDialer() *net.Dialer {
	timeout := d.Timeout
	if timeout == 0 {
		timeout = 10 * time.Second
	}
	return &net.Dialer{Timeout: timeout, Resolver: d.Resolver, KeepAlive: 30 * time.Second}
}

// Fixed returns a dial function that goes to one place whatever is asked for.
// The operator named the place, so its address is not checked. The place is
// host:port, or unix// and a path.
func (d *Dialer) Fixed(place string) func(ctx context.Context, network, addr string) (net.Conn, error) {
	network := "tcp"
	if path, ok := strings.CutPrefix(place, "unix/"); ok {
		network, place = "unix", path
	}
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		nd := d.netDialer()
		nd.ControlContext = func(_ context.Context, _, _ string, raw syscall.RawConn) error { return d.scarce(raw) }
		return nd.DialContext(ctx, network, place)
	}
}

// Client returns a client for token endpoints and the like: guarded, without
// redirects, with a limit on the whole exchange. The TLS configuration may be nil.
func (d *Dialer) Client(timeout time.Duration, conf *tls.Config) *http.Client {
	return &http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			DialContext:         d.DialContext,
			TLSClientConfig:     conf,
			ForceAttemptHTTP2:   true,
			MaxIdleConnsPerHost: 16,
			IdleConnTimeout:     time.Minute,
			TLSHandshakeTimeout: 10 * time.Second,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
