package resolver

import "cmp"

// Door is how an agent came in.
type Door string

// The doors. Requests of DoorForward and DoorTunnel name the service's own host,
// those of DoorPath and DoorHost a connector, and at DoorPresign an agent asks for
// a URL that works without us.
const (
	DoorForward Door = "forward" // absolute form: HTTP_PROXY
	DoorTunnel  Door = "tunnel"  // CONNECT: HTTPS_PROXY
	DoorPath    Door = "path"    // http://localhost:8080/connector/…
	DoorHost    Door = "host"    // http://connector.localhost:8080/…
	DoorPresign Door = "presign" // POST /.well-known/attache/presign
)

// Choice is what a request says about which account it means, by where it says
// so. An empty one says nothing there.
type Choice struct {
	// Header is the header Attache-Account.
	Header string
	// Address is in the address that was called: /connector:account/,
	// account.connector.localhost where the service has no names of its own there, or
	// the account of a presigned URL.
	Address string
	// User is in the name by which the agent logged in: agent+account.
	User string
}

// Account is the account that is meant: what is said of this one request wins
// over what stands in a base URL, and that over what a whole client is configured
// with. It is the same at every door. Empty means that nothing was said: then it
// is the default one, or the only one.
func (c Choice) Account() string { return cmp.Or(c.Header, c.Address, c.User) }
