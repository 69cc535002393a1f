package listing

import "io"

// events is a stream of events (HTML Standard, section 9.2), each filtered when its end
// was read. What has no end passes when the stream ends, or when it is long.
type events struct {
	from    io.Reader
	permits Permits
	in, out []byte
	err     error
	long    bool // within an event that is too long to be read
	blank   bool // the last line that was looked at is empty so far
	cr      bool // the last byte was a CR
}

func (e *events) Read(p []byte) (int, error) {
	buf := make([]byte, 0, 4096)
	for len(e.out) == 0 && e.err == nil {
		n, err := e.from.Read(buf[:cap(buf)])
		e.take(buf[:n])
		if e.err = err; err != nil {
			e.out, e.in = append(e.out, e.in...), nil
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
			e.out, e.in, e.long = append(e.out, e.in...), e.in[:0], true
		}
	}
	if e.long {
		e.out, e.in = append(e.out, e.in...), e.in[:0]
	}
}

// put puts out the event that has ended.
func (e *events) put() {
	text := e.in
	if !e.long {
		text = event(text, e.permits)
	}
	e.out, e.in, e.long, e.blank = append(e.out, text...), nil, false, true
}
