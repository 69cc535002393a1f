package scrub

import (
	"bytes"
	"sort"
)

// levels is how often escapes are undone: a JSON text in a JSON text, in a URL.
const levels = 4

// view is a text with its escapes undone, made as the text comes in. It keeps
// what a pattern may still begin in, and where each part of it came from.
type view struct {
	set     *Set
	reading reading
	special []byte

	on    bool
	text  []byte // decoded; its first byte is number start of the view
	start int64
	units []unit // in their order; the first stands before all of text
	waits []byte // of the source: an escape that is not complete
	next  int64  // number of the source's byte that waits begins with
	last  int64  // number of the view's byte after the last escape that may be within a needle

	child *view // of this view; nil at the last level
}

// unit is an escape: what follows it, up to the next, stands in the source as it
// is. A unit of nothing is where a view begins.
type unit struct {
	at, from int64 // its number in the view, and in the source
	n, raw   int32 // bytes of the view, and of the source
}

// in is where the view's byte number at came from, and where that ends.
func (u unit) in(at int64) (from, to int64) {
	if after := at - u.at - int64(u.n); after >= 0 {
		from = u.from + int64(u.raw) + after
		return from, from + 1
	}
	return u.from, u.from + int64(u.raw)
}

// newView makes levels views of each other.
func newView(set *Set, r reading, depth int) *view {
	if set.folds && r&quotable == 0 {
		r |= fold
	}
	v := &view{set: set, reading: r, special: r.specials()}
	if depth > 1 {
		v.child = newView(set, r&^unwrap, depth-1)
	}
	return v
}

// indexAny is the first byte of b that is one of special, or len(b).
func indexAny(b, special []byte) int {
	at := len(b)
	for _, c := range special {
		if i := bytes.IndexByte(b[:at], c); i >= 0 {
			at = i
		}
	}
	return at
}

// escaped is where in b[old:] the first escape is that may be within a needle, or may
// begin one at its end: a special byte alone is none. It is -1 where there is none.
func (v *view) escaped(b []byte, old int, end bool) int {
	seek := newSeeker(v.special)
	for i := seek.next(b, old); i < len(b); {
		e, what := v.reading.undo(b[i:])
		if what == needsMore {
			if !end {
				return i
			}
			e, what = v.reading.cutOff(b[i:])
		}
		switch {
		case what != isEscape:
			i++
		case !v.passes(e, b[:i], b[i+e.length:]):
			return i
		default:
			i += e.length
		}
		i = seek.next(b, i)
	}
	return -1
}

// passes reports an escape, with what stands before and after it, that is within no
// needle.
func (v *view) passes(e escape, before, after []byte) bool {
	return v.set.usual && (e.parts() || !v.set.folds && v.reading == escapes && v.short(e.n, before, after))
}

// short reports that the word around an escape of n bytes is shorter than any
// pattern, none of which holds a space. Where it cannot be told, or has more escapes, it is not.
func (v *view) short(n int, before, after []byte) bool {
	room := shortWindow - n
	for k := len(before) - 1; ; k-- {
		if k < 0 || bytes.IndexByte(v.special, before[k]) >= 0 {
			return false
		}
		if before[k] == ' ' || seldom(before[k]) {
			break
		}
		if room--; room < 0 {
			return false
		}
	}
	for k := 0; ; k++ {
		if k == len(after) || bytes.IndexByte(v.special, after[k]) >= 0 {
			return false
		}
		if after[k] == ' ' || seldom(after[k]) {
			return true
		}
		if room--; room < 0 {
			return false
		}
	}
}

// sink takes what was found in a view, by its place in the source.
type sink func(from, to int64)

// feed reads b[old:] of the source, whose first byte has the number base; end
// says that no more comes. What is before old is what the source still holds.
// Where nothing is escaped in it, the view is the source and is not made.
func (v *view) feed(b []byte, base int64, old int, end bool, found sink) {
	if !v.on {
		at := v.escaped(b, old, end)
		if at < 0 {
			return
		}
		v.on = true
		old = max(0, at-widest)
		v.start = v.end()
		v.text, v.units, v.waits = v.text[:0], v.units[:0], v.waits[:0]
		v.next, v.last = base+int64(old), v.start
		v.units = append(v.units, unit{at: v.start, from: v.next})
		if v.child != nil {
			v.child.stop()
		}
	}
	for batch := range batches(b[old:]) {
		before := len(v.text)
		v.waits = append(v.waits, batch...)
		v.decode(false)
		v.search(before, false, found)
	}
	if end {
		before := len(v.text)
		v.decode(true)
		v.search(before, true, found)
	}
}

