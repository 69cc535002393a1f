// Package intercept answers CONNECT.
//
// A tunnel is either intercepted: the client's TLS is ended with a leaf
// certificate for the host that it asked for, and the requests inside are
// served by the handler of the proxy itself, over HTTP/1.1 or HTTP/2; or
// spliced: joined with a connection that the caller has dialled.
//
//	tunnel.go     what a tunnel is, which requests ask for one
//	target.go     where it is to lead
//	minter.go     leaf certificates; leafcache.go remembers them
//	hijack.go     the client's end over HTTP/1.1: a connection
//	stream.go     the client's end over HTTP/2 and HTTP/3: a stream; pair.go makes it a connection
//	relay.go      copying between two ends
//	server.go     intercepted tunnels; inner.go is the server inside
//	handshake.go  what the client speaks, and what went wrong with its TLS
//	splice.go     opaque tunnels
//	drain.go      reload and shutdown
//
// Nothing here knows connectors, agents or credentials.
package intercept
