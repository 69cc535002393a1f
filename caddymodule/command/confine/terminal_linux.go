package confine

import (
	"os"
	"os/signal"
	"strings"

	"golang.org/x/sys/unix"
)

// terminalFile is the file of our terminal, or empty.
func terminalFile() string {
	for _, fd := range []int{0, 1, 2} {
		if _, err := unix.IoctlGetTermios(fd, unix.TCGETS); err != nil {
			continue
		}
		name, err := os.Readlink("/proc/self/fd/" + string(rune('0'+fd)))
		if err == nil && strings.HasPrefix(name, "/dev/") {
			if _, err := os.Stat(name); err == nil {
				return name
			}
		}
	}
	return ""
}

// held is a terminal whose foreground we were when the run began.
type held struct{ tty *os.File }

func foreground() held {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return held{}
	}
	group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	if err != nil || group != unix.Getpgrp() {
		_ = tty.Close()
		return held{}
	}
	return held{tty}
}

// takeBack makes us the foreground again: a shell inside does not know the number of
// the group from which it took the terminal.
func (h held) takeBack() {
	if h.tty == nil {
		return
	}
	defer func() { _ = h.tty.Close() }()
	group, err := unix.IoctlGetInt(int(h.tty.Fd()), unix.TIOCGPGRP)
	if err != nil || group == unix.Getpgrp() {
		return
	}
	signal.Ignore(unix.SIGTTOU)
	defer signal.Reset(unix.SIGTTOU)
	_ = unix.IoctlSetPointerInt(int(h.tty.Fd()), unix.TIOCSPGRP, unix.Getpgrp())
}
