// Package inside is the first process of a confined run. It is this program once
// more, in namespaces of its own: it makes the command's view of the files and its
// network, hands the network's listeners out, gives every right away, and starts the
// command.
//
// It imports the standard library alone, and few of that (no fmt, no encoding, no
// path/filepath): its init then runs before those of what else is in the program, which
// take longer than all that it does.
package inside

import (
	"errors"
	"io"
)

// Name is the first argument by which a process knows that it is one.
const Name = "attache: confined"

// Control is the descriptor of its unix socket to whoever started it.
const Control = 3

// Plan is what it is told, once.
type Plan struct {
	// Root are the mounts that make the command's files, in this order.
	Root []Mount
	// Private are directories of its own, empty and writable; all share MaxDisk.
	Private []string
	// Links are symbolic links that are in the way of others' names.
	Links []Link
	// Files are files of our own content over what is there.
	Files []File
	// Hidden are files and directories that are there and empty.
	Hidden []string
	// Writable is where the command may write: for Landlock.
	Writable []string
	// Terminal is the file of the terminal, or empty.
	Terminal string
	// MaxDisk bounds the private directories, in bytes; MaxProcs the processes and
	// threads, 0 for none.
	MaxDisk, MaxProcs uint64

	// Dir is where the command begins; Path what is executed.
	Dir, Path string
	Args, Env []string

	// Filter is the seccomp program, as the kernel has it (struct sock_filter).
	Filter string
	// Best goes on without what the kernel lacks; see Lacks.
	Best bool
}

// Mount is a file or directory of outside.
type Mount struct {
	From, To string
	Writable bool
	// Device lets a device be one.
	Device bool
}

// Link is a symbolic link.
type Link struct{ At, To string }

// File is a file of our own.
type File struct {
	At   string
	Text string
}

// The frames of the control socket.
const (
	Ready   = 'R' // with the listeners' descriptors: the order of Listeners
	Failed  = 'E' // text: it could not be confined
	Lacking = 'L' // text: what the kernel lacks, where Best
	Unborn  = 'X' // errno as 4 bytes: the command was not started
	Ended   = 'D' // its wait status as 4 bytes
	Begin   = 'P' // outside in: the plan
	Signal  = 'S' // outside in: one byte, for the command
)

// Where the listeners are, in the command's network.
const (
	// RelayHost leads to the proxy, for clients that know of one.
	RelayHost = "127.127.127.127"
	RelayPort = 8080
	// catchPort takes every other connection.
	catchPort = 1
	dnsPort   = 53
)

// Listeners is how many descriptors come with Ready: the relay, connections of IPv4
// and of IPv6, questions over UDP and over TCP. Without IPv6 its place is empty, and
// the frame's text says so.
const (
	RelayListener = iota
	CatchListener
	NamePackets
	NameListener
	CatchListener6
	NamePackets6
)

// maxFrame bounds what is read of one, in bytes.
const maxFrame = 16 << 20

// WriteFrame sends one.
func WriteFrame(w io.Writer, kind byte, text []byte) error {
	_, err := w.Write(Frame(kind, text))
	return err
}

// Frame is one as it is sent: its kind, the length of its text, the text.
func Frame(kind byte, text []byte) []byte {
	return append(append([]byte{kind}, Number(uint32(len(text)))...), text...)
}

// ReadFrame takes one.
func ReadFrame(r io.Reader) (kind byte, text []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := number(head[1:])
	if n > maxFrame {
		return 0, nil, errFrame
	}
	text = make([]byte, n)
	_, err = io.ReadFull(r, text)
	return head[0], text, err
}

var errFrame = errors.New("a frame that is none")

// Number is one of 32 bits as it is sent.
func Number(n uint32) []byte { return []byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)} }

func number(b []byte) uint32 {
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}
