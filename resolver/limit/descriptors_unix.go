//go:build unix

package limit

import (
	"sync"
	"syscall"
)

// mostDescriptors is the number that descriptors of agents' connections stay below.
var mostDescriptors = sync.OnceValue(func() uintptr {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil || r.Cur > 1<<30 {
		return 1 << 30
	}
	n := uintptr(r.Cur)
	return n - min(max(n/8, 32), 512, n/2)
})

// Scarce reports whether a socket's descriptor is one of the last: an eighth of
// what the process may open is kept for the administration, the vault and files.
// The system gives out the lowest number that is free, so that all below are in use.
func Scarce(fd uintptr) bool { return Over(fd) > 0 }

// Over is how many descriptors are in use beyond those that agents' connections
// may have, where fd is the newest.
func Over(fd uintptr) int {
	if most := mostDescriptors(); fd >= most {
		return int(fd-most) + 1
	}
	return 0
}
