// Package confine starts a command that has no way out but the proxy (Linux). It runs
// in namespaces of its own: of users, mounts, processes, IPC, host name and network.
// The network has loopback alone; its listeners are handed to us, who stay outside, and
// what is connected there goes to the proxy as the run's agent. Of the files it sees
// the system's, its working directory and what it is given; of rights it has none.
//
// docs/confinement.md says what that holds against, and what it does not.
package confine

import (
	"fmt"
	"net/url"
	"strconv"
	"syscall"

	"github.com/attache-proxy/attache/caddymodule/command/confine/inside"
	"github.com/attache-proxy/attache/caddymodule/command/process"
	"github.com/attache-proxy/attache/caddymodule/command/relay"
)

// Command is what to start.
type Command struct {
	Files Files
	// Path is what is executed, Args with its name.
	Path      string
	Args, Env []string
	// Bundle is every root certificate that clients are to trust, in PEM: it stands
	// where the system has its own.
	Bundle []byte
	// MaxDisk bounds what the run writes into its home and its temporary files, in
	// bytes; MaxProcs its processes and threads, 0 for no bound of ours.
	MaxDisk, MaxProcs uint64
	// Best goes on without Landlock and seccomp where the kernel has none.
	Best bool
	// Proxy is where connections go, and as whom.
	Proxy relay.Proxy
	// Say tells the user something; Verbose everything, at once.
	Say     func(string)
	Verbose bool
	// Over is called once the command has ended; nil for nobody.
	Over func()
}

// Files are what a command sees besides the system.
type Files struct {
	// Dir is the working directory, which it may write.
	Dir string
	// Home is empty for the command, but for what is given. Path is the variable: what
	// it names in the home may be read.
	Home, Path string
	// ReadWrite, ReadOnly and Hide are the user's: of the working directory, of ~/, or
	// whole paths.
	ReadWrite, ReadOnly, Hide []string
	// Trust are directories with files for clients, to be read.
	Trust []string
	// Never are the proxy's own: in no command's sight, whatever is given.
	Never []string
}

// Lacking is a kernel, or whoever set it up, that does not let a command be confined.
type Lacking struct {
	What string
	Err  error
}

func (e *Lacking) Error() string {
	what := e.What
	if e.Err != nil {
		what += ": " + e.Err.Error()
	}
	return "the command was not started, since it could not be confined: " + what + ". What a kernel must have, and what containers need, is in docs/confinement.md"
}

func (e *Lacking) Unwrap() error { return e.Err }

// NotStarted is a command that is not there for whoever is inside, or no program.
type NotStarted struct {
	Path string
	Err  syscall.Errno
}

func (e *NotStarted) Error() string {
	if e.Err == syscall.ENOENT {
		return fmt.Sprintf("%s: not found inside; a command, or what it needs to start, is there where --ro DIR gives its directory", e.Path)
	}
	return fmt.Sprintf("%s: %s", e.Path, e.Err.Error())
}

func (e *NotStarted) Unwrap() error {
	if e.Err == syscall.ENOENT {
		return process.ErrNotFound
	}
	return e.Err
}

// RelayURL is where clients that know of a proxy find it, inside.
func RelayURL() *url.URL {
	return &url.URL{Scheme: "http", Host: inside.RelayHost + ":" + strconv.Itoa(inside.RelayPort)}
}

// lacking is an error with what to do about it.
func lacking(what string, err error) error { return &Lacking{what, err} }
