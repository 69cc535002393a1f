package scrub

// search is the search of one text, which comes in pieces. Places are numbers
// of bytes since the text's beginning.
type search struct {
	set   *Set
	lines bool // what holds a line end is no echo
	wraps bool // an echo may be wrapped over lines

	base   int64   // number of the first byte that the caller still has
	view   *view   // made when something is escaped
	print  *view   // of quoted-printable; likewise
	joined joined  // unless lines
	marks  []marks // what to overwrite, in any order
	found  bool
}

// marks are bytes that belong to an echo.
type marks struct{ from, to int64 }

// feed searches b[old:]. What is before old was fed before and not released; end
// says that no more comes.
func (s *search) feed(b []byte, old int, end bool) {
	here := func(from, to int) { s.mark(b, s.base+int64(from), s.base+int64(to)) }
	s.set.find(b, old, here)
	if len(s.set.near) > 0 {
		s.beside(b, old, end)
	}
	if len(s.set.patterns) > 0 {
		if s.lines {
			s.set.spaced(b, old, here)
		} else {
			s.joins(b, end)
		}
	}
	if s.view == nil && (s.lines || s.wraps) && !s.set.folds && indexAny(b[old:], ordinary) == len(b)-old {
		return
	}
	s.look(b, old, end)
}

// ordinary are the special bytes of most views.
var ordinary = append(escapes.specials(), '=')

func (s *search) beside(b []byte, old int, end bool) {
	s.set.beside(b, old, end, nil, func(from, to int) { s.mark(b, s.base+int64(from), s.base+int64(to)) })
}

// look searches the views.
func (s *search) look(b []byte, old int, end bool) {
	mark := func(from, to int64) { s.mark(b, from, to) }
	if s.view == nil {
		r := escapes
		if !s.lines && !s.wraps {
			r |= unwrap
		}
		s.view, s.print = newView(s.set, r, levels), newView(s.set, quotable, 1)
	}
	s.view.feed(b, s.base, old, end, mark)
	s.print.feed(b, s.base, old, end, mark)
}

// spelled is in how many bytes an echo is recognized at most. The views know what
// they see at most hold-spelled bytes late.
const spelled = hold - 5<<10

// mark notes an echo. One that is spelled in more bytes than that, or over
// several lines where nothing is, counts as none: whether it could still be
// taken back would depend on how the text came in.
func (s *search) mark(b []byte, from, to int64) {
	if to-from > spelled || from < s.base || s.lines && lineEnd(b[from-s.base:to-s.base]) > 0 {
		return
	}
	s.found = true
	if n := len(s.marks); n > 0 && s.marks[n-1].from <= from && from <= s.marks[n-1].to {
		s.marks[n-1].to = max(s.marks[n-1].to, to)
		return
	}
	s.marks = append(s.marks, marks{from, to})
}

// clean overwrites what was marked in b, whose first byte has the number at.
func (s *search) clean(b []byte, at int64) {
	for _, m := range s.marks {
		overwrite(b[min(max(m.from-at, 0), int64(len(b))):min(max(m.to-at, 0), int64(len(b)))])
	}
}

// release says that the caller let go of everything before the byte number base.
func (s *search) release(base int64) {
	if base == s.base {
		return
	}
	s.base = base
	keep := s.marks[:0]
	for _, m := range s.marks {
		if m.to > base {
			keep = append(keep, m)
		}
	}
	s.marks = keep
	if s.view != nil {
		s.view.forget(base)
		s.print.forget(base)
	}
}

// overwrite keeps line ends, and the zero bytes of UTF-16.
func overwrite(b []byte) {
	for i, c := range b {
		if c != 0 && c != '\r' && c != '\n' {
			b[i] = '*'
		}
	}
}

// whole replaces every echo in b, which is a text of its own.
func (s *Set) whole(b []byte, lines bool) (found bool) {
	if lines && s.plain(b) {
		return false
	}
	x := search{set: s, lines: lines}
	x.feed(b, 0, true)
	x.clean(b, 0)
	return x.found
}

// plain reports whether b is a text in which nothing needs a closer look.
func (s *Set) plain(b []byte) bool {
	if len(s.near) > 0 || s.folds || indexAny(b, ordinary) < len(b) {
		return false
	}
	for _, c := range s.classes {
		if i, _ := c.next(b, 0); i >= 0 {
			return false
		}
	}
	plain := true
	spacedRuns(b, 0, func(int, int) { plain = false })
	return plain
}
