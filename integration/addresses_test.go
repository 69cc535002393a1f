package integration_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// privateNames are names that lead to where no agent may go, each with what
// its answers are.
func privateNames(n *names) []string {
	for name, answers := range map[string][][]string{
		"loopback.test":  {{"127.0.0.1"}},
		"loopback6.test": {{"::1"}},
		"mapped.test":    {{"::ffff:127.0.0.1"}},
		"metadata.test":  {{metadataIP}},
		"private.test":   {{privateIP}},
		"cgnat.test":     {{cgnatIP}},
		"unique.test":    {{uniqueIP6}},
		"nat64.test":     {{nat64IP6}},
		"sixtofour.test": {{sixToFour}},
		"zero.test":      {{"0.0.0.0"}},
	} {
		n.set(name, answers...)
	}
	return []string{"loopback.test", "loopback6.test", "mapped.test", "metadata.test", "private.test", "cgnat.test",
		"unique.test", "nat64.test", "sixtofour.test", "zero.test", "localhost"}
}

// Names that resolve to private addresses: refused in a tunnel, in absolute
// form, and as the host of a connector; nothing connects.
func TestPrivateAddresses(t *testing.T) {
	if !inWorld(t) {
		return
	}
	n := newNames(t)
	hosts := privateNames(n)
	trap := newTrap(t, 80, 443)
	a := newAttache(t, setup{
		Attache: fmt.Sprintf("connector inside {\n\thosts %s\n\tfield key {env.DEMO_TOKEN}\n\tsign bearer {fields.key}\n}\nagent local {\n\tgrant inside read write\n}\nagent tunneller",
			strings.Join(prefixed("c-", hosts[:len(hosts)-1]), " ")),
		Env: []string{"DEMO_TOKEN=" + demoToken},
	})
	for _, host := range hosts[:len(hosts)-1] {
		n.set("c-"+host, n.answers[host]...)
	}
	targets := append(hosts, metadataIP, privateIP, cgnatIP, "127.0.0.1", "[::1]", "["+uniqueIP6+"]", "["+nat64IP6+"]", "["+sixToFour+"]", "[::ffff:"+metadataIP+"]")
	for _, host := range targets {
		t.Run("tunnel/"+host, func(t *testing.T) {
			res := a.request(t, "CONNECT "+host+":443 HTTP/1.1\r\nHost: "+host+":443\r\n\r\n")
			checkProblem(t, res, 403, "upstream_denied")
			trap.check(t, "CONNECT "+host)
		})
		t.Run("absolute form/"+host, func(t *testing.T) {
			checkRefusal(t, a, []string{"-x", a.URL, "http://" + host + "/latest/meta-data/"}, 403, "upstream_denied")
			trap.check(t, "GET http://"+host)
		})
	}
	for _, host := range prefixed("c-", hosts[:len(hosts)-1]) {
		t.Run("connector/"+host, func(t *testing.T) {
			checkRefusal(t, a, []string{"-x", a.URL, "--cacert", a.CA, "https://" + host + "/"}, 403, "upstream_denied")
			trap.check(t, "https://"+host)
		})
	}
}

func prefixed(prefix string, all []string) []string {
	var out []string
	for _, s := range all {
		out = append(out, prefix+s)
	}
	return out
}

// What is checked is what is dialled: a name that changes its address between
// two questions, or has a private address among public ones, leads nowhere else.
func TestNamesThatChange(t *testing.T) {
	if !inWorld(t) {
		return
	}
	n := newNames(t)
	trap := newTrap(t, 80, 443)
	public := serveAt(t, net.JoinHostPort(publicIP, "80"), whoami(bearer("agent's own")), nil)
	a := newAttache(t, setup{Attache: "agent local"})
	get := func(t *testing.T, host string) string {
		t.Helper()
		r := a.curl(t, "-x", a.URL, "-H", "Authorization: Bearer agent's own", "http://"+host+"/")
		trap.check(t, host)
		return strings.TrimSpace(r.Stdout)
	}

	n.set("public.test", []string{publicIP})
	if got := get(t, "public.test"); got != authenticated+"\n200 1.1" {
		t.Fatalf("a public name = %q: this world does not work", got)
	}
	for i := range 20 {
		host := fmt.Sprintf("rebind%d.test", i)
		n.set(host, []string{publicIP}, []string{"127.0.0.1"})
		get(t, host)
		get(t, host)
	}
	// Several addresses: the private ones are left out, or all are refused.
	for i, answer := range [][]string{{publicIP, metadataIP}, {metadataIP, publicIP}, {privateIP, "127.0.0.1", publicIP}, {publicIP2, metadataIP}} {
		host := fmt.Sprintf("mixed%d.test", i)
		n.set(host, answer)
		get(t, host)
	}
	if len(public.Requests()) == 0 {
		t.Error("nothing reached the public address")
	}
}

