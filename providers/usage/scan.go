package usage

import "strconv"

// maxText is how long a key, a number or the name of a model may be.
const maxText = 128

// scanner reads JSON byte by byte. It keeps the objects that may hold what is declared, at
// most as many as a path has keys; of all else how deep it is. Arrays at the top are documents one after
// another.
type scanner struct {
	root  *node
	sums  []int64 // by node.sum: the largest number that was said
	said  [maxSums]bool
	model string

	stack  []*node
	want   *node // of the value that comes
	skip   int   // brackets open in a value of which nothing is declared
	state  state
	isKey  bool // of a string
	takes  bool // a string or number is kept
	escape bool
	text   []byte
}

// maxSums is how many sums there may be.
const maxSums = 16

type state uint8

const (
	value state = iota // a value comes
	key
	colon
	after // a comma or an end comes
	inString
	inNumber
)

// restart forgets a document that broke off.
func (s *scanner) restart() {
	s.stack, s.skip, s.state, s.escape = s.stack[:0], 0, value, false
}

func (s *scanner) feed(b byte) {
	switch s.state {
	case inString:
		s.stringByte(b)
		return
	case inNumber:
		if b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b == '.' || b == '-' || b == '+' || b == 'E' {
			s.keep(b)
			return
		}
		s.number()
	}
	if b == ' ' || b == '\t' || b == '\n' || b == '\r' {
		return
	}
	if s.skip > 0 {
		s.skipped(b)
		return
	}
	switch s.state {
	case key:
		switch b {
		case '"':
			s.begin(true, true)
		case '}':
			s.pop()
		}
	case colon:
		if b == ':' {
			s.state = value
		}
	case after:
		s.next(b)
	default:
		s.begins(b)
	}
}

// next is what comes behind a value.
func (s *scanner) next(b byte) {
	switch {
	case b == '}':
		s.pop()
	case len(s.stack) == 0: // the next document
		s.state = value
		s.begins(b)
	case b == ',':
		s.state = key
	}
}

// begins is the first byte of a value.
func (s *scanner) begins(b byte) {
	top := len(s.stack) == 0
	if top {
		s.want = s.root
	}
	switch b {
	case '{':
		if s.want != nil && s.want.below != nil {
			s.stack = append(s.stack, s.want)
			s.state = key
			return
		}
		s.skip = 1
	case '[':
		if !top {
			s.skip = 1
		}
	case '"':
		s.begin(false, s.want != nil && s.want.ends && s.want.model)
	case ']', ',', '}':
	default:
		s.state, s.text = inNumber, s.text[:0]
		s.takes = s.want != nil && s.want.ends && !s.want.model
		s.keep(b)
	}
}

// skipped is a byte of a value of which nothing is declared.
func (s *scanner) skipped(b byte) {
	switch b {
	case '{', '[':
		s.skip++
	case '}', ']':
		if s.skip--; s.skip == 0 {
			s.state = after
		}
	case '"':
		s.begin(false, false)
	}
}

func (s *scanner) pop() {
	if len(s.stack) > 0 {
		s.stack = s.stack[:len(s.stack)-1]
	}
	s.state = after
}

// begin is the beginning of a string.
func (s *scanner) begin(isKey, takes bool) {
	s.state, s.isKey, s.takes, s.escape, s.text = inString, isKey, takes, false, s.text[:0]
}

// keep keeps a byte; of what is longer than it may be nothing is kept.
func (s *scanner) keep(b byte) {
	if !s.takes {
		return
	}
	if len(s.text) >= maxText {
		s.takes = false
		return
	}
	s.text = append(s.text, b)
}

func (s *scanner) stringByte(b byte) {
	switch {
	case s.escape:
		s.escape = false
	case b == '\\':
		s.escape, s.takes = true, false // no key and no model that is declared is written so
	case b != '"':
		s.keep(b)
	case s.isKey:
		s.state, s.want = colon, nil
		if s.takes && len(s.stack) > 0 {
			s.want = s.stack[len(s.stack)-1].below[string(s.text)]
		}
	default:
		if s.takes {
			s.model = string(s.text)
		}
		s.state = after
	}
}

// number takes a number that is over. What is no number of tokens is nothing.
func (s *scanner) number() {
	s.state = after
	if !s.takes {
		return
	}
	f, err := strconv.ParseFloat(string(s.text), 64)
	if err != nil && f == 0 || !(f >= 0) {
		return
	}
	n := int64(min(f, MaxTokens))
	s.said[s.want.sum], s.sums[s.want.sum] = true, max(s.sums[s.want.sum], n)
}
