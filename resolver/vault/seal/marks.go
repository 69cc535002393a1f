package seal

import (
	"crypto/sha256"
	"sync"
)

// Marks are the newest versions of rows' secrets that this process has seen. Who
// writes to the database behind our back can put a row back whole, with its old
// version: a process that has seen the newer one does not take it. Its zero value
// is ready.
type Marks struct {
	mu  sync.Mutex
	old map[mark]int64
}

// mark is a row's id, shortened: half a million must not cost much.
type mark [16]byte

const (
	maxMarks = 500_000
	// maxVersion keeps what other processes announce from using the numbers up.
	maxVersion = 1 << 53
)

func markOf(id string) mark {
	sum := sha256.Sum256([]byte(id))
	return mark(sum[:16])
}

// At is the newest version seen; 0 for a row that is not known.
func (m *Marks) At(id string) int64 {
	k := markOf(id)
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.old[k]
}

// Raise notes a version. Beyond the bound any one is forgotten.
func (m *Marks) Raise(id string, version int64) {
	if version <= 0 || version > maxVersion {
		return
	}
	k := markOf(id)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.old == nil {
		m.old = map[mark]int64{}
	}
	if version <= m.old[k] {
		return
	}
	if len(m.old) >= maxMarks {
		for other := range m.old {
			delete(m.old, other)
			break
		}
	}
	m.old[k] = version
}
