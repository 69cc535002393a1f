package confine

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// ttl is how long a client may keep an answer, in seconds. It holds for the run.
const ttl = 600

// packets answers questions over UDP until the socket is closed.
func (n *names) packets(c net.PacketConn) {
	buf := make([]byte, 4096)
	for {
		size, from, err := c.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		if reply := n.answer(buf[:size]); reply != nil {
			_, _ = c.WriteTo(reply, from)
		}
	}
}

// stream answers questions over TCP (RFC 7766).
func (n *names) stream(c net.Conn) {
	defer func() { _ = c.Close() }()
	for {
		_ = c.SetDeadline(time.Now().Add(time.Minute))
		var size [2]byte
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return
		}
		question := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(c, question); err != nil {
			return
		}
		reply := n.answer(question)
		if reply == nil {
			return
		}
		if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...)); err != nil {
			return
		}
	}
}

// answer answers one question; nil where it is none. Nothing is asked of anybody: a
// name is known when it is asked for, and whether there is such a host is found out by
// the proxy, when somebody connects.
func (n *names) answer(question []byte) []byte {
	var p dnsmessage.Parser
	h, err := p.Start(question)
	if err != nil || h.Response {
		return nil
	}
	reply := dnsmessage.Header{ID: h.ID, Response: true, OpCode: h.OpCode, RecursionDesired: h.RecursionDesired, RecursionAvailable: true}
	q, err := p.Question()
	if err != nil || h.OpCode != 0 {
		reply.RCode = dnsmessage.RCodeNotImplemented
		return packed(reply, nil, nil)
	}
	body, code := n.record(q)
	reply.RCode = code
	return packed(reply, &q, body)
}

// record is what is said of a name; nil for nothing. There is no HTTPS record, and so
// no key for an encrypted SNI.
func (n *names) record(q dnsmessage.Question) (dnsmessage.ResourceBody, dnsmessage.RCode) {
	if q.Class != dnsmessage.ClassINET {
		return nil, dnsmessage.RCodeRefused
	}
	if q.Type == dnsmessage.TypePTR {
		return n.pointer(q.Name.String())
	}
	name, ok := proper(q.Name.String())
	if !ok || name == canary {
		return nil, dnsmessage.RCodeNameError
	}
	if q.Type != dnsmessage.TypeA && q.Type != dnsmessage.TypeAAAA {
		return nil, dnsmessage.RCodeSuccess
	}
	if name == "localhost" || strings.HasSuffix(name, ".localhost") { // RFC 6761 §6.3
		if q.Type == dnsmessage.TypeA {
			return &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}}, dnsmessage.RCodeSuccess
		}
		return &dnsmessage.AAAAResource{AAAA: [16]byte{15: 1}}, dnsmessage.RCodeSuccess
	}
	i := n.number(name)
	switch {
	case i == 0:
		return nil, dnsmessage.RCodeServerFailure
	case q.Type == dnsmessage.TypeA:
		return &dnsmessage.AResource{A: four(i)}, dnsmessage.RCodeSuccess
	}
	return &dnsmessage.AAAAResource{AAAA: six(i)}, dnsmessage.RCodeSuccess
}

// pointer is the name of an address of ours (RFC 1035 §3.5, RFC 3596 §2.5).
func (n *names) pointer(name string) (dnsmessage.ResourceBody, dnsmessage.RCode) {
	found, _ := n.of(reversed(strings.ToLower(name)))
	if found == "" {
		return nil, dnsmessage.RCodeNameError
	}
	to, err := dnsmessage.NewName(found + ".")
	if err != nil {
		return nil, dnsmessage.RCodeNameError
	}
	return &dnsmessage.PTRResource{PTR: to}, dnsmessage.RCodeSuccess
}

func reversed(name string) netip.Addr {
	if digits, ok := strings.CutSuffix(name, ".in-addr.arpa."); ok {
		parts := strings.Split(digits, ".")
		if len(parts) == 4 {
			addr, _ := netip.ParseAddr(parts[3] + "." + parts[2] + "." + parts[1] + "." + parts[0])
			return addr
		}
	}
	if digits, ok := strings.CutSuffix(name, ".ip6.arpa."); ok && len(digits) == 63 {
		var b strings.Builder
		for i := 62; i >= 0; i -= 2 {
			b.WriteByte(digits[i])
			if n := (62 - i) / 2; n%4 == 3 && n < 31 {
				b.WriteByte(':')
			}
		}
		addr, _ := netip.ParseAddr(b.String())
		return addr
	}
	return netip.Addr{}
}

func packed(h dnsmessage.Header, q *dnsmessage.Question, body dnsmessage.ResourceBody) []byte {
	m := dnsmessage.Message{Header: h}
	if q != nil {
		m.Questions = []dnsmessage.Question{*q}
		if body != nil {
			m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: ttl}, Body: body}}
		}
	}
	out, err := m.Pack()
	if err != nil {
		return nil
	}
	return out
}
