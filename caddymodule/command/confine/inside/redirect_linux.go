package inside

import "syscall"

// The rules of nftables, as this would make them:
//
//	table inet attache {
//		chain out {
//			type nat hook output priority -100
//			ip daddr 127.0.0.0/8 accept
//			ip6 daddr ::1 accept
//			meta l4proto tcp redirect to :catchPort
//			udp dport 53 redirect to :dnsPort
//		}
//	}
//
// What else is sent, to whatever address, is sent to ourselves, where nobody listens:
// UDP is answered at once by "port unreachable".
func redirect() error {
	const acked = syscall.NLM_F_REQUEST | syscall.NLM_F_ACK
	create := uint16(acked | syscall.NLM_F_CREATE)
	table, chain := text("attache"), text("out")
	hook := append(attribute(1, be32(3)), attribute(2, be32(uint32(0xffffffff-99)))...) // output, -100
	batch := append(message(0x10, syscall.NLM_F_REQUEST, batchHead()),
		message(nft, create, append(inet(), attribute(1, table)...))...)
	batch = append(batch, message(nft|3, create, join(inet(), attribute(1, table), attribute(3, chain), nested(4, hook), attribute(7, text("nat"))))...)
	rules := [][]byte{
		join(metaIs(metaNFProto, 2), payloadIs(1, 16, []byte{127}), accept()),
		join(metaIs(metaNFProto, 10), payloadIs(1, 24, append(make([]byte, 15), 1)), accept()),
		join(metaIs(metaL4Proto, syscall.IPPROTO_TCP), redirectTo(catchPort)),
		join(metaIs(metaL4Proto, syscall.IPPROTO_UDP), payloadIs(2, 2, be16(dnsPort)), redirectTo(dnsPort)),
	}
	for _, r := range rules {
		batch = append(batch, message(nft|6, create|syscall.NLM_F_APPEND, join(inet(), attribute(1, table), attribute(2, chain), nested(4, r)))...)
	}
	batch = append(batch, message(0x11, syscall.NLM_F_REQUEST, batchHead())...)
	return exchange(syscall.NETLINK_NETFILTER, batch, 2+len(rules))
}

// Numbers of linux/netfilter/nf_tables.h and nfnetlink.h.
const (
	nft         = 10 << 8 // the subsystem, and its first message
	metaNFProto = 15
	metaL4Proto = 16
	register    = 1 // NFT_REG_1
)

// inet is struct nfgenmsg for the family of both.
func inet() []byte { return []byte{1, 0, 0, 0} }

func batchHead() []byte { return []byte{0, 0, 0, 10} }

func metaIs(key uint32, value byte) []byte {
	return append(expression("meta", append(attribute(1, be32(register)), attribute(2, be32(key))...)), equals([]byte{value})...)
}

// payloadIs compares bytes of the network's (1) or the transport's header (2).
func payloadIs(header, offset uint32, value []byte) []byte {
	return append(expression("payload", join(attribute(1, be32(register)), attribute(2, be32(header)), attribute(3, be32(offset)), attribute(4, be32(uint32(len(value)))))), equals(value)...)
}

func equals(value []byte) []byte {
	return expression("cmp", join(attribute(1, be32(register)), attribute(2, be32(0)), nested(3, attribute(1, value))))
}

func accept() []byte {
	return expression("immediate", append(attribute(1, be32(0)), nested(2, nested(2, attribute(1, be32(1))))...))
}

func redirectTo(port uint16) []byte {
	load := expression("immediate", append(attribute(1, be32(register)), nested(2, attribute(1, be16(port)))...))
	return append(load, expression("redir", append(attribute(1, be32(register)), attribute(2, be32(register))...))...)
}

func expression(name string, data []byte) []byte {
	return nested(1, append(attribute(1, text(name)), nested(2, data)...))
}

func nested(kind uint16, value []byte) []byte { return attribute(kind|0x8000, value) }

func text(s string) []byte { return append([]byte(s), 0) }

func be16(n uint16) []byte { return []byte{byte(n >> 8), byte(n)} }

func be32(n uint32) []byte { return Number(n) }

func join(parts ...[]byte) (all []byte) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}
