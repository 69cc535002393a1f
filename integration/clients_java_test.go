package integration_test

import (
	"path/filepath"
	"strings"
	"testing"
)

func javaSource(t testing.TB) string {
	t.Helper()
	p, err := filepath.Abs("java/Get.java")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Java's HttpClient: HTTP/2 inside a tunnel, an upgrade offer (h2c) on plain
// HTTP, a chain that its strict path builder accepts, and proxy authentication
// that it gives only when challenged.
func TestJava(t *testing.T) {
	integration(t)
	java := program(t, "java")
	get := javaSource(t)
	// Since JDK 8u111 Basic is off for tunnels unless this says otherwise.
	const basicForTunnels = "-Djdk.http.auth.tunneling.disabledSchemes="

	open := newDemo(t)
	closed := newDemo(t, withAgentToken)
	for _, c := range []struct {
		name, protocol string
		args           []string
	}{
		{"CONNECT", "HTTP_2", []string{get, "https://demo.test/whoami", open.Addr, open.CA}},
		{"absolute form", "HTTP_1_1", []string{get, "http://demo.test/whoami", open.Addr, open.CA}},
		{"base URL", "", []string{get, open.URL + "/demo/whoami"}},
		{"CONNECT after a 407", "HTTP_2", []string{basicForTunnels, get, "https://demo.test/whoami", closed.Addr, closed.CA, "worker", agentToken}},
		{"absolute form after a 407", "HTTP_1_1", []string{get, "http://demo.test/whoami", closed.Addr, closed.CA, "worker", agentToken}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := client{}.run(t, java, c.args...)
			if r.Code != 0 || !strings.HasPrefix(r.Stdout, c.protocol) || !strings.HasSuffix(strings.TrimSpace(r.Stdout), authenticated) {
				t.Errorf("want %s %s: %v", c.protocol, authenticated, r)
			}
		})
	}
}
