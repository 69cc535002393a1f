package inside

import (
	"errors"
	"os"
	"os/signal"
	"runtime"
	"syscall"
)

// init is early: see the package comment.
func init() {
	if len(os.Args) == 1 && os.Args[0] == Name {
		first()
	}
}

// first is the process. Whatever goes wrong, no command runs.
func first() {
	runtime.LockOSThread() // what is given away is a thread's, and the command is this one's child
	_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, prSetDumpable, 0, 0)
	control := os.NewFile(Control, "control")
	fail := func(err error) {
		_ = WriteFrame(control, Failed, []byte(err.Error()))
		os.Exit(125)
	}
	deaf()
	if os.Getpid() != 1 {
		fail(errors.New("it is no namespace's first process"))
	}
	kind, text, err := ReadFrame(control)
	if err != nil || kind != Begin {
		os.Exit(125)
	}
	p, err := decode(text)
	if err != nil {
		fail(err)
	}
	n, err := network()
	if err != nil {
		fail(named("its network", err))
	}
	if err := p.files(); err != nil {
		fail(named("its files", err))
	}
	lacks, err := p.giveAway()
	if err != nil {
		fail(err)
	}
	if lacks != "" {
		_ = WriteFrame(control, Lacking, []byte(lacks))
	}
	if err := n.handOut(); err != nil {
		fail(named("handing its listeners out", err))
	}
	p.run(control)
}

// deaf takes signals for nothing: those that are meant for the command come by the
// control socket, or from the terminal to all. What is ignored stays so for the command.
func deaf() {
	heard := make(chan os.Signal, 1) // nobody listens
	for s := syscall.Signal(1); s < 32; s++ {
		if s != syscall.SIGKILL && s != syscall.SIGSTOP && !signal.Ignored(s) {
			signal.Notify(heard, s)
		}
	}
}

// run starts the command, and is there for as long as it is.
func (p *Plan) run(control *os.File) {
	pid, err := p.start()
	if err != nil {
		errno := syscall.Errno(0)
		_ = errors.As(err, &errno)
		_ = WriteFrame(control, Unborn, Number(uint32(errno)))
		os.Exit(126)
	}
	go func() {
		for {
			kind, text, err := ReadFrame(control)
			if err != nil { // nobody is outside any more
				os.Exit(125)
			}
			if kind == Signal && len(text) == 1 {
				_ = syscall.Kill(pid, syscall.Signal(text[0]))
			}
		}
	}()
	for {
		var status syscall.WaitStatus
		got, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			os.Exit(125)
		case got == pid:
			_ = WriteFrame(control, Ended, Number(uint32(status)))
			os.Exit(0)
		}
	}
}

func (p *Plan) start() (pid int, err error) {
	if err := syscall.Chdir(p.Dir); err != nil {
		return 0, err
	}
	return syscall.ForkExec(p.Path, p.Args, &syscall.ProcAttr{Env: p.Env, Files: []uintptr{0, 1, 2}})
}
