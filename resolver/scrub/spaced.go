package scrub

import "strings"

// A spelling that no view undoes, since there is no byte that introduces it: hex with
// something between its digits (de:ad:be:ef, de ad be ef) or in mixed case. It is looked
// for in runs of bytes that may stand in it, and does not depend on what was fed before,
// but for the text that is still held.

const (
	// spacedReach bounds how long hex is with what stands between.
	spacedReach = 4 * widest
	// mostBetween is how many bytes may stand between two digits: a comma and three
	// blanks, or two that do not break, each of two bytes.
	mostBetween = 4
	// leastRun is the hex of the shortest pattern; spacedStep is how far apart places may
	// be looked at to meet every such run with six bytes.
	leastRun   = 2 * (shortWindow + 1)
	spacedStep = 12
)

// spacing is what a byte is to a run of hex.
var spacing = func() (t [256]uint8) {
	for i := range t {
		switch c := byte(i); {
		case c >= '0' && c <= '9':
			t[i] = isNumber
		case c >= 'a' && c <= 'f':
			t[i] = isLower
		case c >= 'A' && c <= 'F':
			t[i] = isUpper
		case strings.IndexByte("\t :-.,_|/;+\xc2\xa0", c) >= 0: // the last two are a blank
			t[i] = isBetween
		default:
			t[i] = isOther
		}
	}
	return t
}()

const (
	isNumber uint8 = 1 << iota
	isLower
	isUpper
	isBetween
	isOther
	isHex = isNumber | isLower | isUpper
)

// spacedRuns calls run for every part of b[from:] that is hex digits with at most
// mostBetween bytes between each, is long enough, and is not hex in one case without any.
func spacedRuns(b []byte, from int, run func(from, to int)) {
	least := from
	for i := from; i+6 <= len(b); i += spacedStep {
		w := (*[6]byte)(b[i:])
		if spacing[w[0]]|spacing[w[3]]|spacing[w[5]] >= isOther || spacing[w[1]]|spacing[w[2]]|spacing[w[4]] >= isOther {
			continue
		}
		l, r, seen := i, i, uint8(0)
		for l > least && inRun(b, l-1) {
			l--
			seen |= spacing[b[l]]
		}
		for r < len(b) {
			kind := spacing[b[r]]
			if kind&isHex == 0 && !fewBetween(b, r) {
				break
			}
			seen |= kind
			r++
		}
		if r-l >= leastRun && notSimply(seen) {
			run(l, r)
		}
		if r > i+spacedStep {
			i += (r - i - 1) / spacedStep * spacedStep
			least = r
		}
	}
}

// inRun reports whether b[i] is a digit, or one of at most mostBetween bytes between
// digits.
func inRun(b []byte, i int) bool {
	return spacing[b[i]]&isHex != 0 || fewBetween(b, i)
}

func fewBetween(b []byte, i int) bool {
	if spacing[b[i]] == isOther {
		return false
	}
	n := 1
	for k := i - 1; k >= 0 && spacing[b[k]] == isBetween && n <= mostBetween; k-- {
		n++
	}
	for k := i + 1; k < len(b) && spacing[b[k]] == isBetween && n <= mostBetween; k++ {
		n++
	}
	return n <= mostBetween
}

// notSimply reports hex that is not simply hex: it has something between, or both cases.
func notSimply(seen uint8) bool {
	return seen&isBetween != 0 || seen&(isLower|isUpper) == isLower|isUpper
}

// isSpaced is notSimply of a run's part.
func isSpaced(b []byte) bool {
	var seen uint8
	for _, c := range b {
		seen |= spacing[c]
	}
	return notSimply(seen)
}

// spaced calls hit for every pattern that ends in b after old in what hex with something
// between its digits stands for.
func (s *Set) spaced(b []byte, old int, hit func(from, to int)) {
	spacedRuns(b, max(0, old-spacedReach), func(from, to int) {
		run := b[from:to]
		var room [2 << 10]byte
		digits := room[:0]
		for _, c := range run {
			if v := digitValues[c]; v <= 15 {
				digits = append(digits, v)
			}
		}
		text := make([]byte, 0, len(digits)/2)
		for phase := range 2 {
			text = text[:0]
			for i := phase; i+1 < len(digits); i += 2 {
				text = append(text, digits[i]<<4|digits[i+1])
			}
			s.find(text, 0, func(first, last int) {
				f, t := digitAt(run, 2*first+phase), digitAt(run, 2*last+phase-1)+1
				if t-f <= spacedReach && from+t > old && isSpaced(run[f:t]) {
					hit(from+f, from+t)
				}
			})
		}
	})
}

// digitAt is where the digit number n of a run is.
func digitAt(run []byte, n int) int {
	for i, c := range run {
		if digitValues[c] <= 15 {
			if n == 0 {
				return i
			}
			n--
		}
	}
	return len(run)
}
