package resolver

import (
	"net/http"
	"strings"
	"sync"
)

// pools are connections to services, parted where a connection itself says who
// is at its other end: by a client certificate, or by an authentication that
// belongs to the connection (NTLM, Negotiate). A request of another account, or
// with such an authentication of another agent, never travels on one of these.
type pools struct {
	make func() *http.Transport

	mu     sync.Mutex
	parted map[string]*http.Transport
}

// maxPools bounds the parted pools of one connector. Beyond it the idle
// connections of all are closed, and pools are made anew as they are needed.
const maxPools = 1024

func (p *pools) of(key string) *http.Transport {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t, ok := p.parted[key]; ok {
		return t
	}
	if len(p.parted) >= maxPools {
		p.drop()
	}
	if p.parted == nil {
		p.parted = map[string]*http.Transport{}
	}
	t := p.make()
	p.parted[key] = t
	return t
}

// drop closes what is idle; the caller holds the lock.
func (p *pools) drop() {
	for _, t := range p.parted {
		t.CloseIdleConnections()
	}
	clear(p.parted)
}

func (p *pools) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drop()
}

// bindsConnection reports an Authorization that authenticates the connection
// and not the request (RFC 4559).
func bindsConnection(h http.Header) bool {
	for _, v := range h["Authorization"] {
		scheme, _, _ := strings.Cut(strings.TrimSpace(v), " ")
		if strings.EqualFold(scheme, "NTLM") || strings.EqualFold(scheme, "Negotiate") || strings.EqualFold(scheme, "Kerberos") || strings.EqualFold(scheme, "Nego2") {
			return true
		}
	}
	return false
}
