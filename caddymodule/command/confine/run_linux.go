package confine

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/attache-proxy/attache/caddymodule/command/confine/inside"
	"github.com/attache-proxy/attache/caddymodule/command/process"
	"github.com/attache-proxy/attache/caddymodule/command/relay"
)

// Run starts the command where it sees what it is to see, and ends as it does: with
// process.Ended, or by the signal that ended it. An error that is no Ended means that
// it was not started.
func Run(c Command) error {
	plan, err := c.plan()
	if err != nil {
		return process.Unready{Err: err}
	}
	s := &sandbox{command: c, plan: plan, over: make(chan struct{})}
	thrift := time.AfterFunc(time.Second, func() { debug.SetGCPercent(40) }) // what we keep is little, and goes on for as long as the command
	defer thrift.Stop()
	terminal := foreground()
	defer terminal.takeBack()
	defer s.tellRefused()
	err = process.Attend(s.start, c.Over)
	var ended process.Ended
	var unborn *NotStarted
	if errors.As(err, &ended) || errors.As(err, &unborn) {
		return err
	}
	return process.Unready{Err: err}
}

// plan is what the first process is told.
func (c *Command) plan() (p *inside.Plan, err error) {
	p = &inside.Plan{
		Path: c.Path, MaxDisk: c.MaxDisk, MaxProcs: c.MaxProcs, Best: c.Best, Terminal: terminalFile(),
	}
	if err := see(p, c.Files); err != nil {
		return nil, err
	}
	p.Files = systemFiles(c.Bundle)
	program, err := filter()
	if err != nil {
		return nil, err
	}
	p.Filter = string(program)
	p.Env, p.Args = withDirectory(c.Env, c.Files.Dir), c.Args
	return p, nil
}

// withDirectory says the working directory as the user knows it.
func withDirectory(env []string, dir string) []string {
	env = slices.DeleteFunc(slices.Clone(env), func(line string) bool {
		return strings.HasPrefix(line, "PWD=") || strings.HasPrefix(line, "OLDPWD=")
	})
	return append(env, "PWD="+dir)
}

// sandbox is a command that runs.
type sandbox struct {
	command Command
	plan    *inside.Plan
	control *net.UnixConn

	over   chan struct{} // closed when the first process says no more
	status unix.WaitStatus
	err    error

	mu      sync.Mutex
	refused []string
}

// namespaces are those of a run.
const namespaces = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS

// start starts the first process, and gives it the plan. What it needs to make the rest
// it keeps through its exec (AmbientCaps), and drops before the command.
func (s *sandbox) start() (*process.Running, error) {
	ours, theirs, err := pair()
	if err != nil {
		return nil, err
	}
	defer func() { _ = theirs.Close() }()
	if err := unix.CloseRange(3, ^uint(0)>>32, unix.CLOSE_RANGE_CLOEXEC); err != nil { // of whoever started us
		return nil, lacking("close_range (Linux 5.11)", err)
	}
	uid, gid := os.Getuid(), os.Getgid()
	child, err := os.StartProcess("/proc/self/exe", []string{inside.Name}, &os.ProcAttr{
		Env: []string{"GOGC=off", "GOMAXPROCS=2"}, Files: []*os.File{os.Stdin, os.Stdout, os.Stderr, theirs},
		Sys: &syscall.SysProcAttr{
			Cloneflags: namespaces, Pdeathsig: syscall.SIGKILL,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}},
			AmbientCaps: []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN, unix.CAP_NET_BIND_SERVICE, unix.CAP_SETPCAP},
		},
	})
	if err != nil {
		return nil, lacking("namespaces of its own", err)
	}
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) // not before: the child's map of users is ours to write
	kill := func(err error) (*process.Running, error) {
		_ = child.Kill()
		_, _ = child.Wait()
		return nil, err
	}
	_ = theirs.Close()
	if s.control, err = connection(ours); err != nil {
		return kill(err)
	}
	if err := inside.WriteFrame(s.control, inside.Begin, s.plan.Encode()); err != nil {
		return kill(err)
	}
	fds, err := s.ready()
	if err != nil {
		return kill(err)
	}
	if err := s.serve(fds); err != nil {
		return kill(err)
	}
	go s.attend()
	return &process.Running{Pid: child.Pid, Became: s.became, Signal: func(sig syscall.Signal) {
		_ = inside.WriteFrame(s.control, inside.Signal, []byte{byte(sig)})
	}}, nil
}

// pair is a connection to a child.
func pair() (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	return os.NewFile(uintptr(fds[0]), "control"), os.NewFile(uintptr(fds[1]), "control"), nil
}

func connection(f *os.File) (*net.UnixConn, error) {
	defer func() { _ = f.Close() }()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	return c.(*net.UnixConn), nil
}

