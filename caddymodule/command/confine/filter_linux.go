//go:build amd64 || arm64

package confine

import (
	"encoding/binary"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Results and offsets of struct seccomp_data (seccomp(2)).
const (
	retAllow = 0x7fff0000
	retErrno = 0x00050000
	retKill  = 0x80000000

	offNumber = 0
	offArch   = 4
	x32       = 0x40000000 // the bit of x32's numbers
)

// off is where the lower half of an argument is. Of what the kernel takes for an int it
// looks at no more, so that the upper half must not decide.
func off(arg uint32) uint32 { return 16 + 8*arg }

// newNamespaces are the flags of clone(2) and unshare(2) that make one.
const newNamespaces = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWTIME

// forbidden are calls that no command needs and that reach other processes, the
// kernel's keys, its mounts or its insides. A program that asks is told EPERM.
var forbidden = append([]uint32{
	unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_KCMP, unix.SYS_PIDFD_GETFD, unix.SYS_PROCESS_MADVISE, unix.SYS_PROCESS_MRELEASE,
	unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY,
	unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER,
	unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD, unix.SYS_FANOTIFY_INIT, unix.SYS_LOOKUP_DCOOKIE, unix.SYS_SYSLOG,
	unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT, unix.SYS_SETNS, unix.SYS_OPEN_TREE, unix.SYS_MOVE_MOUNT, unix.SYS_FSOPEN, unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSPICK, unix.SYS_MOUNT_SETATTR,
	unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_NAME_TO_HANDLE_AT, unix.SYS_QUOTACTL, unix.SYS_QUOTACTL_FD,
	unix.SYS_KEXEC_LOAD, unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE, unix.SYS_REBOOT, unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_ACCT, unix.SYS_VHANGUP,
	unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_CLOCK_ADJTIME, unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME, unix.SYS_MOVE_PAGES, unix.SYS_MIGRATE_PAGES,
}, forbiddenHere...)

// modes are calls that give a file its mode, with the argument that it is.
var modes = append([]struct{ number, mode uint32 }{
	{unix.SYS_FCHMOD, 1}, {unix.SYS_FCHMODAT, 2}, {unix.SYS_FCHMODAT2, 2}, {unix.SYS_MKNODAT, 2},
}, modesHere...)

// opens are calls that give a mode to a file that they make; their flags are before it.
var opens = append([]struct{ number, mode uint32 }{{unix.SYS_OPENAT, 3}}, opensHere...)

// creates are the flags by which they make one: O_CREAT and the bit of O_TMPFILE.
const creates = unix.O_CREAT | unix.O_TMPFILE&^unix.O_DIRECTORY

// filter is the program that each system call of the command passes. What it does not
// name is allowed: everything that would matter is also out of reach without it.
func filter() ([]byte, error) {
	p := []bpf.Instruction{
		bpf.LoadAbsolute{Off: offArch, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: architecture, SkipTrue: 1},
		bpf.RetConstant{Val: retKill}, // calls of another architecture have other numbers
		bpf.LoadAbsolute{Off: offNumber, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: x32, SkipFalse: 1},
		fails(unix.ENOSYS),
	}
	for _, n := range forbidden {
		p = append(p, bpf.JumpIf{Cond: bpf.JumpEqual, Val: n, SkipFalse: 1}, fails(unix.EPERM))
	}
	p = on(p, unix.SYS_CLONE3, fails(unix.ENOSYS)) // its flags are in memory; libraries then take clone
	for _, n := range []uint32{unix.SYS_CLONE, unix.SYS_UNSHARE} {
		p = on(p, n, low(0), bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: newNamespaces, SkipFalse: 1}, fails(unix.EPERM))
	}
	p = on(p, unix.SYS_IOCTL, low(1), // typing for others at the terminal
		equal(unix.TIOCSTI, 1), bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.TIOCLINUX, SkipFalse: 1}, fails(unix.EPERM))
	for _, c := range modes { // files that make whoever starts them their owner
		p = on(p, c.number, low(c.mode), bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: unix.S_ISUID | unix.S_ISGID, SkipFalse: 1}, fails(unix.EPERM))
	}
	for _, c := range opens {
		p = on(p, c.number, low(c.mode-1), bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: creates, SkipFalse: 3},
			low(c.mode), bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: unix.S_ISUID | unix.S_ISGID, SkipFalse: 1}, fails(unix.EPERM))
	}
	p = on(p, unix.SYS_OPENAT2, fails(unix.ENOSYS)) // its mode is in memory; programs then take openat
	p = on(p, unix.SYS_PERSONALITY, low(0), equal(0, 3), equal(0x8, 2), equal(0xffffffff, 1), fails(unix.EPERM))
	p = on(p, unix.SYS_SOCKET, // by family, type and protocol
		low(0),
		equal(unix.AF_UNIX, 10),
		equal(unix.AF_NETLINK, 6),
		equal(unix.AF_INET, 1),
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.AF_INET6, SkipTrue: 6},
		low(1),
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xf}, // the rest are flags
		equal(unix.SOCK_STREAM, 4),
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.SOCK_DGRAM, SkipTrue: 3, SkipFalse: 2},
		low(2),
		equal(unix.NETLINK_ROUTE, 1),
		fails(unix.EAFNOSUPPORT))
	p = append(p, bpf.RetConstant{Val: retAllow})
	raw, err := bpf.Assemble(p)
	if err != nil {
		return nil, err
	}
	var out []byte
	for _, i := range raw { // struct sock_filter
		out = binary.NativeEndian.AppendUint16(out, i.Op)
		out = append(out, i.Jt, i.Jf)
		out = binary.NativeEndian.AppendUint32(out, i.K)
	}
	return out, nil
}

// on adds what is done for one call; behind it the number is loaded again.
func on(p []bpf.Instruction, number uint32, do ...bpf.Instruction) []bpf.Instruction {
	p = append(p, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: number, SkipTrue: uint8(len(do))})
	p = append(p, do...)
	return append(p, bpf.LoadAbsolute{Off: offNumber, Size: 4})
}

// equal jumps over as many instructions.
func equal(value uint32, over uint8) bpf.Instruction {
	return bpf.JumpIf{Cond: bpf.JumpEqual, Val: value, SkipTrue: over}
}

func low(arg uint32) bpf.Instruction { return bpf.LoadAbsolute{Off: off(arg), Size: 4} }

func fails(e unix.Errno) bpf.Instruction { return bpf.RetConstant{Val: retErrno | uint32(e)} }
