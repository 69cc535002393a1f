package integration_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// Headers with _ and . in their names pass at every door, in each version of HTTP and
// as often as they were sent, also where all of Caddy's server is between; and those
// that a service could take for the credential, for another header of ours or for
// framing do not.
func TestHeadersWithUnderscoresAndDots(t *testing.T) {
	pass := http.Header{"X-Amz-Meta-My_key": {"a", "b"}, "X-Ms-Meta-A_b": {"1"}, "Mcp-Param-Tenant_id": {"t"}, "X-Amz-Meta-V1.2": {"x"}, "A_b.c": {"y"}, "X-Amz-Meta-My-Key": {"other"}}
	gone := []string{"X_Api_Key", "X.api-Key", "Attache_Account", "X_Forwarded_For", "X_forwarded.for", "Content_Length", "Transfer_Encoding", "Proxy_Authorization"}
	var sent []string
	for name, values := range pass {
		for _, v := range values {
			sent = append(sent, "-H", name+": "+v)
		}
	}
	for _, name := range gone {
		sent = append(sent, "-H", name+": theirs")
	}
	for _, logged := range []bool{false, true} {
		service := newPlainService(t, whoami(header("X-Api-Key", demoToken)))
		a := newAttache(t, setup{
			Attache: connector("demo", "demo.test", service, "header X-Api-Key {fields.key}", "DEMO_TOKEN") + agentLocal("demo"),
			Env:     []string{"DEMO_TOKEN=" + demoToken}, Logged: logged,
		})
		port := a.Addr[strings.LastIndex(a.Addr, ":"):]
		for _, c := range []struct {
			name string
			args []string
		}{
			{"base URL", []string{a.URL + "/demo/whoami"}},
			{"base URL in HTTP/2", []string{"--http2-prior-knowledge", a.URL + "/demo/whoami"}},
			{"host name", []string{"--resolve", "demo.localhost" + port + ":127.0.0.1", "http://demo.localhost" + port + "/whoami"}},
			{"absolute form", []string{"-x", a.URL, "http://demo.test/whoami"}},
			{"CONNECT and HTTP/1.1", []string{"-x", a.URL, "--cacert", a.CA, "--http1.1", "https://demo.test/whoami"}},
			{"CONNECT and HTTP/2", []string{"-x", a.URL, "--cacert", a.CA, "--http2", "https://demo.test/whoami"}},
			{"an upgrade", []string{"-x", a.URL, "--cacert", a.CA, "--http1.1", "-H", "Connection: Upgrade", "-H", "Upgrade: websocket", "https://demo.test/whoami"}},
		} {
			t.Run(fmt.Sprintf("%s, logged %v", c.name, logged), func(t *testing.T) {
				service.forget()
				r := a.curl(t, append(append([]string{}, sent...), c.args...)...)
				if !strings.Contains(r.Stdout, authenticated) {
					t.Fatal(r)
				}
				got := service.last(t).Header
				for name, want := range pass {
					if fmt.Sprint(got[name]) != fmt.Sprint(want) {
						t.Errorf("%s = %q, want %q", name, got[name], want)
					}
				}
				for name, values := range got {
					if fmt.Sprint(values) == "[theirs]" {
						t.Errorf("%s reached the service", name)
					}
				}
			})
		}
	}
}
