package scrub

import "bytes"

// folding reports what base64 in either alphabet is made of, and so most keys.
var folding = func() (t [256]bool) {
	for i := range t {
		c := byte(i)
		t[i] = isAlnum(c) || c == '+' || c == '/' || c == '-' || c == '_'
	}
	return t
}()

// wrapped looks for patterns that go over line ends, with blanks at the beginnings of
// the lines: whole lines of nothing else, the end of the one before and the beginning of
// the one after.
func (s *search) wrapped(b []byte, old int) {
	var joined []byte
	for i := max(0, old-wrappedReach); i < len(b); {
		n := bytes.IndexByte(b[i:], '\n')
		if n < 0 {
			return
		}
		first := beforeEnd(b, i+n)
		for first > i && folding[b[first-1]] {
			first--
		}
		end := i + n + 1
		joined = append(joined[:0], b[first:beforeEnd(b, i+n)]...)
		for {
			at := end
			for at < len(b) && (b[at] == ' ' || b[at] == '\t') {
				at++
			}
			to := at
			for to < len(b) && folding[b[to]] {
				to++
			}
			joined = append(joined, b[at:to]...)
			next, more := lineBreak(b, to)
			if to == at || !more {
				break
			}
			end = next
		}
		if len(joined) > shortWindow {
			s.inJoined(b, joined, first, old)
		}
		i = end
	}
}

// inJoined marks what of the patterns in a text, which is b from first on without line
// ends and blanks, goes over a line end.
func (s *search) inJoined(b, joined []byte, first, old int) {
	s.set.find(joined, 0, func(from, to int) {
		f, t := foldedAt(b, first, from), foldedAt(b, first, to-1)+1
		if t > old && t-f <= wrappedReach && bytes.IndexByte(b[f:t], '\n') >= 0 {
			s.mark(b, s.base+int64(f), s.base+int64(t))
		}
	})
}

// foldedAt is where in b the byte number n of what is joined from first on stands.
func foldedAt(b []byte, first, n int) int {
	i := first
	for ; i < len(b); i++ {
		if folding[b[i]] {
			if n == 0 {
				return i
			}
			n--
		}
	}
	return i
}

// beforeEnd is where a line ends whose line feed is at i.
func beforeEnd(b []byte, i int) int {
	if i > 0 && b[i-1] == '\r' {
		return i - 1
	}
	return i
}

// lineBreak reports a line end at i, and what is behind it.
func lineBreak(b []byte, i int) (next int, ok bool) {
	if i < len(b) && b[i] == '\r' {
		i++
	}
	if i < len(b) && b[i] == '\n' {
		return i + 1, true
	}
	return i, false
}
