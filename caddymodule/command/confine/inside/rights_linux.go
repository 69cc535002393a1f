package inside

import (
	"errors"
	"os"
	"runtime"
	"syscall"
	"unsafe"
)

// Numbers of prctl(2), close_range(2) and seccomp(2).
const (
	prSetDumpable   = 4
	prCapBSetDrop   = 24
	prSetNoNewPrivs = 38
	prCapAmbient    = 47
	ambientClearAll = 4
	sysCloseRange   = 436
	closeOnExec     = 4
	lastDescriptor  = 1<<32 - 1
	lastCapability  = 63
	rlimitNProc     = 6
	seccompFilter   = 1 // SECCOMP_SET_MODE_FILTER
	seccompTSync    = 1
)

// sysSeccomp is a number of each architecture's own.
var sysSeccomp = map[string]uintptr{"amd64": 317, "arm64": 277}

// giveAway lets go of every right that the command is not to have. It says what the
// kernel lacks, where the plan goes on without.
func (p *Plan) giveAway() (lacks string, err error) {
	if _, _, errno := syscall.RawSyscall(sysCloseRange, Control, lastDescriptor, closeOnExec); errno != 0 {
		return "", named("close_range (Linux 5.11)", errno)
	}
	if p.MaxProcs > 0 {
		if err := syscall.Setrlimit(rlimitNProc, &syscall.Rlimit{Cur: p.MaxProcs, Max: p.MaxProcs}); err != nil {
			return "", named("--max-procs", err)
		}
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{Cur: 1, Max: 1}); err != nil { // 0 would still start a program of the host's (core(5))
		return "", named("setrlimit", err)
	}
	if err := prctl(prSetNoNewPrivs, 1, 0); err != nil {
		return "", named("no_new_privs", err)
	}
	if err := p.landlock(); err != nil {
		if !p.Best || !errors.Is(err, errNoLandlock) {
			return "", err
		}
		lacks = err.Error()
	}
	if err := noCapabilities(); err != nil {
		return "", named("dropping capabilities", err)
	}
	if err := p.filter(); err != nil {
		if !p.Best {
			return "", named("seccomp", err)
		}
		if lacks != "" {
			lacks += "; "
		}
		lacks += "seccomp: " + err.Error()
	}
	return lacks, nil
}

func prctl(option, a, b uintptr) error {
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_PRCTL, option, a, b, 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// noCapabilities drops all, on this thread for whoever it starts, and on the others
// where the runtime can.
func noCapabilities() error {
	for c := uintptr(0); c <= lastCapability; c++ {
		if err := prctl(prCapBSetDrop, c, 0); err != nil {
			if errors.Is(err, syscall.EINVAL) { // the kernel has no more
				break
			}
			return err
		}
	}
	if err := prctl(prCapAmbient, ambientClearAll, 0); err != nil {
		return err
	}
	head := struct {
		version uint32
		pid     int32
	}{version: 0x20080522}
	var none [2]struct{ effective, permitted, inheritable uint32 }
	a, b := uintptr(unsafe.Pointer(&head)), uintptr(unsafe.Pointer(&none))
	if _, _, errno := syscall.AllThreadsSyscall(syscall.SYS_CAPSET, a, b, 0); errno != 0 && errno != syscall.ENOTSUP {
		return errno
	}
	if _, _, errno := syscall.RawSyscall(syscall.SYS_CAPSET, a, b, 0); errno != 0 {
		return errno
	}
	return nil
}

// filter installs the seccomp program, on every thread.
func (p *Plan) filter() error {
	number, ok := sysSeccomp[runtime.GOARCH]
	if !ok {
		return errors.New(runtime.GOARCH + " is not known here")
	}
	program := struct {
		n      uint16
		filter *byte
	}{uint16(len(p.Filter) / 8), unsafe.StringData(p.Filter)}
	if _, _, errno := syscall.RawSyscall(number, seccompFilter, seccompTSync, uintptr(unsafe.Pointer(&program))); errno != 0 {
		return errno
	}
	return nil
}

// Landlock: landlock(7), linux/landlock.h.
const (
	sysCreateRuleset = 444
	sysAddRule       = 445
	sysRestrictSelf  = 446
	versionOnly      = 1
	pathBeneath      = 1
	oPath            = 0x200000

	mayExecute  = 1 << 0
	mayWrite    = 1 << 1
	mayRead     = 1 << 2
	mayReadDir  = 1 << 3
	mayTruncate = 1 << 14
	mayIoctl    = 1 << 15
	reading     = mayExecute | mayRead | mayReadDir
	ofFiles     = mayExecute | mayWrite | mayRead | mayTruncate | mayIoctl
)

var errNoLandlock = errors.New("this kernel has no Landlock (Linux 5.13, in its list of LSMs)")

// handled are the accesses of files that each version of Landlock knows.
var handled = []uint64{1: 1<<13 - 1, 2: 1<<14 - 1, 3: 1<<15 - 1, 4: 1<<15 - 1, 5: 1<<16 - 1}

// landlock allows reading everything that is left, and writing where the plan says.
func (p *Plan) landlock() error {
	version, _, errno := syscall.RawSyscall(sysCreateRuleset, 0, 0, versionOnly)
	if errno != 0 || version < 1 {
		return errNoLandlock
	}
	attr := struct{ fs, net, scoped uint64 }{fs: handled[min(int(version), len(handled)-1)]}
	size := uintptr(8)
	if version >= 6 { // abstract sockets and signals of others
		attr.scoped, size = 3, unsafe.Sizeof(attr)
	}
	rules, _, errno := syscall.RawSyscall(sysCreateRuleset, uintptr(unsafe.Pointer(&attr)), size, 0)
	if errno != 0 {
		return named("landlock", errno)
	}
	defer func() { _ = syscall.Close(int(rules)) }()
	if err := allow(rules, "/", reading&attr.fs); err != nil {
		return err
	}
	for _, at := range append(p.Writable, "/dev") {
		if err := allow(rules, at, attr.fs); err != nil {
			return err
		}
	}
	if _, _, errno := syscall.RawSyscall(sysRestrictSelf, rules, 0, 0); errno != 0 {
		return named("landlock", errno)
	}
	return nil
}

// allow gives rights below a directory, or to a file.
func allow(rules uintptr, at string, access uint64) error {
	fd, err := syscall.Open(at, oPath|syscall.O_CLOEXEC, 0)
	if err != nil {
		return named("landlock: "+at, err)
	}
	defer func() { _ = syscall.Close(fd) }()
	if info, err := os.Stat(at); err == nil && !info.IsDir() {
		access &= ofFiles
	}
	var attr [12]byte // packed: __u64, __s32
	*(*uint64)(unsafe.Pointer(&attr[0])) = access
	*(*int32)(unsafe.Pointer(&attr[8])) = int32(fd)
	if _, _, errno := syscall.RawSyscall6(sysAddRule, rules, pathBeneath, uintptr(unsafe.Pointer(&attr)), 0, 0, 0); errno != 0 {
		return named("landlock: "+at, errno)
	}
	return nil
}
