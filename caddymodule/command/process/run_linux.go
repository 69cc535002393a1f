package process

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// passedOn are the signals that are meant for the command. Others stop, continue and
// resize whole process groups, and the command is in ours.
var passedOn = []os.Signal{unix.SIGTERM, unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2, unix.SIGALRM}

// Run starts the command below us, with our terminal, and ends as it does: with Ended,
// or by the signal that ended it. Signals are passed on, and a command whose run is
// killed is killed, too. An error that is no Ended means that it was not started.
//
// over, which may be nil, is called once the command has ended, and before we do.
//
// From here on no other program of this user reads our memory or our variables.
func Run(path string, args, env []string, over func()) error {
	return Attend(func() (*Running, error) {
		_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
		child, err := os.StartProcess(path, args, &os.ProcAttr{
			Env: env, Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
			Sys: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL},
		})
		if err != nil {
			var p *os.PathError
			if errors.As(err, &p) {
				err = p.Err
			}
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return &Running{Pid: child.Pid, Signal: func(s syscall.Signal) { _ = unix.Kill(child.Pid, s) }}, nil
	}, over)
}

// Running is a command that was started.
type Running struct {
	// Pid is our child.
	Pid int
	// Signal sends the command one.
	Signal func(syscall.Signal)
	// Became, where the child is not the command itself, says what became of that once
	// the child has ended.
	Became func() (unix.WaitStatus, error)
}

// Attend starts a command, and is there until it ends; see Run.
func Attend(start func() (*Running, error), over func()) error {
	// The kernel takes the thread that started a command for its parent (prctl(2),
	// PR_SET_PDEATHSIG).
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, passedOn...)
	defer signal.Stop(signals)
	child, err := start()
	if err != nil {
		return err
	}
	spare := time.AfterFunc(time.Second, debug.FreeOSMemory) // what it took to find out the environment
	defer spare.Stop()
	go pass(signals, child.Signal)
	status, err := ended(child.Pid)
	if err == nil && child.Became != nil {
		status, err = child.Became()
	}
	if over != nil {
		over()
	}
	switch {
	case err != nil:
		return err
	case status.Signaled():
		raise(status.Signal())
		return Ended(128 + int(status.Signal()))
	}
	return Ended(status.ExitStatus())
}

// pass passes signals on. What the terminal sends goes to all of its foreground
// group, the command among them, and a second one would be one too many.
func pass(signals <-chan os.Signal, to func(syscall.Signal)) {
	for s := range signals {
		if (s == unix.SIGINT || s == unix.SIGQUIT) && inForeground() {
			continue
		}
		to(s.(syscall.Signal))
	}
}

func inForeground() bool {
	tty, err := os.OpenFile("/dev/tty", os.O_RDONLY|unix.O_NOCTTY, 0)
	if err != nil {
		return false
	}
	defer tty.Close()
	group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// ended waits for the command, and for whoever becomes our child meanwhile: in a
// container we may be the first process.
func ended(pid int) (status unix.WaitStatus, err error) {
	for {
		got, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return 0, fmt.Errorf("waiting for the command: %w", err)
		case got == pid:
			return status, nil
		}
	}
}

// raise ends us by a signal, so that whoever waits for us sees what ended the command.
// It returns where the signal does not do that: to the first process of a container.
func raise(s syscall.Signal) {
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}) // the command's is enough
	signal.Reset(s)
	_ = unix.Kill(os.Getpid(), s)
}
