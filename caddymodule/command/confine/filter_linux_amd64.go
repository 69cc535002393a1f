package confine

import "golang.org/x/sys/unix"

const architecture = unix.AUDIT_ARCH_X86_64

// forbiddenHere are calls that this architecture alone has.
var forbiddenHere = []uint32{unix.SYS_KEXEC_FILE_LOAD, unix.SYS_IOPL, unix.SYS_IOPERM, unix.SYS_USELIB, unix.SYS__SYSCTL, unix.SYS_NFSSERVCTL, unix.SYS_CREATE_MODULE, unix.SYS_QUERY_MODULE, unix.SYS_GET_KERNEL_SYMS}

// modesHere are those of modes that it alone has.
var modesHere = []struct{ number, mode uint32 }{{unix.SYS_CHMOD, 1}, {unix.SYS_CREAT, 1}, {unix.SYS_MKNOD, 1}}

// opensHere are those of opens.
var opensHere = []struct{ number, mode uint32 }{{unix.SYS_OPEN, 2}}
