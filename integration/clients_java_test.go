package integration_test

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// javaClass compiles java/Get.java once and returns the arguments that run it.
func javaClass(t testing.TB) []string {
	t.Helper()
	javac := program(t, "javac")
	dir := t.TempDir()
	client{Dir: ".", Limit: 3 * time.Minute}.mustRun(t, javac, "-d", dir, "java/Get.java")
	return []string{"-cp", dir, "Get"}
}

// Java's HttpClient: HTTP/2 inside a tunnel, an upgrade offer (h2c) on plain
// HTTP, a chain that its strict path builder accepts, and proxy authentication
// that it gives only when challenged.
func TestJava(t *testing.T) {
	integration(t)
	java := program(t, "java")
	get := javaClass(t)
	// Since JDK 8u111 Basic is off for tunnels unless this says otherwise.
	const basicForTunnels = "-Djdk.http.auth.tunneling.disabledSchemes="

	open := newDemo(t)
	closed := newDemo(t, withAgentToken)
	for _, c := range []struct {
		name, protocol string
		flags, args    []string
	}{
		{"CONNECT", "HTTP_2", nil, []string{"https://demo.test/whoami", open.Addr, open.CA}},
		{"absolute form", "HTTP_1_1", nil, []string{"http://demo.test/whoami", open.Addr, open.CA}},
		{"base URL", "", nil, []string{open.URL + "/demo/whoami"}},
		{"CONNECT after a 407", "HTTP_2", []string{basicForTunnels}, []string{"https://demo.test/whoami", closed.Addr, closed.CA, "worker", agentToken}},
		{"absolute form after a 407", "HTTP_1_1", nil, []string{"http://demo.test/whoami", closed.Addr, closed.CA, "worker", agentToken}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := client{}.run(t, java, slices.Concat(c.flags, get, c.args)...)
			if r.Code != 0 || !strings.HasPrefix(r.Stdout, c.protocol) || !strings.HasSuffix(strings.TrimSpace(r.Stdout), authenticated) {
				t.Errorf("want %s %s: %v", c.protocol, authenticated, r)
			}
		})
	}
}
