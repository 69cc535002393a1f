package relay

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"net/url"
	"slices"
)

// Serve is Start for a listener that the run's programs alone can reach. at is where
// they find it.
func Serve(l *net.TCPListener, at *url.URL, to Proxy) *Relay {
	r := &Relay{URL: at, listener: l, caller: to, open: map[net.Conn]struct{}{}}
	go r.accept()
	return r
}

// Tunnel asks the proxy for a tunnel to host:port, as the agent. Said is what
// the other end has said already. Where the proxy refuses, its answer is returned,
// whose body must be closed.
func (p *Proxy) Tunnel(ctx context.Context, target string) (c net.Conn, said []byte, refused *http.Response, err error) {
	if c, err = p.Dial(ctx); err != nil {
		return nil, nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	h := head{text: []byte("CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n\r\n")}
	h.says(p)
	h.add(HeaderDoor + ": transparent\r\n")
	r := bufio.NewReaderSize(c, 1<<10)
	var res *http.Response
	if _, err = c.Write(h.text); err == nil {
		res, err = http.ReadResponse(r, &http.Request{Method: http.MethodConnect})
	}
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = c.Close()
		return nil, nil, nil, err
	}
	if saw := p.Saw; saw != nil {
		saw(http.MethodConnect, target, res.StatusCode == http.StatusOK)
	}
	if res.StatusCode/100 != 2 {
		return c, nil, res, nil
	}
	said, _ = r.Peek(r.Buffered())
	return c, slices.Clone(said), nil, nil
}
