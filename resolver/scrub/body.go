package scrub

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

const (
	// hold is how many bytes of a text's end are held back until it is over.
	hold = 16 << 10
	// piece is what bodies are cut into where no line end does.
	piece = 1 << 10
	// patience is how long a byte is held back in a body whose length is not
	// known, so that a stream without line ends goes on, if late.
	patience = 5 * time.Second
	// room is how much a reader's buffer must hold to be used as it is.
	room = 24 << 10
)

// body replaces echoes in a text while it is read. What is held back depends on
// lengths, time and line ends alone: of lines, the last while it is not
// complete; of any text, its last hold bytes, cut at multiples of piece. After
// patience a byte is let go, and still counts as the beginning of an echo. A
// body as short as hold whose length is known comes in one piece.
type body struct {
	src     io.ReadCloser
	length  int64 // what Content-Length says, or -1
	search  search
	trailer *http.Header
	found   *atomic.Bool
	blind   *atomic.Bool // becomes true where the body cannot be searched; may be nil

	begun  bool   // the text has said what charset it is in
	head   []byte // its beginning, until then
	held   []byte // what was read and may be part of an echo
	out    int    // of held, what patience let go
	read   int64  // number of bytes read
	stamps []stamp
	pump   atomic.Pointer[pump]
	closed atomic.Bool
	stage  []byte // for readers with small buffers
	ready  []byte // of stage, what was not taken yet
	err    error  // how the source ended
}

// stamp says when everything before the byte number end was there.
type stamp struct {
	end int64
	at  time.Time
}

func (b *body) Read(p []byte) (int, error) {
	if len(p) >= room && len(b.ready) == 0 {
		return b.fill(p)
	}
	if len(b.ready) == 0 {
		if b.stage == nil {
			b.stage = make([]byte, room)
		}
		n, err := b.fill(b.stage)
		if n == 0 {
			return 0, err
		}
		b.ready = b.stage[:n]
	}
	n := copy(p, b.ready)
	b.ready = b.ready[n:]
	return n, nil
}

// fill reads until something can be let go, which it puts at the start of p.
func (b *body) fill(p []byte) (int, error) {
	for b.err == nil {
		old := copy(p, b.held)
		n, err := b.more(p[old:])
		b.read += int64(n)
		if n += old; !b.begun && !b.begin(p[old:n]) {
			b.finish()
			return 0, b.err
		}
		if err != nil && b.err == nil {
			b.err = err
		}
		if b.err != nil && b.err != io.EOF {
			b.finish()
			if k := b.broken(p[:n], old); k > 0 {
				return k, nil
			}
			return 0, b.err
		}
		if n > old || b.err != nil {
			b.search.feed(p[:n], old, b.err != nil)
		}
		if k := b.release(p[:n]); k > 0 || b.err != nil {
			if b.err != nil {
				b.finish()
			}
			if k == 0 {
				return 0, b.err
			}
			return k, nil
		}
	}
	return 0, b.err
}

// begin looks at what comes first, and reports whether it may go on.
func (b *body) begin(fresh []byte) bool {
	if len(b.head) > 0 {
		b.head = append(b.head, fresh...)
		fresh = b.head
	}
	ok, more := begins(fresh)
	if b.begun = !more && len(fresh) > 0; b.begun {
		b.head = nil
	} else if len(b.head) == 0 {
		b.head = bytes.Clone(fresh)
	}
	if !ok {
		b.err = &Unsearchable{"its charset is not one that can be searched"}
		if b.blind != nil {
			b.blind.Store(true)
		}
	}
	return ok
}

// broken lets go what came last before the body was broken off, as if more came:
// the lines that are complete. What is held back is lost, since it may be the
// beginning of an echo.
func (b *body) broken(p []byte, old int) int {
	if _, blind := errors.AsType[*Unsearchable](b.err); blind && b.blind != nil {
		b.blind.Store(true)
	}
	if len(p) == old {
		return 0
	}
	b.search.feed(p, old, true)
	err := b.err
	b.err = nil
	k := b.release(p)
	b.err = err
	return k
}

