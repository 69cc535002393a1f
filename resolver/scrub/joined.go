package scrub

import (
	"encoding/binary"
	"sort"
	"unicode/utf8"
)

// What mailers, calendars, shells, terminals and people wrap over lines or set apart in
// groups has blanks, controls and line ends in it, and no byte that says so. So a text
// whose lines are waited for is also looked at without them, as if it were one word: any
// pattern may stand there so, and hex with something between its digits too.

const (
	// joinedReach bounds how long a pattern is with what is left out of it.
	joinedReach = spacedReach
	// joinedBatch is how much is looked at at once.
	joinedBatch = 16 << 10
	// placeStep is how far apart the places are that are noted.
	placeStep = 64
)

// joined is a text without what is left out, as it comes in. It keeps what a pattern may
// still begin in.
type joined struct {
	text   []byte // its first byte is number start
	start  int64
	places []place
	gap    int64 // number of the byte behind the last chunk of which something was left out
	next   int64 // number of the source's byte that comes next
}

// place says that the byte number at comes from the source's byte number from, or from
// the first behind it that is not left out.
type place struct{ at, from int64 }

// leaves is what a byte is: kept, left out, or perhaps left out with what follows it.
var leaves = func() (t [256]uint8) {
	for i := range t {
		switch c := byte(i); {
		case c <= ' ' || c == 0x7f:
		case c == '\\' || c == 0xc2 || c == 0xe2 || c == 0xe3 || c == 0xef:
			t[i] = maybeLeft
		default:
			t[i] = isKept
		}
	}
	return t
}()

const (
	isKept    uint8 = 1
	maybeLeft uint8 = 2
)

// leftOut is how many bytes at the start of b are left out: a blank, a control, a
// backslash that goes on in the next line, or a character that is seen as a blank or not
// at all. More says that b ends before it can be told.
func leftOut(b []byte) (n int, more bool) {
	switch c := b[0]; {
	case leaves[c] == isKept:
		return 0, false
	case leaves[c] != maybeLeft:
		return 1, false
	case c == '\\':
		if len(b) == 1 {
			return 0, true
		}
		if b[1] == '\n' || b[1] == '\r' {
			return 1, false
		}
		return 0, false
	}
	if !utf8.FullRune(b) {
		return 0, true
	}
	if r, n := utf8.DecodeRune(b); unseen(r) {
		return n, false
	}
	return 0, false
}

// unseen reports blanks, line ends and marks beyond ASCII that have no shape.
func unseen(r rune) bool {
	switch {
	case r == 0x85, r == 0xa0, r == 0xad, 0x2000 <= r && r <= 0x200f, 0x2028 <= r && r <= 0x202f, 0x205f <= r && r <= 0x206f, r == 0x3000, r == 0xfeff:
		return true
	}
	return false
}

// joins looks for patterns in b without what is left out. What was fed before is known.
func (s *search) joins(b []byte, end bool) {
	j := &s.joined
	if j.text == nil {
		size := min(len(b), joinedBatch+2*spacedReach)
		j.text, j.places = make([]byte, 0, size), make([]place, 0, size/placeStep+2)
	}
	for more := true; more; {
		rest := b[j.next-s.base:]
		old := len(j.text)
		batch := rest[:min(len(rest), joinedBatch)]
		j.add(batch, rest, end)
		more = len(batch) < len(rest)
		hit := func(from, to int) {
			f, t := j.source(b, s.base, j.start+int64(from)), j.source(b, s.base, j.start+int64(to)-1)+1
			if f >= s.base && t-f <= joinedReach {
				s.mark(b, f, t)
			}
		}
		if j.gap > j.start+int64(max(0, old-joinedReach)) { // else it is as it was
			s.set.find(j.text, old, hit)
		}
		s.set.spaced(j.text, old, hit)
		j.forget()
	}
}

// add appends what is kept of batch, which rest begins with.
func (j *joined) add(batch, rest []byte, end bool) {
	for i := 0; i < len(batch); {
		n := len(j.text)
		j.places = append(j.places, place{j.start + int64(n), j.next})
		chunk := batch[i:min(len(batch), i+placeStep)]
		j.text = append(j.text, chunk...)
		kept, seen := len(chunk), isKept
		if !solid(chunk) {
			kept, seen = keep(j.text[n:], chunk)
		}
		j.text = j.text[:n+kept]
		done := len(chunk)
		if seen&maybeLeft != 0 {
			j.text = j.text[:n]
			var more bool
			if done, more = j.slowly(rest[i:], len(chunk), end); more {
				j.next += int64(done)
				j.gap = j.start + int64(len(j.text)) + 1
				return
			}
		}
		if i += done; len(j.text)-n < done {
			j.gap = j.start + int64(len(j.text)) + 1
		}
		j.next += int64(done)
	}
}

// solid reports eight bytes after the other none of which is left out, or begins what is.
func solid(b []byte) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for ; len(b) >= 8; b = b[8:] {
		w := binary.LittleEndian.Uint64(b)
		slash, del := w^(ones*'\\'), w^(ones*0x7f)
		if (w|(w-ones*(' '+1))|((slash-ones)&^slash)|((del-ones)&^del))&highs != 0 {
			return false
		}
	}
	return len(b) == 0
}

// keep moves what is kept of chunk to the start of out, which is as long. Seen is all
// kinds of bytes that are in it, or'ed. It has no branches: blanks come as they please.
func keep(out, chunk []byte) (n int, seen uint8) {
	for _, c := range chunk {
		if n >= len(out) { // never
			break
		}
		out[n] = c
		kind := leaves[c]
		seen |= kind
		n += int(kind & isKept)
	}
	return n, seen
}

// slowly is keep where what is left out may be longer than a byte, for at least least
// bytes of b. It returns how many it took, and whether the next needs more to be told.
func (j *joined) slowly(b []byte, least int, end bool) (i int, more bool) {
	for i < least {
		n, more := leftOut(b[i:])
		if more && !end {
			return i, true
		}
		if n == 0 {
			j.text = append(j.text, b[i])
			n = 1
		}
		i += n
	}
	return i, false
}

// source is the number of the source's byte that the byte number at is; b is what of the
// source is still there, from its byte number base on. It is less than base where that
// is no longer there.
func (j *joined) source(b []byte, base, at int64) int64 {
	k := sort.Search(len(j.places), func(i int) bool { return j.places[i].at > at }) - 1
	if k < 0 || j.places[k].from < base {
		return base - 1
	}
	i, left := int(j.places[k].from-base), at-j.places[k].at
	for i < len(b) {
		n, _ := leftOut(b[i:])
		if n == 0 {
			if left == 0 {
				break
			}
			left--
			n = 1
		}
		i += n
	}
	return base + int64(i)
}

// forget drops what no pattern can begin in any more.
func (j *joined) forget() {
	drop := len(j.text) - spacedReach
	if drop <= spacedReach {
		return
	}
	j.text = j.text[:copy(j.text, j.text[drop:])]
	j.start += int64(drop)
	if k := sort.Search(len(j.places), func(i int) bool { return j.places[i].at > j.start }) - 1; k > 0 {
		j.places = j.places[:copy(j.places, j.places[k:])]
	}
}

// joinedUp is v as it is looked for there.
func joinedUp(v string) string {
	var j joined
	j.add([]byte(v), []byte(v), true)
	return string(j.text)
}
