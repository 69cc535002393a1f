//go:build !unix

package upstream

import "net"

// canPoll says that idle connections can be looked at without waiting. Where
// they cannot, net/http sends all.
const canPoll = false

type poller struct{}

func newPoller(net.Conn) poller { return poller{} }

func (poller) ok() bool { return false }

func (poller) read([]byte) (int, error) { return 0, quiet{} }
