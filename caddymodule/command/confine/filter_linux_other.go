//go:build !amd64 && !arm64

package confine

import "runtime"

// filter says that there is none: system calls have other numbers here.
func filter() ([]byte, error) {
	return nil, &Lacking{What: "the system calls of " + runtime.GOARCH + " are not known here"}
}
