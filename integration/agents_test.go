package integration_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Who calls: by proxy credentials (Basic and Bearer) at door 1, by a bearer
// token or Basic at doors 2 and 3, and what somebody unknown is told.
func TestAgentTokens(t *testing.T) {
	d := newDemo(t, withAgentToken)
	asProxyUser := strings.Replace(d.URL, "http://", "http://worker:"+agentToken+"@", 1)
	basicHeader := base64.StdEncoding.EncodeToString([]byte("worker:" + agentToken))
	ok := authenticated + "\n200 "
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"proxy user, CONNECT", []string{"-x", asProxyUser, "--cacert", d.CA, "https://demo.test/whoami"}, ok + "2"},
		{"proxy user, absolute form", []string{"-x", asProxyUser, "http://demo.test/whoami"}, ok + "1.1"},
		{"proxy user after a challenge", []string{"-x", d.URL, "--proxy-anyauth", "--proxy-user", "worker:" + agentToken, "--cacert", d.CA, "https://demo.test/whoami"}, ok + "2"},
		{"bearer for the proxy", []string{"-x", d.URL, "--proxy-header", "Proxy-Authorization: Bearer " + agentToken, "--cacert", d.CA, "https://demo.test/whoami"}, ok + "2"},
		{"bearer at the base URL", []string{"-H", "Authorization: Bearer " + agentToken, d.URL + "/demo/whoami"}, ok + "1.1"},
		{"basic at the base URL", []string{"-H", "Authorization: Basic " + basicHeader, d.URL + "/demo/whoami"}, ok + "1.1"},
		{"bearer at the host name", []string{"-H", "Authorization: Bearer " + agentToken, "-H", "Host: demo.localhost", d.URL + "/whoami"}, ok + "1.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d.Service.forget()
			checkCurl(t, d.curl(t, c.args...), c.want)
			for _, r := range d.Service.Requests() {
				if strings.Contains(r.String(), agentToken) || strings.Contains(r.String(), basicHeader) || r.Header.Get("Proxy-Authorization") != "" {
					t.Errorf("the agent's token reached the service: %v", r)
				}
			}
		})
	}

	d.Service.forget()
	for name, c := range map[string]struct {
		args   []string
		status int
	}{
		"nothing, absolute form":    {[]string{"-x", d.URL, "http://demo.test/whoami"}, 407},
		"nothing, base URL":         {[]string{d.URL + "/demo/whoami"}, 401},
		"wrong token":               {[]string{"-x", strings.Replace(asProxyUser, agentToken, "wrong-token-0123456789", 1), "http://demo.test/whoami"}, 407},
		"right token, wrong agent":  {[]string{"-x", strings.Replace(asProxyUser, "worker", "other", 1), "http://demo.test/whoami"}, 407},
		"a part of the token":       {[]string{"-x", strings.Replace(asProxyUser, agentToken, agentToken[:20], 1), "http://demo.test/whoami"}, 407},
		"empty token":               {[]string{"-x", strings.Replace(asProxyUser, agentToken, "", 1), "http://demo.test/whoami"}, 407},
		"wrong bearer":              {[]string{"-H", "Authorization: Bearer wrong-token-0123456789", d.URL + "/demo/whoami"}, 401},
		"the service's own token":   {[]string{"-H", "Authorization: Bearer " + demoToken, d.URL + "/demo/whoami"}, 401},
		"at the well-known address": {[]string{d.URL + "/.well-known/attache"}, 401},
	} {
		t.Run(name, func(t *testing.T) { checkRefusal(t, d.attache, c.args, c.status, "unknown_agent") })
	}
	t.Run("CONNECT without credentials", func(t *testing.T) {
		res := d.request(t, "CONNECT demo.test:443 HTTP/1.1\r\nHost: demo.test:443\r\n\r\n")
		checkProblem(t, res, 407, "unknown_agent")
		if got := res.Header.Get("Proxy-Authenticate"); !strings.HasPrefix(got, "Basic") {
			t.Errorf("Proxy-Authenticate = %q, want a challenge for Basic", got)
		}
	})
	if n := len(d.Service.Requests()); n > 0 {
		t.Errorf("%d requests of unknown callers reached the service", n)
	}
}

// Where the listener has an agent of its own, a service's dummy key is no agent's
// token; what has the form of one and is nobody's was deleted, and is refused.
func TestDeletedTokenIsNotTheListenersAgent(t *testing.T) {
	d := newDemo(t)
	deleted := "att_" + strings.Repeat("A", 43)
	checkCurl(t, d.curl(t, "-H", "Authorization: Bearer sk-dummy-0123456789", d.URL+"/demo/whoami"), authenticated+"\n200 1.1")
	checkRefusal(t, d.attache, []string{"-H", "Authorization: Bearer " + deleted, d.URL + "/demo/whoami"}, 401, "unknown_agent")
	checkRefusal(t, d.attache, []string{"-u", deleted + ":", d.URL + "/demo/whoami"}, 401, "unknown_agent")
}

