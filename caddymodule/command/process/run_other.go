//go:build !linux

package process

// Run is Replace: nothing of ours goes on beside a command on this system.
func Run(path string, args, env []string) error { return Replace(path, args, env) }