// An operator may name a private address; only that one opens.
func TestAllowAddress(t *testing.T) {
	if !inWorld(t) {
		return
	}
	n := newNames(t)
	n.set("inside.test", []string{privateIP})
	n.set("metadata.test", []string{metadataIP})
	serveAt(t, net.JoinHostPort(privateIP, "80"), whoami(bearer("agent's own")), nil)
	a := newAttache(t, setup{Attache: "allow_address 10.0.0.0/8\nagent local"})
	checkCurl(t, a.curl(t, "-x", a.URL, "-H", "Authorization: Bearer agent's own", "http://inside.test/"), authenticated+"\n200 1.1")
	checkRefusal(t, a, []string{"-x", a.URL, "http://metadata.test/"}, 403, "upstream_denied")
	checkRefusal(t, a, []string{"-x", a.URL, "http://127.0.0.1/"}, 403, "upstream_denied")
}

// Token endpoints are dialled under the same guard. (An address that stands in
// the Caddyfile itself is one that the operator named.)
func TestPrivateTokenEndpoint(t *testing.T) {
	if !inWorld(t) {
		return
	}
	n := newNames(t)
	n.set("api.test", []string{publicIP})
	hosts := privateNames(n)
	ca := newAuthority(t, "services")
	trap := newTrap(t, 80, 443)
	service := serveAt(t, net.JoinHostPort(publicIP, "443"), whoami(bearer("x")), ca, "api.test")
	for _, host := range hosts[:len(hosts)-1] {
		t.Run(host, func(t *testing.T) {
			url := "https://" + host + "/token"
			a := newAttache(t, setup{
				Attache: fmt.Sprintf(`connector api {
					hosts api.test
					oauth2 client_credentials {
						token_url %s
						client_id id
						client_secret {env.CLIENT_SECRET}
					}
				}
				%s`, url, agentLocal("api")),
				Env: []string{"CLIENT_SECRET=" + demoToken}, Trust: []*authority{ca},
			})
			r := client{}.run(t, "curl", "-sS", "-i", a.URL+"/api/")
			if !strings.Contains(r.Stdout, "Attache-Error: ") {
				t.Errorf("want a refusal: %v", r)
			}
			trap.check(t, "token_url "+url)
			if n := len(service.Requests()); n > 0 {
				t.Errorf("%d requests reached the service without a token", n)
			}
		})
	}
}

// A redirect to the metadata address is handed to the client, not followed.
func TestRedirectIsNotFollowed(t *testing.T) {
	if !inWorld(t) {
		return
	}
	n := newNames(t)
	n.set("api.test", []string{publicIP})
	trap := newTrap(t, 80, 443)
	ca := newAuthority(t, "services")
	service := serveAt(t, net.JoinHostPort(publicIP, "443"), redirect("http://"+metadataIP+"/latest/"), ca, "api.test")
	a := newAttache(t, setup{
		Attache: "connector api {\n\thosts api.test\n\tfield key {env.DEMO_TOKEN}\n\tsign bearer {fields.key}\n}\n" + agentLocal("api"),
		Env:     []string{"DEMO_TOKEN=" + demoToken}, Trust: []*authority{ca},
	})
	r := a.curl(t, a.URL+"/api/")
	if !strings.HasSuffix(strings.TrimSpace(r.Stdout), "302 1.1") {
		t.Errorf("want the 302 itself: %v", r)
	}
	time.Sleep(100 * time.Millisecond)
	trap.check(t, "a redirect")
	if n := len(service.Requests()); n != 1 {
		t.Errorf("%d requests reached the service, want 1", n)
	}
}
