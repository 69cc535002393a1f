package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/attache-proxy/attache/caddymodule/client"
	"github.com/attache-proxy/attache/providers/secret"
)

// sharing is how often a port is asked: connections to a port that two
// processes share go to either of them.
const sharing = 8

// listener looks at who is behind the port, and who can reach it.
func (x *examination) listener(ctx context.Context) {
	if n := x.differentCAs(ctx); n > 1 {
		x.add("listener", Failed, "Stop all proxies but one; then start the command again.", "%d proxies share the port of %s, and each request reaches another one", n, x.Client.URL)
		return
	}
	if x.Config != nil && !slices.ContainsFunc(x.Config.Listeners, x.isHere) {
		x.add("listener", Warning, "Is it the proxy of this configuration? Say --proxy "+strings.Join(x.Config.Listeners, " or ")+".",
			"%s answers, but %s says that the proxy listens on %s", x.Client.URL, x.Config.File, strings.Join(x.Config.Listeners, ", "))
		return
	}
	if !local(x.Client.URL.Hostname()) {
		x.add("listener", Skipped, "", "the proxy is on another machine; who else reaches it is to be looked at there")
		return
	}
	switch open := x.openAt(ctx); {
	case len(open) == 0:
		x.add("listener", OK, "", "only this machine reaches it")
	case x.about.AuthRequired:
		x.add("listener", OK, "", "it answers at %s, too; agents need a token there", strings.Join(open, ", "))
	default:
		x.add("listener", Failed, "Write `bind 127.0.0.1` in the proxy's site, or take `agent "+x.about.Agent+"` out of it so that agents need a token.",
			"it answers at %s, too: everybody who reaches that is agent %s, without a token", strings.Join(open, ", "), x.about.Agent)
	}
}

// isHere reports whether a URL is where we ask, however loopback is written.
func (x *examination) isHere(listener string) bool { return samePlace(x.Client.URL.String(), listener) }

func samePlace(a, b string) bool {
	u, errA := url.Parse(a)
	v, errB := url.Parse(b)
	return errA == nil && errB == nil && u.Host != "" && portOf(u) == portOf(v) && (u.Hostname() == v.Hostname() || local(u.Hostname()) && local(v.Hostname()))
}

func (x *examination) differentCAs(ctx context.Context) int {
	seen := map[string]bool{}
	for range sharing {
		ca, err := client.New(x.Client.URL, secret.Value{}, x.CA).CA(ctx)
		if err == nil {
			seen[string(ca)] = true
		}
	}
	return len(seen)
}

// openAt lists the addresses of this machine, beside loopback, at which the
// same proxy answers.
func (x *examination) openAt(ctx context.Context) (open []string) {
	addresses := x.Addresses
	if addresses == nil {
		addresses = net.InterfaceAddrs
	}
	list, _ := addresses()
	for _, a := range list {
		ipnet, ok := a.(*net.IPNet)
		if !ok || ipnet.IP.IsLoopback() || ipnet.IP.IsLinkLocalUnicast() || ipnet.IP.String() == x.Client.URL.Hostname() {
			continue
		}
		u := &url.URL{Scheme: x.Client.URL.Scheme, Host: net.JoinHostPort(ipnet.IP.String(), portOf(x.Client.URL))}
		short, cancel := context.WithTimeout(ctx, time.Second)
		ca, err := client.New(u, secret.Value{}, x.CA).CA(short)
		cancel()
		if err == nil && bytes.Equal(bytes.TrimSpace(ca), bytes.TrimSpace([]byte(x.about.CAPEM))) {
			open = append(open, u.Host)
		}
	}
	return open
}

func portOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}

// local reports a loopback name or address.
func local(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

// admin looks for Caddy's admin API where an agent would: with it one can
// change everything, and it asks for no credential.
func (x *examination) admin(ctx context.Context) {
	places := []string{net.JoinHostPort("127.0.0.1", x.AdminPort), net.JoinHostPort("::1", x.AdminPort)}
	if !local(x.Client.URL.Hostname()) {
		places = append(places, net.JoinHostPort(x.Client.URL.Hostname(), x.AdminPort))
	}
	if x.Config != nil && x.Config.Admin != "" {
		places = append(places, x.Config.Admin)
	}
	fix := "Write `admin off`, or `admin unix//run/attache/admin.sock|0600`, into the global options of the Caddyfile."
	for _, place := range places {
		if !answersAsAdmin(ctx, place) {
			continue
		}
		if x.Config != nil && x.Config.AdminOff {
			x.add("admin", Warning, "Turn it off there as well: an agent on this machine reaches it.", "the admin API of another Caddy answers at %s", place)
		} else {
			x.add("admin", Failed, fix, "Caddy's admin API answers at %s: an agent could change everything with it", place)
		}
		return
	}
	if x.Config != nil && x.Config.Admin != "" {
		x.add("admin", Failed, fix, "%s puts Caddy's admin API on TCP at %s, where an agent could change everything", x.Config.File, x.Config.Admin)
		return
	}
	x.add("admin", OK, "", "Caddy's admin API is not on TCP port %s", x.AdminPort)
}

// answersAsAdmin reports an answer such as the admin API gives: JSON, or a
// complaint about the Host in JSON.
func answersAsAdmin(ctx context.Context, place string) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+place+"/config/", nil)
	if err != nil {
		return false
	}
	res, err := client.New(req.URL, secret.Value{}, nil).HTTP.Do(req)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(res.Body, 4<<20))
	if res.StatusCode == http.StatusOK {
		return json.Valid(body) && res.Header.Get("Etag") != ""
	}
	var refusal struct {
		Error string `json:"error"`
	}
	return json.Unmarshal(body, &refusal) == nil && refusal.Error != ""
}

// loops looks for a connector that is sent back to the proxy.
func (x *examination) loops() {
	if x.Config == nil {
		return
	}
	for key, upstream := range x.Config.Upstreams {
		for _, l := range x.Config.Listeners {
			if samePlace(upstream, l) {
				x.add("loop", Failed, fmt.Sprintf("Correct `upstream` of connector %s.", key), "connector %s is sent to %s, which is this proxy", key, upstream)
			}
		}
	}
}
