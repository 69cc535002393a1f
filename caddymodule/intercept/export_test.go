package intercept

import (
	"net"
	"time"
)

// SetClock replaces a minter's clock.
func SetClock(m *Minter, now func() time.Time) { m.now = now }

// Pair returns the two ends of a connection in memory.
func Pair() (a, b net.Conn) { return newPair(textAddr("client"), textAddr("server")) }

// Kept is how many tunnels the interceptor remembers.
func Kept(i *Interceptor) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.held + len(i.raw)
}

// AgentName is what is logged of a tunnel's agent.
func AgentName(t *Tunnel) string { return t.agentName() }
