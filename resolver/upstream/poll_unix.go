//go:build unix

package upstream

import (
	"io"
	"net"
	"syscall"
)

// canPoll says that idle connections can be looked at without waiting. Where
// they cannot, net/http sends all.
const canPoll = true

// poller reads from a socket without waiting.
type poller struct {
	raw syscall.RawConn
	buf []byte
	n   int
	err error
	fn  func(fd uintptr) bool
}

// newPoller returns a poller that reads nothing where conn is no socket.
func newPoller(conn net.Conn) poller {
	var p poller
	if s, ok := conn.(syscall.Conn); ok {
		if raw, err := s.SyscallConn(); err == nil {
			p.raw = raw
		}
	}
	return p
}

func (p *poller) ok() bool { return p.raw != nil }

func (p *poller) read(b []byte) (int, error) {
	if p.fn == nil {
		p.fn = p.once
	}
	p.buf = b
	err := p.raw.Read(p.fn)
	p.buf = nil
	switch {
	case err != nil:
		return 0, err
	case p.err == syscall.EAGAIN:
		return 0, quiet{}
	case p.err != nil:
		return 0, p.err
	case p.n == 0:
		return 0, io.EOF
	}
	return p.n, nil
}

func (p *poller) once(fd uintptr) bool {
	for {
		p.n, p.err = syscall.Read(int(fd), p.buf)
		if p.err != syscall.EINTR {
			return true
		}
	}
}
