package resolver

import "cmp"

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
