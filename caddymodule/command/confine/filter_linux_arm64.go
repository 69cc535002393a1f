package confine

import "golang.org/x/sys/unix"

const architecture = unix.AUDIT_ARCH_AARCH64

// forbiddenHere are calls that this architecture alone has.
var forbiddenHere = []uint32{unix.SYS_KEXEC_FILE_LOAD, unix.SYS_NFSSERVCTL}

// modesHere are those of modes that it alone has.
var modesHere []struct{ number, mode uint32 }

// opensHere are those of opens.
var opensHere []struct{ number, mode uint32 }
