package integration_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// A configuration that is wrong is refused before anything listens, with the
// file and the line where that can be told, in words that name the mistake.
func TestBadConfiguration(t *testing.T) {
	integration(t)
	const demo = "connector demo {\n\thosts demo.test\n\tfield key {env.KEY}\n\tsign bearer {fields.key}\n}\n"
	token := "{env.TOKEN}"
	for _, c := range []struct {
		name, attache string
		listener      string
		want          string // a regular expression
		line          string // the text of the line that the message has to name; empty: none
	}{
		{name: "unknown option", attache: "conector x {\n}", want: "conector", line: "conector x"},
		{name: "unknown word in a connector", attache: strings.Replace(demo, "hosts", "hots", 1), want: "hots", line: "hots demo.test"},
		{name: "unknown word in an agent", attache: demo + "agent a {\n\tgrants demo\n}", want: "grants", line: "grants demo"},
		{name: "unknown word in the listener", listener: "agentt local", attache: "agent local", want: "agentt", line: "agentt local"},
		{name: "unmatched neither tunnel nor deny", listener: "agent local\nunmatched allow", attache: "agent local", want: "allow", line: "unmatched allow"},
		{name: "a wildcard without a reason", attache: strings.Replace(demo, "demo.test", "*.demo.test", 1), want: `\*\.demo\.test.*vendor`},
		{name: "the same connector twice", attache: demo + demo, want: "demo", line: ""},
		{name: "missing env", attache: strings.Replace(demo, "KEY", "NOT_SET", 1), want: "NOT_SET"},
		{name: "empty env", attache: strings.Replace(demo, "KEY", "EMPTY", 1), want: "(?i)empty"},
		{name: "missing file", attache: strings.Replace(demo, "{env.KEY}", "{file./no/such/file}", 1), want: "/no/such/file"},
		{name: "unknown placeholder", attache: strings.Replace(demo, "{env.KEY}", "{evn.KEY}", 1), want: "evn"},
		{name: "agent token missing", attache: "agent a {\n\ttoken {env.NOT_SET}\n}", want: "NOT_SET"},
		{name: "agent token empty", attache: "agent a {\n\ttoken {env.EMPTY}\n}", want: "(?i)empty"},
		{name: "agent token short", attache: "agent a {\n\ttoken {env.SHORT}\n}", want: "16 characters"},
		{name: "agent token of two agents", attache: fmt.Sprintf("agent a {\n\ttoken %[1]s\n}\nagent b {\n\ttoken %[1]s\n}", token), want: "(?i)same token|token.*(also|twice|already)"},
		{name: "agent token twice", attache: fmt.Sprintf("agent a {\n\ttoken %[1]s\n\ttoken %[1]s\n}", token), want: "(?i)same token|token.*(also|twice|already)"},
		{name: "the same agent twice", attache: "agent a\nagent a", want: "agent a", line: ""},
		{name: "grant of an unknown connector", attache: "agent a {\n\tgrant demo read\n}", want: "demo"},
		{name: "grant of an unknown account", attache: demo + "agent a {\n\tgrant demo:nosuch read\n}", want: "nosuch"},
		{name: "grant neither read nor write", attache: demo + "agent a {\n\tgrant demo admin\n}", want: "admin", line: "grant demo admin"},
		{name: "listener of an unknown agent", listener: "agent nosuch", attache: "agent local", want: "nosuch"},
		{name: "no such field", attache: strings.Replace(demo, "{fields.key}", "{fields.kee}", 1), want: "kee"},
		{name: "no such option", attache: "connector github {\n\tuse tokn {\n\t\ttoken {env.KEY}\n\t}\n}", want: "tokn"},
		{name: "no such field of a built-in", attache: "connector github {\n\tuse token {\n\t\ttokn {env.KEY}\n\t}\n}", want: "tokn"},
		{name: "unknown built-in", attache: "connector gitthub {\n\tuse token {\n\t\ttoken {env.KEY}\n\t}\n}", want: "gitthub"},
		{name: "plain HTTP to a host that is not named", attache: "connector x {\n\thosts x.test\n\tupstream ftp://x.test\n\tfield key {env.KEY}\n\tsign bearer {fields.key}\n}", want: "ftp"},
		{name: "an address that is none", attache: "allow_address 10.0.0.0/99", want: `10\.0\.0\.0/99`},
		{name: "a host that is everything", attache: strings.Replace(demo, "demo.test", "*", 1), want: `\*`},
		{name: "header name that is none", attache: strings.Replace(demo, "bearer {fields.key}", "header \"X Key\" {fields.key}", 1), want: "X Key"},
		{name: "trusted CA file missing", attache: strings.Replace(demo, "sign", "upstream https://127.0.0.1:1\n\ttls_trusted_ca /no/such.pem\n\tsign", 1), want: "/no/such.pem"},
		{name: "connectors directory missing", attache: "connectors /no/such/dir", want: "/no/such/dir"},
	} {
		t.Run(c.name, func(t *testing.T) {
			// One agent, so that nothing else is wrong.
			if !strings.Contains(c.attache, "agent") {
				c.attache += "\nagent local"
			}
			if c.listener == "" {
				c.listener = "agent " + regexp.MustCompile(`agent (\w+)`).FindStringSubmatch(c.attache)[1]
			}
			a := newAttache(t, setup{Attache: c.attache, Listener: c.listener, Stopped: true,
				Env: []string{"KEY=a-secret-key-0123456789", "TOKEN=a-token-of-an-agent-0123", "SHORT=short", "EMPTY="}})
			r := client{Env: a.env(), Dir: a.Dir}.run(t, raceBinary(t), "validate", "--config", a.Caddyfile)
			out := r.Stdout + r.Stderr
			if r.Code == 0 {
				t.Fatalf("the configuration is taken:\n%s", c.attache)
			}
			if !regexp.MustCompile(c.want).MatchString(out) {
				t.Errorf("the message does not name %s: %v", c.want, r)
			}
			if c.line != "" {
				place := fmt.Sprintf("Caddyfile:%d", lineOf(t, a.Caddyfile, c.line))
				if !strings.Contains(out, place) {
					t.Errorf("the message does not say %s: %v", place, r)
				}
			}
			if strings.Contains(out, "a-secret-key") || strings.Contains(out, "a-token-of") {
				t.Errorf("a secret is in the message: %v", r)
			}
		})
	}
}

