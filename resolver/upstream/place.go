package upstream

import (
	"net/http"
	"sync"
)

// place is what connections are kept for.
type place struct {
	tls   bool
	addr  string // host:port
	owner Owner
}

// Owner is whose requests alone use a connection. The zero value is nobody's.
type Owner struct{ Account, Agent string }

func placeOf(req *http.Request, owner Owner) place {
	u := req.URL
	addr, tls := u.Host, u.Scheme == "https"
	if u.Port() == "" {
		addr = hostPort(u.Hostname(), tls)
	}
	return place{tls, addr, owner}
}

// version is what a place speaks over TLS.
type version int8

const (
	unknown version = iota
	http1
	http2
)

// protocols remembers what places speak.
type protocols struct {
	mu sync.RWMutex
	m  map[string]version
}

// maxSeen bounds what is remembered: a wildcard's names come from agents.
const maxSeen = 4096

func (p *protocols) of(addr string) version {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.m[addr]
}

func (p *protocols) set(addr string, v version) {
	if p.of(addr) == v {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.m == nil || len(p.m) >= maxSeen {
		p.m = map[string]version{}
	}
	p.m[addr] = v
}

// upgrading reports a status that ends HTTP on a connection.
func upgrading(status int) bool { return status == http.StatusSwitchingProtocols }
