package relay

import (
	"bufio"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
)

// stream is a client's connection with what was read ahead of it.
type stream struct {
	*bufio.Reader
	conn *net.TCPConn
}

func newStream(c *net.TCPConn) *stream { return &stream{bufio.NewReaderSize(c, 16<<10), c} }

// joint joins a client's connection with one to the proxy. Nothing of either side is
// changed but that each request's head says who calls; answers pass as they are.
type joint struct {
	relay  *Relay
	client *stream
	proxy  net.Conn
	// raw says that what follows is no HTTP of this connection any more: the inside of
	// a tunnel, or of an upgraded connection.
	raw     atomic.Bool
	answers *answers
}

// run copies until both directions have ended.
func (j *joint) run() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		j.down()
	}()
	if j.up() != nil {
		_ = j.proxy.Close()
		_ = j.client.conn.Close()
	} else if c, ok := j.proxy.(interface{ CloseWrite() error }); ok {
		_ = c.CloseWrite()
	}
	<-done
}

// down copies what the proxy says. What becomes of a request for a tunnel is read on
// the way.
func (j *joint) down() {
	defer close(j.answers.ended)
	buf := make([]byte, 16<<10)
	for !j.raw.Load() {
		n, err := j.proxy.Read(buf)
		said, switched := j.answers.see(buf[:n])
		if switched {
			j.raw.Store(true)
			j.answers.told <- true
		}
		if len(said) > 0 {
			if _, err := j.client.conn.Write(said); err != nil {
				_ = j.proxy.Close()
				return
			}
		}
		if err != nil {
			j.over(err)
			return
		}
	}
	_, err := io.Copy(j.client.conn, j.proxy) // between sockets the kernel does it
	j.over(err)
}

// over ends the client's connection as the proxy ended its own.
func (j *joint) over(err error) {
	if err == nil || errors.Is(err, io.EOF) {
		_ = j.client.conn.CloseWrite()
		if !j.raw.Load() { // HTTP: who is answered with the end sends no more
			_ = j.client.conn.CloseRead()
		}
		return
	}
	_ = j.client.conn.SetLinger(0) // broken off there, broken off here
	_ = j.client.conn.Close()
}

// up copies what the client says, request by request.
func (j *joint) up() error {
	for !j.raw.Load() {
		h, err := readHead(j.client.Reader)
		if err != nil {
			if errors.Is(err, errLong) {
				return answer(j.client.conn, "431 Request Header Fields Too Large", "bad_request", "the head of the request is longer than 1 MiB")
			}
			return quiet(err)
		}
		if err := j.request(h); err != nil {
			return quiet(err)
		}
	}
	if n := j.client.Buffered(); n > 0 {
		ahead, _ := j.client.Peek(n)
		if _, err := j.proxy.Write(ahead); err != nil {
			return err
		}
		_, _ = j.client.Discard(n)
	}
	_, err := io.Copy(j.proxy, j.client.conn)
	return err
}

// quiet takes the end of a connection for no error.
func quiet(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// request passes one request on.
func (j *joint) request(h head) error {
	switch {
	case h.isHTTP2():
		return j.http2(h)
	case h.foreign():
		j.raw.Store(true)
		_, err := j.proxy.Write(h.text)
		return err
	case h.method == "CONNECT" && h.target == j.relay.URL.Host: // clients that heed no NO_PROXY
		_, err := io.WriteString(j.client.conn, "HTTP/1.1 200 Connection Established\r\n\r\n")
		return err
	}
	if rest, ok := strings.CutPrefix(h.target, "http://"+j.relay.URL.Host); ok && (rest == "" || rest[0] == '/' || rest[0] == '?') {
		h.retarget(rest)
	}
	if text, ok := metadata(&h); ok {
		_, _ = io.WriteString(j.client.conn, text)
		return io.EOF
	}
	h.says(&j.relay.caller)
	switches := h.method == "CONNECT" || h.has("upgrade")
	if switches {
		j.answers.expect(watch{tunnel: h.method == "CONNECT"})
	}
	if _, err := j.proxy.Write(h.text); err != nil {
		return err
	}
	if h.method != "CONNECT" {
		if err := h.body(j.proxy, j.client.Reader); err != nil {
			return err
		}
	}
	opened := switches && j.answers.wait()
	if saw := j.relay.caller.Saw; saw != nil {
		saw(h.method, h.target, opened)
	}
	return nil
}

// http2 begins a connection of HTTP/2 without TLS, in which no head can be completed:
// it goes through a tunnel to the proxy itself, which ends at the proxy's doors.
func (j *joint) http2(h head) error {
	_, port, err := net.SplitHostPort(j.relay.caller.URL.Host)
	if err != nil {
		port = "80"
	}
	target := "localhost:" + port
	j.answers.expect(watch{tunnel: true, swallow: true})
	open := head{text: []byte("CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n\r\n")}
	open.says(&j.relay.caller)
	if _, err := j.proxy.Write(open.text); err != nil {
		return err
	}
	if !j.answers.wait() {
		return net.ErrClosed
	}
	_, err = j.proxy.Write(h.text)
	return err
}
