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
		case digitValues[c] <= 15:
			t[i] = isHex
		case strings.IndexByte("\t :-.,_|/;+\xc2\xa0", c) >= 0: // the last two are a blank
			t[i] = isBetween
		default:
			t[i] = isOther
		}
	}
	return t
}()

const (
	isHex uint8 = 1 << iota
	isBetween
	isOther
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
		l, r := i, i
		for l > least && inRun(b, l-1) {
			l--
		}
		for r < len(b) && inRun(b, r) {
			r++
		}
		if r-l >= leastRun && isSpaced(b[l:r]) {
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
	switch spacing[b[i]] {
	case isHex:
		return true
	case isOther:
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

// isSpaced reports hex that is not simply hex: it has something between, or both cases.
func isSpaced(b []byte) bool {
	upper, lower := false, false
	for _, c := range b {
		switch {
		case spacing[c] == isBetween:
			return true
		case c >= 'a':
			lower = true
		case c >= 'A':
			upper = true
		}
	}
	return upper && lower
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
