package intercept

import (
	"container/list"
	"crypto/tls"
	"crypto/x509"
	"time"
)

// leaf is a certificate that was minted.
type leaf struct {
	host   string
	cert   *tls.Certificate
	issuer *x509.Certificate
	renew  time.Time // not used from here on
}

// leafCache keeps the leaves that were used last, at most max of them. An agent
// that asks for ever new names under a wildcard costs minting, not memory. It
// is not safe for concurrent use.
type leafCache struct {
	max    int
	recent *list.List // of *leaf, the last used first
	byHost map[string]*list.Element
}

func newLeafCache(max int) *leafCache {
	return &leafCache{max: max, recent: list.New(), byHost: make(map[string]*list.Element)}
}

func (c *leafCache) get(host string) (*leaf, bool) {
	e, ok := c.byHost[host]
	if !ok {
		return nil, false
	}
	c.recent.MoveToFront(e)
	return e.Value.(*leaf), true
}

func (c *leafCache) put(l *leaf) {
	if e, ok := c.byHost[l.host]; ok {
		e.Value = l
		c.recent.MoveToFront(e)
		return
	}
	c.byHost[l.host] = c.recent.PushFront(l)
	if c.recent.Len() > c.max {
		oldest := c.recent.Remove(c.recent.Back()).(*leaf)
		delete(c.byHost, oldest.host)
	}
}
