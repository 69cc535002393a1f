//go:build !unix

package limit

// Scarce reports whether a socket's descriptor is one of the last; it is unknown here.
func Scarce(uintptr) bool { return false }

// Over is how many are in use beyond those that agents may have; unknown too.
func Over(uintptr) int { return 0 }
