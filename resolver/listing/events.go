package listing

import "io"

// events is a stream of events (HTML Standard, section 9.2), each filtered when its end
// was read. One that is long ends the stream.
type events struct {
	from    io.Reader
	guard   *Guard
	in, out []byte
	err     error
	blank   bool // the last line that was looked at is empty so far
	cr      bool // the last byte was a CR
}

func (e *events) Read(p []byte) (int, error) {
	buf := make([]byte, 0, 4096)
	for len(e.out) == 0 && e.err == nil {
		n, err := e.from.Read(buf[:cap(buf)])
		e.take(buf[:n])
		if e.err == nil {
			e.err = err
		}
		if e.err != nil && len(e.in) > 0 { // some clients take an event that has no end
			e.out, e.in = append(e.out, e.guard.event(e.in)...), nil
		}
	}
	if len(e.out) == 0 {
		return 0, e.err
	}
	n := copy(p, e.out)
	e.out = e.out[n:]
	return n, nil
}

// take adds what was read: events that end in it are put out.
func (e *events) take(read []byte) {
	for _, b := range read {
		e.in = append(e.in, b)
		ends := b == '\r' || b == '\n' && !e.cr
		switch {
		case b == '\n' && e.cr: // the second half of a line's end
			if len(e.in) == 1 {
				e.out, e.in = append(e.out, b), e.in[:0]
			}
		case ends && e.blank:
			e.put()
		case ends:
			e.blank = true
		default:
			e.blank = false
		}
		e.cr = b == '\r'
		if len(e.in) > MaxAnswer {
			e.in, e.err = nil, errUnread
			return
		}
	}
}

// put puts out the event that has ended.
func (e *events) put() {
	e.out, e.in, e.blank = append(e.out, e.guard.event(e.in)...), nil, true
}
