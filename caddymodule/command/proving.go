package command

import (
	"cmp"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/attache-proxy/attache/caddymodule/client"
	"github.com/attache-proxy/attache/caddymodule/command/browser"
)

// proxyAt is the proxy that connect speaks of.
func (a *asking) proxyAt() (*client.Client, error) {
	u, _, token, err := parseProxy(cmp.Or(a.flag("proxy"), os.Getenv("ATTACHE_PROXY"), defaultProxy))
	if err != nil {
		return nil, err
	}
	return client.New(u, token, nil), nil
}

// aboutProxy is the agent that the proxy takes whoever comes without a token for.
func (a *asking) aboutProxy() (agent string, err error) {
	proxy, err := a.proxyAt()
	if err != nil {
		return "", err
	}
	about, err := proxy.About(a.ctx)
	if err != nil {
		return "", err
	}
	return about.Agent, nil
}

// proveCall runs the connector's test through the proxy, as the agent, and writes
// down a call of the same.
func (a *asking) proveCall(out *connected) {
	proxy, err := a.proxyAt()
	if err != nil {
		return
	}
	about, err := proxy.About(a.ctx)
	if err != nil || out.Agent != "" && about.Agent != out.Agent {
		return // it is another agent's proxy, whose token we do not have
	}
	door := out.Connector
	if out.Name != "default" {
		door += ":" + strings.ReplaceAll(out.Name, " ", "%20")
	}
	path := "/"
	for _, c := range about.Connectors {
		if c.Key == out.Connector && c.TestPath != "" {
			path = c.TestPath
		}
	}
	out.Call = "curl " + proxy.URL.String() + "/" + door + path
	if strings.ContainsAny(out.Call[5:], "?&'\"$`(){}[]*;<>| \\") {
		out.Call = "curl '" + strings.ReplaceAll(out.Call[5:], "'", "%27") + "'"
	}
	if result, err := proxy.Test(a.ctx, out.Connector, out.Name); err == nil {
		out.Proved = result.OK
	}
}

// openBrowser opens an address in the person's browser, where one sits at a terminal.
// The address is printed in any case.
func (a *asking) openBrowser(address string) {
	if a.on("no-open") || a.on("json") || !term.IsTerminal(int(os.Stderr.Fd())) {
		return
	}
	if err := browser.Open(address); err != nil {
		a.remark("No browser could be opened (%v); open the address yourself.", err)
	}
}
