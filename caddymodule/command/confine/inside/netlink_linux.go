package inside

import (
	"errors"
	"syscall"
	"unsafe"
)

// native is a fixed structure of the kernel's as bytes.
func native[T any](v T) []byte {
	return append([]byte(nil), unsafe.Slice((*byte)(unsafe.Pointer(&v)), unsafe.Sizeof(v))...)
}

// message is one of netlink (netlink(7)).
func message(kind uint16, flags uint16, body []byte) []byte {
	h := syscall.NlMsghdr{Len: uint32(syscall.SizeofNlMsghdr + len(body)), Type: kind, Flags: flags}
	return padded(append(native(h), body...))
}

func attribute(kind uint16, value []byte) []byte {
	return padded(append(append(native(uint16(4+len(value))), native(kind)...), value...))
}

func padded(b []byte) []byte {
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// exchange sends messages, and waits until each of those that ask for it was taken.
func exchange(protocol int, text []byte, acks int) error {
	fd, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, protocol)
	if err != nil {
		return err
	}
	defer func() { _ = syscall.Close(fd) }()
	_ = syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &syscall.Timeval{Sec: 5})
	if err := syscall.Sendto(fd, text, 0, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK}); err != nil {
		return err
	}
	buf := make([]byte, 64<<10)
	for acks > 0 {
		n, _, err := syscall.Recvfrom(fd, buf, 0)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		answers, err := syscall.ParseNetlinkMessage(buf[:n])
		if err != nil {
			return err
		}
		for _, a := range answers {
			if a.Header.Type != syscall.NLMSG_ERROR || len(a.Data) < 4 {
				continue
			}
			if code := *(*int32)(unsafe.Pointer(&a.Data[0])); code != 0 {
				return syscall.Errno(-code)
			}
			acks--
		}
	}
	return nil
}
