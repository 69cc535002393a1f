// Package connect is the turns by which an account comes to be: from a person's
// first click to credentials in the vault, and back again. It speaks OAuth to
// services and no HTTP to people; the REST API, the pages and the command line
// take the same turns.
//
//	subject.go      an account, and all that it takes to connect it
//	begin.go        the authorization request, or a device code
//	attempt.go      what the service's redirect brought: code for token
//	device.go       asking until the person has confirmed a code
//	credentials.go  what people paste, and the test of it
//	connection.go   what becomes of the account
//	disconnect.go   tokens taken back at the service
package connect

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault"
)

// Config is what New needs. Vault, Catalogue and Log must be set.
type Config struct {
	Vault     *vault.Vault
	Catalogue Catalogue
	// Tester runs test requests; nil means that nothing can be tested.
	Tester Tester
	// Connections refreshes and revokes at services; nil means that neither can
	// be done here.
	Connections Connections
	Log         *slog.Logger
}

// Turns connects accounts and disconnects them.
type Turns struct {
	c    Config
	v    *vault.Vault
	log  *slog.Logger
	wake chan struct{} // a device code was given out here
}

// New makes the turns. PollDevices must run for device codes to be asked about.
func New(c Config) *Turns {
	return &Turns{c: c, v: c.Vault, log: c.Log, wake: make(chan struct{}, 1)}
}

// Catalogue is the connectors that are not made through the API: built in, from
// the operator's directory, or from the configuration file.
type Catalogue interface {
	// Connectors lists them by key.
	Connectors() []*providers.Connector
	// Connector returns one.
	Connector(key string) (*providers.Connector, bool)
	// Check refuses a connector that cannot be put in use. It may extend one of the
	// catalogue.
	Check(def *providers.Definition) (*providers.Connector, error)
	// Sharing lists the connectors that are there for an organisation (vault.All:
	// any) and claim a host of c as c does.
	Sharing(organisation string, c *providers.Connector) []string
}

// Tester proves credentials by their connector's test request.
type Tester interface {
	Test(ctx context.Context, t Trial) (Verdict, error)
}

// Trial is a set of credentials to test.
type Trial struct {
	Connector *providers.Connector
	Option    *providers.Option
	// AccountID is set for an account that is in the vault; its current token is
	// then used, and refreshed if need be. Fields and App are set otherwise.
	AccountID string
	Fields    secret.Values
	App       secret.Values
	// Credential is a token that was obtained just now and is not stored yet, and
	// Meta what came with it; nil where Fields are all there is.
	Credential *secret.Credential
	Meta       map[string]string
}

// Verdict is what a test request showed.
type Verdict struct {
	// Tested is false where the connector has no test request.
	Tested bool
	// Asked says that a token was asked for because nothing else can be: it proves
	// the client and the grant, and not what the token may do.
	Asked bool
	// OK says that the service took the credentials, or gave a token where it was
	// only Asked.
	OK bool
	// Rejected says that it did not (401), as opposed to not answering.
	Rejected bool
	// Unfit says that they cannot be sent at all: a line break in a header.
	Unfit            bool
	Status, Expected int
	// Problem is a sentence without secrets, where not OK.
	Problem string
	// Provider is whose account it is, where the connector can tell.
	Provider vault.ProviderAccount
}

// Why is a sentence about a test that failed.
func (v *Verdict) Why() string {
	switch {
	case v.Problem != "":
		return v.Problem
	case v.Status == 0 && v.Expected == 0:
		return "no answer came"
	case v.Status == 0:
		return fmt.Sprintf("it answered %d, and said in the answer that it does not take the credentials", v.Expected)
	}
	return fmt.Sprintf("it answered %d where %d was expected", v.Status, v.Expected)
}

// Connections does at services what only OAuth can.
type Connections interface {
	// Refresh obtains a new token now.
	Refresh(ctx context.Context, accountID string) error
	// Revocation prepares to take an account's tokens back at the service, while
	// the account can still be read.
	Revocation(ctx context.Context, accountID string) (Revocation, error)
	// Client sends requests to a connector's authorization and token endpoints. It
	// refuses addresses that are not public, and follows no redirects.
	Client(c *providers.Connector) oauth.Doer
}

// Revocation takes the tokens back that an account had until it was revoked here.
// It returns oauth.ErrCannotRevoke where the service has no way to.
type Revocation func(ctx context.Context, had vault.Unsealed) error
