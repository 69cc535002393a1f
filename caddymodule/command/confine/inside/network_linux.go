package inside

import "syscall"

// net are the listeners, by their places.
type listeners struct {
	fds []int
	six bool
}

// network makes every address this machine's own, so that nothing is unreachable and
// nothing leaves; every connection comes to catchPort, every question to dnsPort.
func network() (*listeners, error) {
	n := &listeners{six: hasIPv6()}
	if err := route(n.six); err != nil {
		return nil, named("routes", err)
	}
	if err := redirect(); err != nil {
		return nil, named("nftables", err)
	}
	four := [4]byte{127, 0, 0, 1}
	all := []struct {
		kind int
		at   syscall.Sockaddr
	}{
		RelayListener: {syscall.SOCK_STREAM, &syscall.SockaddrInet4{Addr: [4]byte{127, 127, 127, 127}, Port: RelayPort}},
		CatchListener: {syscall.SOCK_STREAM, &syscall.SockaddrInet4{Addr: four, Port: catchPort}},
		NamePackets:   {syscall.SOCK_DGRAM, &syscall.SockaddrInet4{Addr: four, Port: dnsPort}},
		NameListener:  {syscall.SOCK_STREAM, &syscall.SockaddrInet4{Addr: four, Port: dnsPort}},
	}
	if n.six {
		one := [16]byte{15: 1}
		all = append(all, []struct {
			kind int
			at   syscall.Sockaddr
		}{
			{syscall.SOCK_STREAM, &syscall.SockaddrInet6{Addr: one, Port: catchPort}},
			{syscall.SOCK_DGRAM, &syscall.SockaddrInet6{Addr: one, Port: dnsPort}},
		}...)
	}
	for _, l := range all {
		fd, err := listen(l.kind, l.at)
		if err != nil {
			return nil, named("listening", err)
		}
		n.fds = append(n.fds, fd)
	}
	return n, nil
}

func hasIPv6() bool {
	fd, err := syscall.Socket(syscall.AF_INET6, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	_ = syscall.Close(fd)
	return true
}

func listen(kind int, at syscall.Sockaddr) (fd int, err error) {
	family := syscall.AF_INET
	if _, ok := at.(*syscall.SockaddrInet6); ok {
		family = syscall.AF_INET6
	}
	fd, err = syscall.Socket(family, kind|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		return 0, err
	}
	if err := syscall.Bind(fd, at); err != nil {
		return 0, err
	}
	if kind == syscall.SOCK_STREAM {
		err = syscall.Listen(fd, 4096)
	}
	return fd, err
}

// handOut sends the listeners, and keeps none.
func (n *listeners) handOut() error {
	if err := syscall.Sendmsg(Control, Frame(Ready, nil), syscall.UnixRights(n.fds...), nil, 0); err != nil {
		return err
	}
	for _, fd := range n.fds {
		_ = syscall.Close(fd)
	}
	return nil
}

// Routes, as ip route add local 0.0.0.0/0 dev lo makes them (rtnetlink(7)).
const loopback = 1 // lo, in a network that is new

func route(six bool) error {
	up := message(syscall.RTM_NEWLINK, syscall.NLM_F_REQUEST|syscall.NLM_F_ACK, native(syscall.IfInfomsg{Index: loopback, Flags: syscall.IFF_UP, Change: syscall.IFF_UP}))
	families := []uint8{syscall.AF_INET}
	if six {
		families = append(families, syscall.AF_INET6)
	}
	all := [][]byte{up}
	for _, family := range families {
		body := native(syscall.RtMsg{Family: family, Table: syscall.RT_TABLE_LOCAL, Protocol: syscall.RTPROT_BOOT, Scope: syscall.RT_SCOPE_HOST, Type: syscall.RTN_LOCAL})
		body = append(body, attribute(syscall.RTA_OIF, native(uint32(loopback)))...)
		all = append(all, message(syscall.RTM_NEWROUTE, syscall.NLM_F_REQUEST|syscall.NLM_F_ACK|syscall.NLM_F_CREATE, body))
	}
	for _, m := range all {
		if err := exchange(syscall.NETLINK_ROUTE, m, 1); err != nil {
			return err
		}
	}
	return nil
}