// more reads what comes next. A short body of known length is read whole.
func (b *body) more(p []byte) (n int, err error) {
	if b.length >= 0 {
		for n < len(p) && err == nil {
			var m int
			m, err = b.src.Read(p[n:])
			if n += m; b.length > hold {
				break
			}
		}
		return n, err
	}
	if pump := b.pump.Load(); pump == nil && len(b.held) == b.out {
		n, err = b.src.Read(p)
	} else {
		if pump == nil {
			pump = b.newPump()
		}
		n, err = pump.read(p, b.due())
	}
	if n > 0 {
		b.stamp(int64(n))
	}
	return n, err
}

// newPump begins to read in a goroutine, which Close ends, whichever comes first.
func (b *body) newPump() *pump {
	p := newPump(b.src)
	b.pump.Store(p)
	if b.closed.Load() {
		p.stop()
	}
	return p
}

// stamp notes when n more bytes came. What came shortly after one another counts
// as one, as late as its last byte.
func (b *body) stamp(n int64) {
	now, end := time.Now(), b.read+n
	if k := len(b.stamps) - 1; k > 0 && now.Sub(b.stamps[k-1].at) < patience/32 {
		b.stamps[k] = stamp{end, now}
		return
	}
	b.stamps = append(b.stamps, stamp{end, now})
}

// due is when the next byte must be let go, zero if none is held.
func (b *body) due() time.Time {
	released := b.search.base + int64(b.out)
	for _, s := range b.stamps {
		if s.end > released {
			return s.at.Add(patience)
		}
	}
	return time.Time{}
}

// release decides what of p, all that is held, goes out, cleans it, and moves it
// to the start of p. It returns how much that is.
func (b *body) release(p []byte) int {
	keep := b.keeps(p, len(b.held))
	out := max(keep, b.out, b.late(len(p)))
	tail := append(b.held[:0], p[keep:]...)
	b.search.clean(p[b.out:out], b.search.base+int64(b.out))
	n := out - b.out
	if b.out > 0 {
		copy(p, p[b.out:out])
	}
	b.held, b.out = tail, out-keep
	if len(b.held) == b.out {
		b.stamps = b.stamps[:0]
	}
	b.search.release(b.search.base + int64(keep))
	if b.search.found {
		b.found.Store(true)
	}
	return n
}

// keeps is where what must stay begins in p, of which old bytes were there before.
func (b *body) keeps(p []byte, old int) int {
	if b.err != nil {
		return len(p)
	}
	from := 0
	if b.search.lines { // no line ends in what was held
		if end := lineEnd(p[old:]); end > 0 {
			from = old + end
		}
	}
	if more := len(p) - from - hold; more > 0 {
		from += more / piece * piece
	}
	return from
}

// lineEnd is where the last line that is complete ends in p; 0 is nowhere.
func lineEnd(p []byte) int {
	if bytes.IndexByte(p, '\n') < 0 && bytes.IndexByte(p, '\r') < 0 {
		return 0 // the usual case of long lines, and the fast way to know
	}
	return bytes.LastIndexAny(p, "\r\n") + 1
}

// late is up to where bytes have waited long enough.
func (b *body) late(n int) int {
	to, keep := 0, b.stamps[:0]
	if len(b.stamps) == 0 {
		return 0
	}
	now := time.Now()
	for _, s := range b.stamps {
		if now.Sub(s.at) >= patience {
			to = int(s.end - b.search.base)
		} else {
			keep = append(keep, s)
		}
	}
	b.stamps = keep
	return min(max(to, 0), n)
}

// finish searches what comes after the body.
func (b *body) finish() {
	if b.search.set.Header(*b.trailer) {
		b.found.Store(true)
	}
}

// Close may be called while a Read waits, which it ends.
func (b *body) Close() error {
	b.closed.Store(true)
	err := b.src.Close()
	if p := b.pump.Load(); p != nil {
		p.stop()
	}
	return err
}