// lineOf is the number of the line with this text.
func lineOf(t testing.TB, file, text string) int {
	t.Helper()
	before, _, ok := strings.Cut(readFile(t, file), text)
	if !ok {
		t.Fatalf("%q is not in %s", text, file)
	}
	return strings.Count(before, "\n") + 1
}

// An operator's own connectors, from a directory: with a mistake they are
// refused with file and line, without they work.
func TestConnectorDirectory(t *testing.T) {
	integration(t)
	service := newPlainService(t, whoami(header("X-Key", demoToken)))
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "mine.yaml"), `key: mine
title: Mine
category: dev
hosts: [api.mine.test]
base_url: https://api.mine.test
auth:
  key:
    type: credentials
    fields: {key: {title: Key, secret: true}}
    sign: {header: {X-Key: "{fields.key}"}}
`)
	s := setup{
		Attache: fmt.Sprintf("connectors %s\nconnector mine {\n\tupstream %s\n\tuse key {\n\t\tkey {env.KEY}\n\t}\n}\n%s", dir, service.URL, agentLocal("mine")),
		Env:     []string{"KEY=" + demoToken},
	}
	a := newAttache(t, s)
	checkCurl(t, a.curl(t, a.URL+"/mine/"), authenticated+"\n200 1.1")
	checkCurl(t, a.curl(t, "-x", a.URL, "--cacert", a.CA, "https://api.mine.test/"), authenticated+"\n200 2")

	for name, change := range map[string][2]string{
		"unknown key":         {"title: Mine", "titel: Mine"},
		"wrong type":          {"hosts: [api.mine.test]", "hosts: {a: b}"},
		"unclosed bracket":    {"hosts: [api.mine.test]", "hosts: [api.mine.test"},
		"bad template":        {`"{fields.key}"`, `"{fields.key"`},
		"key twice":           {"title: Mine", "title: Mine\ntitle: Mine"},
		"unknown field":       {`"{fields.key}"`, `"{fields.other}"`},
		"key is not the name": {"key: mine", "key: other"},
	} {
		t.Run(name, func(t *testing.T) {
			bad := t.TempDir()
			good := readFile(t, filepath.Join(dir, "mine.yaml"))
			writeFile(t, filepath.Join(bad, "mine.yaml"), strings.Replace(good, change[0], change[1], 1))
			s := s
			s.Attache, s.Stopped = strings.Replace(s.Attache, dir, bad, 1), true
			a := newAttache(t, s)
			r := client{Env: a.env()}.run(t, raceBinary(t), "validate", "--config", a.Caddyfile)
			if r.Code == 0 || !regexp.MustCompile(`mine\.yaml(:\d+|.* line \d+|: key is)`).MatchString(r.Stdout+r.Stderr) {
				t.Errorf("want a failure with mine.yaml and what is wrong where: %v", r)
			}
		})
	}
}

// The address that is in use is named, not a stack of Go.
func TestPortInUse(t *testing.T) {
	l := listen(t)
	a := newAttache(t, setup{Attache: "agent local", Port: l.Addr().(*net.TCPAddr).Port, Stopped: true})
	r := client{Env: a.env(), Limit: 20 * time.Second}.run(t, raceBinary(t), "run", "--config", a.Caddyfile)
	if r.Code < 1 || !strings.Contains(r.Stderr, a.Addr) || strings.Contains(r.Stderr, "goroutine ") {
		t.Errorf("want an error that names %s: %v", a.Addr, r)
	}
}

// The CA's key is for the proxy alone, and our CA is put into no system store.
func TestCAFiles(t *testing.T) {
	a := newAttache(t, setup{Attache: "agent local"})
	keys, _ := filepath.Glob(filepath.Join(filepath.Dir(a.CA), "*.key"))
	if len(keys) == 0 {
		t.Fatalf("no key beside %s", a.CA)
	}
	for _, key := range keys {
		info, err := os.Stat(key)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s may be read by others: %v", filepath.Base(key), info.Mode())
		}
	}
	root := strings.TrimSpace(readFile(t, a.CA))
	for _, store := range []string{"/etc/ssl/certs/ca-certificates.crt", "/usr/local/share/ca-certificates"} {
		filepath.Walk(store, func(path string, info os.FileInfo, err error) error {
			if err == nil && info.Mode().IsRegular() && strings.Contains(readFile(t, path), root) {
				t.Errorf("our CA is in %s", path)
			}
			return nil
		})
	}
}