// stop makes the view begin anew with what it is fed next.
func (v *view) stop() {
	v.on = false
	if v.child != nil {
		v.child.stop()
	}
}

// batches cuts b so that what a view of it needs is bounded.
func batches(b []byte) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(b) > 0 {
			n := min(len(b), widest)
			if !yield(b[:n]) {
				return
			}
			b = b[n:]
		}
	}
}

// decode moves what waits into the view, as far as it can be told.
func (v *view) decode(end bool) {
	b, special := v.waits, newSeeker(v.special)
	i := 0
	for i < len(b) {
		n := special.next(b, i) - i
		v.literal(b[i : i+n])
		if i += n; i == len(b) {
			break
		}
		e, what := v.reading.undo(b[i:])
		if what == needsMore && end {
			e, what = v.reading.cutOff(b[i:])
		}
		if what == needsMore {
			break
		}
		if what == isLiteral {
			v.literal(b[i : i+1])
			i++
			continue
		}
		passes := v.passes(e, v.text, b[i+e.length:])
		v.escape(e)
		if !passes {
			v.last = v.end()
		}
		i += e.length
	}
	v.waits = b[:copy(b, b[i:])]
}

func (v *view) end() int64 { return v.start + int64(len(v.text)) }

func (v *view) literal(b []byte) {
	v.text = append(v.text, b...)
	v.next += int64(len(b))
}

func (v *view) escape(e escape) {
	v.units = append(v.units, unit{v.end(), v.next, int32(e.n), int32(e.length)})
	v.text = append(v.text, e.out[:e.n]...)
	v.next += int64(e.length)
}

// search looks at what is new in the view, lets its own view see it, and
// forgets what no pattern can begin in.
func (v *view) search(old int, end bool, found sink) {
	here := func(from, to int64) {
		if from, to, ok := v.source(from, to); ok {
			found(from, to)
		}
	}
	v.set.find(v.text, old, func(from, to int) { here(v.start+int64(from), v.start+int64(to)) })
	v.set.beside(v.text, old, end, v.apart, func(from, to int) { here(v.start+int64(from), v.start+int64(to)) })
	if v.child != nil {
		v.child.feed(v.text, v.start, old, end, here)
	}
	if drop := len(v.text) - widest; drop > 0 {
		v.text = v.text[:copy(v.text, v.text[drop:])]
		v.start += int64(drop)
	}
	v.on = len(v.waits) > 0 || v.end()-v.last < widest
}

// unitAt is the index of the last unit at or before the view's byte number at.
func (v *view) unitAt(at int64) int {
	return sort.Search(len(v.units), func(i int) bool { return v.units[i].at > at }) - 1
}

// source is where the view's bytes from to to came from.
func (v *view) source(from, to int64) (int64, int64, bool) {
	i, j := v.unitAt(from), v.unitAt(to-1)
	if i < 0 || j < 0 {
		return 0, 0, false
	}
	f, _ := v.units[i].in(from)
	_, t := v.units[j].in(to - 1)
	return f, t, true
}

// apart reports whether something was passed over before the view's byte i.
func (v *view) apart(i int) bool {
	at := v.start + int64(i)
	for k := v.unitAt(at); k > 0 && v.units[k].at == at; k-- {
		if v.units[k].n == 0 {
			return true
		}
	}
	return false
}

// forget drops the units of what lies before the source's byte number base, but
// for the last.
func (v *view) forget(base int64) {
	keep := sort.Search(len(v.units), func(i int) bool { return v.units[i].from > base }) - 1
	if keep > 0 {
		v.units = v.units[:copy(v.units, v.units[keep:])]
	}
	if v.child == nil || len(v.units) == 0 {
		return
	}
	first := v.units[0]
	at := first.at
	if after := base - first.from - int64(first.raw); after > 0 {
		at += int64(first.n) + after
	}
	v.child.forget(min(at, v.end()))
}

// seeker finds special bytes one after the other.
type seeker struct {
	special []byte
	at      [8]int // where each comes next, at or after the last place asked for
}

func newSeeker(special []byte) seeker {
	s := seeker{special: special}
	for i := range s.at {
		s.at[i] = -1
	}
	return s
}

// next is the first special byte at or after i, or len(b).
func (s *seeker) next(b []byte, i int) int {
	least := len(b)
	for k, c := range s.special {
		if s.at[k] < i {
			if n := bytes.IndexByte(b[i:], c); n >= 0 {
				s.at[k] = i + n
			} else {
				s.at[k] = len(b)
			}
		}
		least = min(least, s.at[k])
	}
	return least
}
