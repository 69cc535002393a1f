package confine

import (
	"net/netip"
	"strings"
	"sync"
)

// maxNames bounds how many names a run may ask for. What was answered stays answered:
// a client that connects a day later goes where it meant to.
const maxNames = 8192

// names gives each name an address that stands for it, of networks that nobody has:
// 198.18.0.0/15 (RFC 2544) and below fd00::/8 (RFC 4193).
type names struct {
	mu     sync.Mutex
	byName map[string]uint32
	all    []string
}

var (
	fours = netip.MustParsePrefix("198.18.0.0/15")
	sixes = netip.MustParsePrefix("fd00:a77a:c4e:1::/64")
)

// number is the name's place, from 1; 0 where the table is full.
func (n *names) number(name string) uint32 {
	n.mu.Lock()
	defer n.mu.Unlock()
	if i, ok := n.byName[name]; ok {
		return i
	}
	if len(n.all) >= maxNames {
		return 0
	}
	if n.byName == nil {
		n.byName = map[string]uint32{}
	}
	name = strings.Clone(name)
	n.all = append(n.all, name)
	i := uint32(len(n.all))
	n.byName[name] = i
	return i
}

func four(i uint32) [4]byte {
	a := fours.Addr().As4()
	a[1] += byte(i >> 16)
	a[2], a[3] = byte(i>>8), byte(i)
	return a
}

func six(i uint32) [16]byte {
	a := sixes.Addr().As16()
	a[12], a[13], a[14], a[15] = byte(i>>24), byte(i>>16), byte(i>>8), byte(i)
	return a
}

// of is the name for which an address stands. ours says that it is one of those that
// are given to names.
func (n *names) of(addr netip.Addr) (name string, ours bool) {
	addr = addr.Unmap()
	var i uint32
	switch {
	case fours.Contains(addr):
		a := addr.As4()
		i = uint32(a[1]-18)<<16 | uint32(a[2])<<8 | uint32(a[3])
	case sixes.Contains(addr):
		a := addr.As16()
		if a[8]|a[9]|a[10]|a[11] != 0 {
			return "", true
		}
		i = uint32(a[12])<<24 | uint32(a[13])<<16 | uint32(a[14])<<8 | uint32(a[15])
	default:
		return "", false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if i == 0 || int64(i) > int64(len(n.all)) {
		return "", true
	}
	return n.all[i-1], true
}

// proper is a name as it is asked for, in lower case and without its last dot; ok says
// that it may stand in a request to the proxy: letters, digits, hyphens, underscores
// and dots, and not the looks of an address.
func proper(name string) (string, bool) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if name == "" || len(name) > 253 {
		return "", false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" {
			return "", false
		}
	}
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return "", false
		}
	}
	last := name[strings.LastIndexByte(name, '.')+1:]
	if strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x") {
		return "", false
	}
	return name, true
}
