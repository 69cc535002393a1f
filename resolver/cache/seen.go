package cache

import (
	"errors"
	"hash/maphash"
	"time"
)

// seen are the newest versions of entries that this process wrote, read or was
// told of. Whoever can write to Redis, and has no key, can put back what stood
// there before: an older entry is none. Versions are microseconds since 1970,
// and always more than the one before. The zero value is ready; r.mu guards it.
type seen map[uint64]int64

const (
	maxSeen = 500_000
	// maxAhead is how far the clock of who announces a version may be ahead.
	maxAhead = time.Hour
)

var seenSeed = maphash.MakeSeed()

// errOlder is why an entry of the shared cache is not used.
var errOlder = errors.New("a credential in the shared cache is older than one that was there before: somebody put it back")

// raise notes a version of id; with any other that falls on the same number it is
// only more careful. Beyond the bound any one is forgotten.
func (s seen) raise(id string, version int64) {
	k := maphash.String(seenSeed, id)
	if version <= s[k] {
		return
	}
	if len(s) >= maxSeen {
		for other := range s {
			delete(s, other)
			break
		}
	}
	s[k] = version
}

func (s seen) at(id string) int64 { return s[maphash.String(seenSeed, id)] }

// next is the version of what is written now.
func (s seen) next(id string) int64 { return max(time.Now().UnixMicro(), s.at(id)+1) }

// take is next, noted.
func (s seen) take(id string) int64 {
	v := s.next(id)
	s.raise(id, v)
	return v
}

// announced notes a version that came without a seal.
func (s seen) announced(id string, version int64) {
	if version <= time.Now().Add(maxAhead).UnixMicro() {
		s.raise(id, version)
	}
}