// ready waits until everything is made, and takes the listeners.
func (s *sandbox) ready() (fds []int, err error) {
	for {
		rights := make([]byte, unix.CmsgSpace(16*4))
		head := make([]byte, 5)
		n, oobn, _, _, err := s.control.ReadMsgUnix(head, rights)
		if err != nil || n < len(head) {
			return nil, &Lacking{"the first process ended without a word", err}
		}
		text := make([]byte, min(binary.BigEndian.Uint32(head[1:]), 1<<16))
		if err := readFull(s.control, text); err != nil {
			return nil, err
		}
		switch head[0] {
		case inside.Lacking:
			s.command.Say("warning: this kernel lacks a part of the confinement: " + string(text))
		case inside.Failed:
			return nil, &Lacking{string(text), nil}
		case inside.Ready:
			return received(rights[:oobn])
		}
	}
}

func readFull(c *net.UnixConn, text []byte) error {
	for got := 0; got < len(text); {
		n, err := c.Read(text[got:])
		if err != nil {
			return err
		}
		got += n
	}
	return nil
}

func received(rights []byte) (fds []int, err error) {
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil {
		return nil, err
	}
	for i := range messages {
		more, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			return nil, err
		}
		for _, fd := range more {
			unix.CloseOnExec(fd)
		}
		fds = append(fds, more...)
	}
	if len(fds) <= inside.NameListener {
		return nil, errors.New("it handed no listeners out")
	}
	return fds, nil
}

// serve serves the listeners: the command's only way out.
func (s *sandbox) serve(fds []int) error {
	n := &names{}
	k := newCatcher(n, s.command.Proxy, s.refuse)
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "listener")
		if i == inside.NamePackets || i == inside.NamePackets6 {
			c, err := net.FilePacketConn(f)
			if err != nil {
				return err
			}
			go n.packets(c)
		} else {
			l, err := net.FileListener(f)
			if err != nil {
				return err
			}
			t := l.(*net.TCPListener)
			switch i {
			case inside.RelayListener:
				relay.Serve(t, RelayURL(), s.command.Proxy)
			case inside.NameListener:
				go k.accept(t, func(*net.TCPConn) (netip.AddrPort, error) {
					return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 53), nil
				})
			case inside.CatchListener:
				go k.accept(t, original4)
			case inside.CatchListener6:
				go k.accept(t, original6)
			}
		}
		_ = f.Close()
	}
	return nil
}

// original4 is where a connection went before it was redirected (SO_ORIGINAL_DST).
func original4(c *net.TCPConn) (to netip.AddrPort, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return to, err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		a, err := unix.GetsockoptIPv6Mreq(int(fd), unix.IPPROTO_IP, unix.SO_ORIGINAL_DST) // struct sockaddr_in
		if failed = err; err == nil {
			to = netip.AddrPortFrom(netip.AddrFrom4([4]byte(a.Multiaddr[4:8])), binary.BigEndian.Uint16(a.Multiaddr[2:4]))
		}
	})
	return to, errors.Join(err, failed)
}

// original6 is the same for IPv6.
func original6(c *net.TCPConn) (to netip.AddrPort, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return to, err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		a, err := unix.GetsockoptIPv6MTUInfo(int(fd), unix.IPPROTO_IPV6, unix.SO_ORIGINAL_DST) // struct sockaddr_in6
		if failed = err; err == nil {
			port := binary.NativeEndian.AppendUint16(nil, a.Addr.Port)
			to = netip.AddrPortFrom(netip.AddrFrom16(a.Addr.Addr).Unmap(), binary.BigEndian.Uint16(port))
		}
	})
	return to, errors.Join(err, failed)
}

// attend hears what becomes of the command.
func (s *sandbox) attend() {
	defer close(s.over)
	s.err = errors.New("the run ended without a word about its command")
	for {
		kind, text, err := inside.ReadFrame(s.control)
		if err != nil {
			return
		}
		switch {
		case kind == inside.Ended && len(text) == 4:
			s.status, s.err = unix.WaitStatus(binary.BigEndian.Uint32(text)), nil
		case kind == inside.Unborn && len(text) == 4:
			s.err = &NotStarted{s.plan.Path, syscall.Errno(binary.BigEndian.Uint32(text))}
		}
	}
}

func (s *sandbox) became() (unix.WaitStatus, error) {
	<-s.over
	return s.status, s.err
}

// refuse notes a refusal, each once; see tellRefused.
func (s *sandbox) refuse(target string, why *refusal) {
	const most = 50
	line := target + ": " + why.Error()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.refused) >= most || slices.Contains(s.refused, line) {
		return
	}
	s.refused = append(s.refused, line)
	if s.command.Verbose {
		s.command.Say("refused: " + line)
	}
}

// tellRefused says at the end which connections were refused: while a command has the
// terminal it would be in its way.
func (s *sandbox) tellRefused() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.command.Verbose {
		return
	}
	for _, line := range s.refused {
		s.command.Say("refused: " + line)
	}
}
