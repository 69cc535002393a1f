package scrub

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"math/bits"
	"slices"
)

// A class finds patterns by their windows: of each pattern's last window+step-1
// bytes, every run of window bytes is kept as a hash. A text is looked at in
// every step-th place alone, since one of these runs begins there. The runs are
// at the end because keys begin with what everybody knows.
//
// The hash is keyed, so that which texts look like a run to the filter is
// nothing that can be planned. What costs more than the look itself happens for
// chance hits, which say nothing, and for texts that hold such a run.
type class struct {
	window, step int
	filter       [filterBits / 64]uint64
	table        []entry // open addressing; its length is a power of two
}

const (
	filterBits  = 1 << 13
	longWindow  = 16
	shortWindow = 8
)

// entry is one run of one pattern.
type entry struct {
	hash    uint64
	at      int // of the run in the pattern
	pattern []byte
}

// keys are this process's own.
var keys = func() (k [3]uint64) {
	var b [24]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	for i := range k {
		k[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return k
}()

func hash8(a uint64) uint64 {
	hi, lo := bits.Mul64(a^keys[0], keys[2]|1)
	return hi ^ lo
}

func hash16(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^keys[0], b^keys[1])
	return hi ^ lo
}

// steps are the classes, each for patterns of at least window+step-1 bytes.
var steps = []struct{ window, step int }{{longWindow, 8}, {shortWindow, 4}, {shortWindow, 2}}

// index makes the classes of the patterns.
func (s *Set) index() {
	s.classes = nil
	s.usual = len(s.near) == 0 && !slices.ContainsFunc(s.patterns, func(p []byte) bool { return slices.ContainsFunc(p, seldom) })
	rest := s.patterns
	for _, k := range steps {
		var mine, others [][]byte
		for _, p := range rest {
			if len(p) >= k.window+k.step-1 {
				mine = append(mine, p)
			} else {
				others = append(others, p)
			}
		}
		if len(mine) > 0 {
			s.classes = append(s.classes, newClass(k.window, k.step, mine))
		}
		rest = others
	}
}

func newClass(window, step int, patterns [][]byte) *class {
	size := 16
	for size < 2*step*len(patterns) {
		size *= 2
	}
	c := &class{window: window, step: step, table: make([]entry, size)}
	for _, p := range patterns {
		for i := range step {
			at := len(p) - window - i
			h := c.hash(p[at:])
			c.filter[h>>51/64] |= 1 << (h >> 51 % 64)
			slot := int(h) & (size - 1)
			for c.table[slot].pattern != nil {
				slot = (slot + 1) & (size - 1)
			}
			c.table[slot] = entry{h, at, p}
		}
	}
	return c
}

func (c *class) hash(b []byte) uint64 {
	if c.window == shortWindow {
		return hash8(binary.LittleEndian.Uint64(b))
	}
	return hash16(binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:]))
}

// next returns the place at or after i, in steps, whose window may be one of
// ours, and its hash; -1 where there is none.
func (c *class) next(b []byte, i int) (int, uint64) {
	if c.window == shortWindow {
		step := c.step
		for ; i+shortWindow <= len(b); i += step {
			h := hash8(binary.LittleEndian.Uint64(b[i:]))
			if c.filter[h>>57]&(1<<(h>>51%64)) != 0 {
				return i, h
			}
		}
		return -1, 0
	}
	if i+longWindow > len(b) {
		return -1, 0
	}
	first, k0, k1 := binary.LittleEndian.Uint64(b[i:]), keys[0], keys[1]
	for rest := b[i+8:]; len(rest) >= 8; rest = rest[8:] { // in this way without a check of bounds
		second := binary.LittleEndian.Uint64(rest)
		hi, lo := bits.Mul64(first^k0, second^k1)
		if h := hi ^ lo; c.filter[h>>57]&(1<<(h>>51%64)) != 0 {
			return len(b) - len(rest) - 8, h
		}
		first = second
	}
	return -1, 0
}

// find calls hit for every pattern of which a window stands in b at or after
// from, and which stands in b as a whole.
func (c *class) find(b []byte, from int, hit func(from, to int)) {
	mask := len(c.table) - 1
	for i, h := c.next(b, from); i >= 0; i, h = c.next(b, i+c.step) {
		for slot := int(h) & mask; c.table[slot].pattern != nil; slot = (slot + 1) & mask {
			e := &c.table[slot]
			start := i - e.at
			if e.hash == h && start >= 0 && start+len(e.pattern) <= len(b) && bytes.Equal(b[start:start+len(e.pattern)], e.pattern) {
				hit(start, start+len(e.pattern))
			}
		}
	}
}

// maxReach is how far before what is new a window must be looked for: the
// pattern that it belongs to may end in what is new.
const maxReach = longWindow + 8

// find calls hit for every pattern that ends in b after old.
func (s *Set) find(b []byte, old int, hit func(from, to int)) {
	for _, c := range s.classes {
		c.find(b, max(0, old-maxReach), hit)
	}
}
