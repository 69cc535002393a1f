package intercept

import (
	"fmt"
	"net"
	"net/http"
)

// Splice answers CONNECT with 200 and joins the client with upstream, a
// connection that the caller has dialled, until both directions have ended. It
// closes upstream in any case. in and out are the bytes from and to the client.
//
// A direction that ends is ended on the other side too, while the other goes on;
// over HTTP/2 and HTTP/3 that holds for the client's direction only. The tunnel
// also ends after Config.SpliceIdleTimeout without a byte, and on shutdown as
// Shutdown says.
//
// An error that matches ErrUnanswered came before the client was answered. Any
// other says how the tunnel ended, and is nobody's fault.
func (i *Interceptor) Splice(w http.ResponseWriter, r *http.Request, upstream net.Conn) (in, out int64, err error) {
	client, finish, err := spliceEnd(w, r)
	if err != nil {
		_ = upstream.Close()
		return 0, 0, err
	}
	defer finish()
	rel := newRelay(client, halfCloser{upstream}, i.cfg.SpliceIdleTimeout)
	i.cfg.OnTunnel(+1)
	defer i.cfg.OnTunnel(-1)
	defer i.hold()()
	i.addRaw(rel)
	defer i.dropRaw(rel)
	if err = rel.run(); err != nil {
		err = fmt.Errorf("tunnel: %w", err)
	}
	return rel.in.Load(), rel.out.Load(), err
}

// spliceEnd answers the client and returns its end of the tunnel.
func spliceEnd(w http.ResponseWriter, r *http.Request) (client end, finish func(), err error) {
	if r.ProtoMajor == 1 {
		c, err := hijack(w, r)
		if err != nil {
			return nil, nil, err
		}
		return c, c.finish, nil
	}
	s, err := openStream(w, r)
	if err != nil {
		return nil, nil, err
	}
	return s, s.finish, nil
}

// halfCloser is a net.Conn as an end of a relay.
type halfCloser struct{ net.Conn }

func (h halfCloser) CloseWrite() error {
	if c, ok := h.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return errNoHalfClose
}