// Reading and writing, and several accounts.
func TestGrantsAndAccounts(t *testing.T) {
	integration(t)
	ca := newAuthority(t, "services")
	var got string
	service := newService(t, ca, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		fmt.Fprint(w, got)
	}), "api.github.com", "demo.test")
	a := newAttache(t, setup{
		Attache: fmt.Sprintf(`
		connector github {
			upstream %[1]s
			account work token {
				token {env.WORK}
			}
			account home token {
				token {env.HOME_TOKEN}
			}
		}
		connector demo {
			hosts demo.test
			upstream %[1]s
			field key {env.WORK}
			sign bearer {fields.key}
			read "POST /search"
		}
		agent local {
			grant github:work read write
			grant github:home read
			grant demo read
		}
		agent single {
			token {env.SINGLE}
			grant github:home read
		}
		agent nobody {
			token {env.NOBODY}
		}`, service.URL),
		Env: []string{"WORK=work-token-91ab", "HOME_TOKEN=home-token-77fe", "SINGLE=single-agent-token-1", "NOBODY=nobody-agent-token-1"}, Trust: []*authority{ca},
	})
	as := func(user string) string { return strings.Replace(a.URL, "http://", "http://"+user+"@", 1) }
	const github = "https://api.github.com/user"
	for _, c := range []struct {
		name string
		args []string
		want string // the token that reached the service, or a refusal "status code"
	}{
		{"by header", []string{"-x", a.URL, "-H", "Attache-Account: home", github}, "home-token-77fe"},
		{"by header, the other", []string{"-x", a.URL, "-H", "Attache-Account: work", github}, "work-token-91ab"},
		{"by path", []string{a.URL + "/github:home/user"}, "home-token-77fe"},
		{"by proxy user without token", []string{"-x", as("+home:"), github}, "home-token-77fe"},
		{"by proxy user with token", []string{"-x", as("single+home:single-agent-token-1"), github}, "home-token-77fe"},
		{"the only one granted", []string{"-x", as("single:single-agent-token-1"), github}, "home-token-77fe"},
		{"ambiguous", []string{"-x", a.URL, github}, "409 account_ambiguous"},
		{"ambiguous by path", []string{a.URL + "/github/user"}, "409 account_ambiguous"},
		{"unknown", []string{"-x", a.URL, "-H", "Attache-Account: nosuch", github}, "404 account_unknown"},
		{"another's account", []string{"-x", as("single:single-agent-token-1"), "-H", "Attache-Account: work", github}, "404 account_unknown"},
		{"no grant", []string{"-x", as("nobody:nobody-agent-token-1"), github}, "403 not_permitted"},
		{"write with read alone", []string{"-x", a.URL, "-H", "Attache-Account: home", "-d", "x", github}, "403 not_permitted"},
		{"write", []string{"-x", a.URL, "-H", "Attache-Account: work", "-d", "x", github}, "work-token-91ab"},
		{"delete with read alone", []string{"-X", "DELETE", a.URL + "/demo/thing"}, "403 not_permitted"},
		{"read by the connector's list", []string{"-d", "x", a.URL + "/demo/search"}, "work-token-91ab"},
		{"method that looks like reading", []string{"-X", "get", a.URL + "/demo/thing"}, "403 not_permitted"},
		{"method override", []string{"-H", "X-HTTP-Method-Override: DELETE", a.URL + "/demo/thing"}, "403 not_permitted|work-token-91ab"},
		{"path beside the list", []string{"-d", "x", "--path-as-is", a.URL + "/demo/search/../thing"}, "403 not_permitted|400 bad_request"},
		{"encoded path beside the list", []string{"-d", "x", "--path-as-is", a.URL + "/demo/search%2f..%2fthing"}, "403 not_permitted|400 bad_request"},
		{"unknown connector", []string{a.URL + "/nosuch/x"}, "404 unknown_connector"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got = ""
			r := client{}.run(t, "curl", append([]string{"-sS", "-i", "--suppress-connect-headers", "--cacert", a.CA}, c.args...)...)
			all := answers(strings.Replace(r.Stdout, "HTTP/2 ", "HTTP/2.0 ", 1))
			if len(all) != 1 {
				t.Fatalf("no answer: %v", r)
			}
			have := got
			if have == "" {
				have = fmt.Sprint(all[0].StatusCode, " ", all[0].Header.Get("Attache-Error"))
			}
			if !strings.Contains("|"+c.want+"|", "|"+have+"|") {
				t.Errorf("got %q, want %q: %v", have, c.want, r)
			}
			if strings.Contains(r.Stdout, "-token-91ab") || strings.Contains(r.Stdout, "-token-77fe") {
				t.Errorf("the credential is in the answer: %v", r)
			}
			for _, seen := range service.Requests() {
				if seen.Header.Get("Attache-Account") != "" {
					t.Errorf("Attache-Account reached the service: %v", seen)
				}
			}
		})
	}
}

