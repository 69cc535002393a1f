package upstream

import (
	"errors"
	"net"
)

// wire is the connection below TLS. It bounds what an answer's head may take,
// and looks without waiting whether anything came while nobody had asked.
type wire struct {
	net.Conn
	poll  poller
	left  int64 // how much may still be read
	looks bool  // reads do not wait
	sent  int64
}

var errHeadTooLong = errors.New("the answer's headers are too long")

// Read implements io.Reader.
func (w *wire) Read(p []byte) (int, error) {
	if w.looks {
		return w.poll.read(p)
	}
	if w.left <= 0 {
		return 0, errHeadTooLong
	}
	if int64(len(p)) > w.left {
		p = p[:w.left]
	}
	n, err := w.Conn.Read(p)
	w.left -= int64(n)
	return n, err
}

// Write implements io.Writer.
func (w *wire) Write(p []byte) (int, error) {
	n, err := w.Conn.Write(p)
	w.sent += int64(n)
	return n, err
}

// quiet is what a look returns where nothing came. It is temporary, so that TLS
// goes on after it.
type quiet struct{}

func (quiet) Error() string   { return "nothing came" }
func (quiet) Timeout() bool   { return true }
func (quiet) Temporary() bool { return true }
