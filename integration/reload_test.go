package integration_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A reload (SIGUSR1) with streams open: they go on to their end, and what is
// new holds for the next request.
func TestReload(t *testing.T) {
	d := newDemo(t)
	streams := map[string]*bufio.Scanner{}
	doors := d.doors(t)
	for _, at := range doors {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		t.Cleanup(cancel)
		r, _ := http.NewRequestWithContext(ctx, http.MethodGet, at.base+"/events?n=40&every=100ms", nil)
		res, err := at.http.Do(r)
		if err != nil {
			t.Fatalf("%s: %v", at.name, err)
		}
		defer res.Body.Close()
		streams[at.name] = bufio.NewScanner(res.Body)
		streams[at.name].Scan()
	}

	second := newPlainService(t, whoami(bearer("second")))
	s := d.s
	s.Attache = strings.Replace(s.Attache, "agent local {", "agent local {\n\tgrant second read\n", 1) +
		fmt.Sprintf("connector second {\n\thosts second.test\n\tupstream %s\n\tfield key second\n\tsign bearer {fields.key}\n}\n", second.URL)
	if !d.reload(s) {
		t.Fatalf("the new configuration was refused:\n%s", tail(d.Log.String(), 5))
	}
	checkCurl(t, d.curl(t, d.URL+"/second/"), authenticated+"\n200 1.1")

	for name, lines := range streams {
		n := 1
		for lines.Scan() {
			if strings.HasPrefix(lines.Text(), "data: ") {
				n++
			}
		}
		if n != 40 || lines.Err() != nil {
			t.Errorf("%s: the stream that was open got %d of 40 events: %v", name, n, lines.Err())
		}
	}
	for _, at := range doors {
		if s := body(t, at.get(t, "/whoami")); s != authenticated {
			t.Errorf("%s: after the reload: %s", at.name, s)
		}
	}
}

// A grant that is gone stops the next request of a tunnel that is open.
func TestReloadRevokes(t *testing.T) {
	d := newDemo(t)
	conn := d.connectTLS(t, "demo.test:443", "http/1.1")
	const get = "GET /whoami HTTP/1.1\r\nHost: demo.test\r\n\r\n"
	if raw := exchange(conn, get, time.Second); statusOf(raw) != 200 {
		t.Fatalf("before: %s", raw)
	}
	s := d.s
	s.Attache = strings.Replace(s.Attache, "grant demo read write", "", 1)
	if !d.reload(s) {
		t.Fatalf("refused:\n%s", tail(d.Log.String(), 5))
	}
	d.Service.forget()
	raw := exchange(conn, get, 2*time.Second)
	if n := len(d.Service.Requests()); n != 0 || (raw != "" && statusOf(raw) != 403) {
		t.Errorf("after the grant was taken away the open tunnel had %q, and %d requests reached the service; want 403 or the end, and none", raw, n)
	}
}

// A bad configuration changes nothing, and the log says what is wrong and where.
func TestReloadBadConfiguration(t *testing.T) {
	d := newDemo(t)
	for name, change := range map[string]func(*setup){
		"unknown word":    func(s *setup) { s.Attache = "connectorr x\n" + s.Attache },
		"missing env":     func(s *setup) { s.Attache = strings.Replace(s.Attache, "DEMO_TOKEN", "NOT_SET", 1) },
		"unbalanced":      func(s *setup) { s.Attache += "connector x {\n" },
		"unknown grantee": func(s *setup) { s.Attache = strings.Replace(s.Attache, "grant demo", "grant demmo", 1) },
	} {
		t.Run(name, func(t *testing.T) {
			from := d.Log.Len()
			s := d.s
			change(&s)
			if d.reload(s) {
				t.Fatal("the bad configuration was loaded")
			}
			checkCurl(t, d.curl(t, d.URL+"/demo/whoami"), authenticated+"\n200 1.1")
			checkCurl(t, d.curl(t, "-x", d.URL, "--cacert", d.CA, "https://demo.test/whoami"), authenticated+"\n200 2")
			t.Logf("the log: %s", tail(d.Log.String()[from:], 5))
		})
	}
}
