package integration_test

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Metrics count by connector and outcome; no host of a request is a label.
func TestMetrics(t *testing.T) {
	d := newDemo(t, func(s *setup) { s.Options = "metrics" })
	d.curl(t, d.URL+"/demo/whoami")
	d.curl(t, d.URL+"/demo/status/503")
	d.curl(t, d.URL+"/nosuch/whoami")
	d.curl(t, "-x", d.URL, "--cacert", d.CA, "https://demo.test/whoami")
	for i := range 5 {
		d.curl(t, "-x", d.URL, fmt.Sprintf("http://host-%d.invalid/", i))
	}
	metrics := d.metrics(t)
	checkMetrics(t, metrics, `attache_requests_total\{[^}]*connector="demo",outcome="2xx"[^}]*\} 2`, `attache_requests_total\{[^}]*connector="demo",outcome="5xx"[^}]*\} 1`,
		`attache_requests_total\{[^}]*outcome="unknown_connector"[^}]*\} 1`, `attache_tunnels`, `attache_leaf_certificates_total 1`,
		`attache_resolve_duration_seconds_count [1-9]`, `attache_request_duration_seconds_count\{connector="demo"\} 3`)
	if strings.Contains(metrics, "host-1.invalid") {
		t.Errorf("the host of a request is in the metrics:\n%s", grep(metrics, "host-1"))
	}

	s := newTokenServer(t)
	a := s.proxy(t, "header_as_payload off")
	a.curl(t, a.URL+"/api/whoami")
	checkMetrics(t, a.metrics(t), `attache_token_requests_total\{[^}]*connector="api"[^}]*\} 1`)
}

// metrics is what a scrape of the admin socket gets.
func (a *attache) metrics(t testing.TB) string {
	t.Helper()
	return client{}.mustRun(t, "curl", "-sS", "--unix-socket", filepath.Join(a.Dir, "admin.sock"), "http://localhost/metrics").Stdout
}

func checkMetrics(t testing.TB, metrics string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !regexp.MustCompile(`(?m)^` + w).MatchString(metrics) {
			t.Errorf("no metric matches %s in:\n%s", w, grep(metrics, "attache_"))
		}
	}
}

// Each request leaves one audit event, without its query.
func TestAudit(t *testing.T) {
	d := newDemo(t)
	d.curl(t, d.URL+"/demo/whoami?token=agents-query-secret")
	d.curl(t, "-x", d.URL, "--cacert", d.CA, "-X", "DELETE", "https://demo.test/status/204")
	d.curl(t, d.URL+"/nosuch/x")
	d.stop()
	audit := grep(d.Log.String(), `"attache.audit"`)
	for _, want := range []string{
		`"agent":"local","connector":"demo".*"method":"GET".*"host":"demo.test","port":"443","path":"/whoami".*"status":200`,
		`"agent":"local","connector":"demo".*"method":"DELETE".*"path":"/status/204".*"status":204`,
		`"code":"unknown_connector"`,
	} {
		if n := len(regexp.MustCompile(want).FindAllString(audit, -1)); n != 1 {
			t.Errorf("%d audit events match %s, want 1:\n%s", n, want, audit)
		}
	}
	if strings.Contains(audit, "agents-query-secret") {
		t.Errorf("a query is in the audit:\n%s", audit)
	}
}

// grep returns the lines that hold a text.
func grep(s, text string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		if strings.Contains(line, text) {
			b.WriteString(line)
		}
	}
	return b.String()
}
