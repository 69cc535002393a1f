package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/attache-proxy/attache/caddymodule/client"
)

// Wire is one real client's way to one connector, from its start to the service's
// answer to the account.
type Wire struct {
	Client *client.Client
	// About asks the proxy who we are.
	About func(context.Context) (*client.About, error)
	// Program is one of Programs.
	Program string
	// Connector and Account are what is called; the empty account is the proxy's choice.
	Connector, Account string
	// Start works out what exec would set, as NAME=value. Seen tells which requests came
	// to the run's own listener; nil where there is none. Stop ends it.
	Start func(*client.About) (env []string, seen func() []Seen, stop func(), err error)
	// Dir is an empty directory for what a program is compiled from.
	Dir string
}

// Seen is a request that came to the run's own listener.
type Seen struct {
	Method, Target string
	// Opened says that a tunnel was opened.
	Opened bool
}

// programTimeout is how long one client may take: compilers start slowly.
const programTimeout = 90 * time.Second

// Prove follows the way and stops where it ends. The last check says how far it went.
func (w Wire) Prove(ctx context.Context) []Check {
	x := &examination{Patient: Patient{Client: w.Client, About: w.About}}
	if !x.proxy(ctx) {
		return x.checks
	}
	c, ok := x.granted(w.Connector, w.Account)
	if !ok {
		return x.checks
	}
	want, ok := x.proved(ctx, c, w.Account)
	if !ok {
		return x.checks
	}
	x.run(ctx, w, c, want)
	return x.checks
}

// granted finds the connector among those that the agent may use.
func (x *examination) granted(key, account string) (client.Connector, bool) {
	i := slices.IndexFunc(x.about.Connectors, func(c client.Connector) bool { return c.Key == key })
	if i < 0 {
		var known []string
		for _, c := range x.about.Connectors {
			known = append(known, c.Key)
		}
		x.add("grant", Failed, "attache connect "+key+" --agent "+x.about.Agent, "agent %s may not use connector %s; it may use: %s", x.about.Agent, key, cmp.Or(strings.Join(known, ", "), "nothing"))
		return client.Connector{}, false
	}
	c := x.about.Connectors[i]
	switch {
	case account != "" && !slices.Contains(c.Accounts, account):
		x.add("grant", Failed, "--account "+cmp.Or(c.Default, c.Accounts[0]), "agent %s has no account %q of %s; it has: %s", x.about.Agent, account, key, strings.Join(c.Accounts, ", "))
		return c, false
	case account == "" && c.Default == "" && len(c.Accounts) > 1:
		x.add("account", Failed, "--account "+c.Accounts[0], "agent %s has several accounts of %s and none of them is the default: %s", x.about.Agent, key, strings.Join(c.Accounts, ", "))
		return c, false
	}
	x.add("grant", OK, "", "agent %s may use %s, account %s", x.about.Agent, key, cmp.Or(account, c.Default, c.Accounts[0]))
	return c, true
}

// proved lets the proxy send the connector's test, and returns the status that it
// wants; zero where the connector has no test.
func (x *examination) proved(ctx context.Context, c client.Connector, account string) (want int, ok bool) {
	if !c.Test {
		x.add("credential", Skipped, "", "the connector has no test request: any answer of the service will do")
		return 0, true
	}
	check, want := x.credential(ctx, c, cmp.Or(account, c.Default, c.Accounts[0]))
	check.Name = "credential"
	if check.State == Failed && strings.Contains(check.Detail, "account_") {
		check.Fix = "attache connect " + c.Key
	}
	x.checks = append(x.checks, check)
	return want, check.State != Failed
}

// run starts the client.
func (x *examination) run(ctx context.Context, w Wire, c client.Connector, want int) {
	p, ok := programs[w.Program]
	if !ok {
		x.add("client", Failed, "--client "+Programs()[0], "no client is called %q; known are: %s", w.Program, strings.Join(Programs(), ", "))
		return
	}
	path, err := exec.LookPath(p.command)
	if err != nil {
		x.add("client", Failed, "Install "+p.command+", or name another client: "+strings.Join(Programs(), ", "), "%s is not installed here", p.command)
		return
	}
	at := target(c)
	args, err := p.args(w.Dir, at, c)
	if err != nil {
		x.add("client", Failed, "Name another client.", "%s: %v", w.Program, err)
		return
	}
	env, seen, stop, err := w.Start(x.about)
	if err != nil {
		x.add("client", Failed, "attache doctor", "what exec would set cannot be worked out: %v", err)
		return
	}
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, programTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env, cmd.Dir, cmd.WaitDelay = append(env, p.env...), w.Dir, time.Second
	out, err := cmd.CombinedOutput()
	if p.failed != nil && errors.As(err, new(*exec.ExitError)) {
		err = p.failed(string(out))
	}
	var came []Seen
	if seen != nil {
		came = seen()
	}
	x.judge(w, c, string(out), err, came, seen != nil, want)
}

// target is what is asked for: the connector's test, where it is a plain GET.
func target(c client.Connector) string {
	base := strings.TrimSuffix(c.BaseURL, "/")
	if u, err := url.Parse(base); err != nil || u.Host == "" || strings.ContainsAny(base, "{}") {
		host, port, ok := c.ExactHost()
		if !ok {
			return ""
		}
		base = "https://" + host
		if port != "443" {
			base += ":" + port
		}
	}
	u, _ := url.Parse(base)
	return u.Scheme + "://" + u.Host + cmp.Or(c.TestPath, "/")
}