// A listener on a unix socket has its own agent; the file's mode is the door.
func TestAgentOfUnixSocket(t *testing.T) {
	d := newDemo(t, func(s *setup) {
		s.Listener = "unmatched deny"
		s.Sites = "http:// {\n\tbind unix//SOCKET|0600\n\tattache {\n\t\tagent local\n\t}\n}\n"
		s.Stopped = true
	})
	socket := filepath.Join(d.Dir, "proxy.sock")
	writeFile(t, d.Caddyfile, strings.Replace(readFile(t, d.Caddyfile), "/SOCKET", socket, 1))
	d.start()
	checkCurl(t, d.curl(t, "--unix-socket", socket, "http://localhost/demo/whoami"), authenticated+"\n200 1.1")
	checkCurl(t, d.curl(t, "--unix-socket", socket, "-H", "Host: demo.localhost", "http://localhost/whoami"), authenticated+"\n200 1.1")
	checkRefusal(t, d.attache, []string{d.URL + "/demo/whoami"}, 401, "unknown_agent")
}

// Over TLS an agent may be who its certificate says (and CONNECT works over
// TLS and HTTP/2, which strict SNI checking would break).
func TestAgentOfClientCertificate(t *testing.T) {
	agents := newAuthority(t, "agents")
	stranger := newAuthority(t, "strangers")
	port := freePort(t)
	d := newDemo(t, func(s *setup) { s.Stopped = true })
	cert, key := newAuthority(t, "front").leafFiles(t, d.Dir, "proxy.test")
	site := fmt.Sprintf(`https://:%d {
		bind 127.0.0.1
		tls %s %s {
			client_auth {
				mode verify_if_given
				trust_pool file %s
			}
		}
		attache {
			agent_from_certificate
			unmatched deny
		}
	}
	`, port, cert, key, agents.File(t))
	config := strings.Replace(readFile(t, d.Caddyfile), "grace_period 5s", "grace_period 5s\n\tskip_install_trust\n\tauto_https disable_redirects\n\tservers {\n\t\tstrict_sni_host insecure_off\n\t}", 1)
	writeFile(t, d.Caddyfile, config+site)
	d.start()

	for name, c := range map[string]struct {
		certificate tls.Certificate
		status      int
	}{
		"its own":         {agents.leaf(t, time.Time{}, "local"), 200},
		"none":            {tls.Certificate{}, 401},
		"another's":       {agents.leaf(t, time.Time{}, "nobody"), 401},
		"of another CA":   {stranger.leaf(t, time.Time{}, "local"), 0},
		"that has ended":  {agents.leaf(t, time.Now().Add(-time.Hour), "local"), 0},
		"names in a list": {agents.leaf(t, time.Time{}, "nobody", "local"), 401},
	} {
		t.Run(name, func(t *testing.T) {
			config := &tls.Config{InsecureSkipVerify: true}
			if c.certificate.Certificate != nil {
				config.Certificates = []tls.Certificate{c.certificate}
				config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &c.certificate, nil }
			}
			tr := &http.Transport{TLSClientConfig: config}
			defer tr.CloseIdleConnections()
			res, err := (&http.Client{Transport: tr}).Get(fmt.Sprintf("https://127.0.0.1:%d/demo/whoami", port))
			status := 0
			if err == nil {
				res.Body.Close()
				status = res.StatusCode
			}
			if status != c.status {
				t.Errorf("with a certificate that is %s: status %d, %v, want %d", name, status, err, c.status)
			}
		})
	}

	t.Run("CONNECT over TLS", func(t *testing.T) {
		own := agents.leaf(t, time.Time{}, "local")
		conn, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port), &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{own}, ServerName: "proxy.test"})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(20 * time.Second))
		fmt.Fprint(conn, "CONNECT demo.test:443 HTTP/1.1\r\nHost: demo.test:443\r\n\r\n")
		if status, head := readHead(t, conn); !strings.Contains(status, " 200 ") {
			t.Fatalf("CONNECT = %s\n%s", status, head)
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM([]byte(readFile(t, d.CA)))
		inner := tls.Client(conn, &tls.Config{RootCAs: roots, ServerName: "demo.test"})
		raw := exchange(inner, "GET /whoami HTTP/1.1\r\nHost: demo.test\r\nConnection: close\r\n\r\n", 5*time.Second)
		if statusOf(raw) != 200 {
			t.Errorf("inside: %q, want 200", raw)
		}
	})
}
