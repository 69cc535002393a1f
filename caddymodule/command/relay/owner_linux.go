package relay

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The kernel tells whose a connection of this machine is (sock_diag(7)): the other
// end of ours is a socket here, too.

// request is struct inet_diag_req_v2 after its netlink header.
type request struct {
	unix.NlMsghdr
	family, protocol, ext, _ uint8
	states                   uint32
	id                       socketID
}

// socketID is struct inet_diag_sockid; ports and addresses in network order.
type socketID struct {
	sport, dport [2]byte
	src, dst     [16]byte
	iface        uint32
	cookie       [2]uint32
}

// found is struct inet_diag_msg.
type found struct {
	family, state, timer, retrans uint8
	id                            socketID
	expires, rqueue, wqueue, uid  uint32
	inode                         uint32
}

// byFamily is SOCK_DIAG_BY_FAMILY.
const byFamily = 20

// ownership returns a function that reports whether a connection to us, from client,
// is of a program of this user, or of root, who may do anything.
func ownership() (mine func(client, here netip.AddrPort) bool, err error) {
	nobody := netip.MustParseAddrPort("127.0.0.1:1")
	if _, err := owner(nobody, nobody); err != nil && !errors.Is(err, unix.ENOENT) {
		return nil, fmt.Errorf("%w: the kernel does not say whose a connection is: %w", errors.ErrUnsupported, err)
	}
	self := uint32(os.Geteuid())
	return func(client, here netip.AddrPort) bool {
		s, err := owner(client, here)
		// Without an inode it belongs to nobody any more, and the user stands for nothing.
		return err == nil && s.inode != 0 && (s.uid == self || s.uid == 0)
	}, nil
}

// owner finds the socket at from that is connected to to.
func owner(from, to netip.AddrPort) (s found, err error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return s, err
	}
	defer unix.Close(fd)
	q := request{family: unix.AF_INET, protocol: unix.IPPROTO_TCP, states: ^uint32(0), id: socketID{cookie: [2]uint32{^uint32(0), ^uint32(0)}}}
	q.NlMsghdr = unix.NlMsghdr{Len: uint32(unsafe.Sizeof(q)), Type: byFamily, Flags: unix.NLM_F_REQUEST}
	binary.BigEndian.PutUint16(q.id.sport[:], from.Port())
	binary.BigEndian.PutUint16(q.id.dport[:], to.Port())
	src, dst := from.Addr().Unmap().As4(), to.Addr().Unmap().As4()
	copy(q.id.src[:], src[:])
	copy(q.id.dst[:], dst[:])
	if err := unix.Sendto(fd, unsafe.Slice((*byte)(unsafe.Pointer(&q)), unsafe.Sizeof(q)), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return s, err
	}
	_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 2})
	buf := make([]byte, 8<<10)
	n, _, err := unix.Recvfrom(fd, buf, 0)
	if err != nil {
		return s, err
	}
	const header = unix.SizeofNlMsghdr
	if n < header {
		return s, unix.EBADMSG
	}
	h := (*unix.NlMsghdr)(unsafe.Pointer(&buf[0]))
	switch {
	case h.Type == unix.NLMSG_ERROR && n >= header+4:
		return s, unix.Errno(-*(*int32)(unsafe.Pointer(&buf[header])))
	case h.Type != byFamily || n < header+int(unsafe.Sizeof(s)):
		return s, unix.EBADMSG
	}
	s = *(*found)(unsafe.Pointer(&buf[header]))
	if s.id.sport != q.id.sport || s.id.dport != q.id.dport || s.address(s.id.src) != from.Addr().Unmap() || s.address(s.id.dst) != to.Addr().Unmap() {
		return found{}, unix.ENOENT // a listener stands for a connection that is not there
	}
	return s, nil
}

// address reads one of the socket's addresses: a socket of IPv6 may be connected over
// IPv4 (Java's all are).
func (s *found) address(b [16]byte) netip.Addr {
	if s.family == unix.AF_INET6 {
		return netip.AddrFrom16(b).Unmap()
	}
	return netip.AddrFrom4([4]byte(b[:4]))
}
