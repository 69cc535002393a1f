// Package doctor finds out why calls through a proxy would not work, or not
// safely, and says what to do.
package doctor

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"sync"

	"github.com/attache-proxy/attache/caddymodule/client"
)

// State is the outcome of a check.
type State string

// OK is fine; Failed needs something done; Warning may; Skipped could not be
// looked at.
const (
	OK      State = "ok"
	Failed  State = "FAIL"
	Warning State = "warn"
	Skipped State = "skip"
)

// Check is one thing that was looked at. It holds no secret.
type Check struct {
	Name   string `json:"name"`
	State  State  `json:"state"`
	Detail string `json:"detail"`
	// Fix is what to do about it, for Failed and Warning.
	Fix string `json:"fix,omitempty"`
}

// Patient is what is looked at.
type Patient struct {
	Client *client.Client
	// About asks the proxy who we are.
	About func(context.Context) (*client.About, error)
	// CA is the certificate to trust instead of the one that the proxy names.
	CA []byte
	// Environ is the environment that commands inherit, as NAME=value.
	Environ []string
	// Config is what the proxy's configuration says; nil where it is not known.
	Config *Config
	// Addresses are those of this machine; net.InterfaceAddrs when nil.
	Addresses func() ([]net.Addr, error)
	// AdminPort is where Caddy's admin API listens unless told otherwise.
	AdminPort string
}

// Config is what a configuration says of the proxy.
type Config struct {
	File string
	// Listeners are the URLs at which it can be reached.
	Listeners []string
	// AdminOff says that no admin API is on TCP; Admin is where it is.
	AdminOff bool
	Admin    string
	// Upstreams are where connectors are dialled instead of their hosts.
	Upstreams map[string]string
}

// examination is one run over a patient.
type examination struct {
	Patient
	about  *client.About
	checks []Check
}

// Examine runs every check, those that need the proxy only where it answers.
func Examine(ctx context.Context, p Patient) []Check {
	x := &examination{Patient: p}
	if x.proxy(ctx) {
		x.listener(ctx)
		x.trust(ctx)
		x.clock(ctx)
		x.credentials(ctx)
		x.environment()
	}
	x.loops()
	x.admin(ctx)
	return x.checks
}

func (x *examination) add(name string, state State, fix, format string, args ...any) {
	x.checks = append(x.checks, Check{name, state, fmt.Sprintf(format, args...), fix})
}

// proxy asks who answers.
func (x *examination) proxy(ctx context.Context) bool {
	about, err := x.About(ctx)
	if err != nil {
		fix := "Say where the proxy is: --proxy URL."
		if e, ok := err.(*client.Error); ok && e.Next != "" {
			fix = e.Next
		}
		if x.Config != nil && len(x.Config.Listeners) > 0 {
			fix += fmt.Sprintf(" %s says that it listens on %s.", x.Config.File, x.Config.Listeners[0])
		}
		x.add("proxy", Failed, fix, "%v", err)
		return false
	}
	x.about = about
	needs := "no token needed"
	if about.AuthRequired {
		needs = "with its token"
	}
	x.add("proxy", OK, "", "%s answers; you are agent %s (%s), hosts of no connector: %s", x.Client.URL, about.Agent, needs, about.Unmatched)
	return true
}

// credentials proves each account of each connector with its test request.
func (x *examination) credentials(ctx context.Context) {
	type job struct {
		c       client.Connector
		account string
	}
	var jobs []job
	for _, c := range x.about.Connectors {
		for _, account := range c.Accounts {
			jobs = append(jobs, job{c, account})
		}
	}
	if len(jobs) == 0 {
		x.add("credentials", Failed, "Grant it something: agent "+x.about.Agent+" { grant CONNECTOR read } in the Caddyfile.", "agent %s was granted no connector", x.about.Agent)
		return
	}
	results := make([]Check, len(jobs))
	var wg sync.WaitGroup
	slots := make(chan struct{}, 4) // a service's rate limit is not for us to test
	for i, j := range jobs {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			results[i], _ = x.credential(ctx, j.c, j.account)
		})
	}
	wg.Wait()
	x.checks = append(x.checks, results...)
}

// credential lets the proxy send the connector's test, which wants that status.
func (x *examination) credential(ctx context.Context, c client.Connector, account string) (check Check, want int) {
	name := c.Key
	if len(c.Accounts) > 1 || account != "default" {
		name += ":" + account
	}
	check = Check{Name: "credential " + name}
	if !c.Test {
		check.State, check.Detail = Skipped, "the connector has no test request"
		return check, 0
	}
	res, err := x.Client.Test(ctx, c.Key, account)
	if err == nil {
		want = res.Expected
	}
	switch {
	case err != nil:
		check.State, check.Detail, check.Fix = Failed, cmp.Or(err.Error(), "the proxy gave no answer to the test"), "Look into the proxy's log."
	case res.OK:
		check.State, check.Detail = OK, fmt.Sprintf("the service answers %d", res.Status)
	case res.Status == 401 || res.Status == 403:
		check.State, check.Detail = Failed, fmt.Sprintf("the service answers %d, not %d", res.Status, res.Expected)
		check.Fix = "The service does not accept the credential of this account: give the proxy a new one, or one that may do more."
	case res.Status != 0:
		check.State, check.Detail = Failed, fmt.Sprintf("the service answers %d, not %d", res.Status, res.Expected)
		check.Fix = "Is the service up? Does the connector's test request still exist there?"
	default:
		check.State, check.Detail = Failed, cmp.Or(res.Error, "no answer came, and the proxy does not say why")
		check.Fix = "Look into the proxy's log; correct the account or the connector."
	}
	return check, want
}