// response is what a client got: the status, and the code of a refusal of ours.
type response struct {
	status int
	code   string
}

var (
	told       = regexp.MustCompile(`attache-doctor: (\d+) ([a-z_]*)`)
	statusLine = regexp.MustCompile(`(?m)HTTP/[\d.]+ (\d{3})`)
	tunnelLine = regexp.MustCompile(`(?i)HTTP/[\d.]+ 200 connection established`) // of the proxy, not of the service
	errorLine  = regexp.MustCompile(`(?im)attache-error: ?([a-z_]+)`)
	reasonLine = regexp.MustCompile(`attache: ([a-z_]+)`)
)

// answered reads a client's output.
func answered(out string) (r response) {
	out = tunnelLine.ReplaceAllString(out, "")
	if m := told.FindAllStringSubmatch(out, -1); m != nil {
		last := m[len(m)-1]
		_, _ = fmt.Sscan(last[1], &r.status)
		r.code = last[2]
	} else if m := statusLine.FindAllStringSubmatch(out, -1); m != nil {
		_, _ = fmt.Sscan(m[len(m)-1][1], &r.status)
	}
	for _, re := range []*regexp.Regexp{errorLine, reasonLine} {
		if m := re.FindStringSubmatch(out); r.code == "" && m != nil {
			r.code = m[1]
		}
	}
	return r
}

// What clients say of a certificate that they do not trust, and of a name that they
// looked for themselves.
var (
	distrusts = regexp.MustCompile(`(?i)certificate|PKIX|self.signed|unable to get local issuer|SSL_ERROR|x509`)
	lookedUp  = regexp.MustCompile(`(?i)ENOTFOUND|EAI_AGAIN|could not resolve|name or service not known|getaddrinfo|UnknownHost|no such host|name resolution|Name does not resolve`)
)

// judge says how far the client came.
func (x *examination) judge(w Wire, c client.Connector, out string, err error, came []Seen, known bool, want int) {
	r := answered(out)
	said := cmp.Or(lastLine(out), fmt.Sprint(err))
	bypassed := known && len(came) == 0
	switch {
	case err == nil && r.status == 0 && r.code == "" && !bypassed:
		r.status = cmp.Or(want, 200) // it says nothing of a success
	case bypassed:
		x.add("proxy reached", Failed, "Give it the base URL: "+w.Client.URL.String()+"/"+c.Key, "%s did not come to the proxy: %s", w.Program, said)
		return
	case r.status == 0 && r.code == "" && lookedUp.MatchString(out):
		x.add("proxy reached", Failed, "Give it the base URL: "+w.Client.URL.String()+"/"+c.Key, "%s looked the host up itself, past the proxy: %s", w.Program, said)
		return
	}
	x.add("proxy reached", OK, "", "%s came to the proxy%s", w.Program, tunnelled(came))
	switch {
	case r.code == "" && r.status == 0 && distrusts.MatchString(out):
		x.add("trust", Failed, "attache ca instructions "+w.Program, "%s does not trust the proxy's certificate: %s", w.Program, said)
		return
	case r.code == "" && r.status == 0:
		x.add("answer", Failed, "attache exec -- "+w.Program+" …, and look into the proxy's log", "%s got no answer: %s", w.Program, said)
		return
	}
	x.add("trust", OK, "", "it took the connection")
	switch {
	case r.code != "":
		stage, fix := stageOf(r.code, c)
		x.add(stage, Failed, fix, "the proxy refused it: %s", r.code)
	case want == 0, r.status == want, want/100 == 2 && r.status/100 == 2:
		x.add("answer", OK, "", "the service answered %d%s", r.status, map[bool]string{true: " to the account", false: ""}[want != 0])
	case programs[w.Program].anyStatus:
		x.add("answer", OK, "", "the service answered %d to %s; the test above has proved the credential", r.status, w.Program)
	default:
		x.add("answer", Failed, "attache exec -- "+w.Program+" …, and compare with: attache audit --connector "+c.Key, "the service answered %d, not %d, to %s, and %[2]d to the proxy's own test", r.status, want, w.Program)
	}
}

func tunnelled(came []Seen) string {
	for _, s := range came {
		if s.Method == "CONNECT" && s.Opened {
			return ", through a tunnel to " + s.Target
		}
	}
	return ""
}

// stageOf is where a refusal stands on the way, and the next command.
func stageOf(code string, c client.Connector) (stage, fix string) {
	switch {
	case code == "unknown_agent":
		return "agent", "attache exec --token-file FILE"
	case code == "not_permitted" || code == "no_connector" || code == "operation_unknown":
		return "grant", "attache grants list"
	case code == "account_ambiguous" || code == "account_unknown":
		return "account", "--account " + cmp.Or(c.Default, strings.Join(c.Accounts, "|"))
	case strings.HasPrefix(code, "account_"):
		return "account", "attache connect " + c.Key
	case code == "token_endpoint_unavailable" || code == "cannot_sign":
		return "credential", "attache accounts list --connector " + c.Key
	}
	return "answer", "Look into the proxy's log."
}

// lastLine is the last line of what a client said, fit for a terminal.
func lastLine(out string) string {
	lines := strings.FieldsFunc(out, func(c rune) bool { return c == '\n' || c == '\r' })
	for _, line := range slices.Backward(lines) {
		if line = strings.TrimSpace(client.Printable(line)); line != "" {
			if len(line) > 200 {
				line = strings.ToValidUTF8(line[:200], "") + "…"
			}
			return line
		}
	}
	return ""
}
