package start

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"time"

	"github.com/attache-proxy/attache/caddymodule/admin/paths"
	"github.com/attache-proxy/attache/caddymodule/admin/signin"
)

// patience is how long a start may take before the lines are given up.
const patience = time.Minute

// welcome waits until everything listens, and says where it is.
func (f *facts) welcome(w io.Writer) {
	for _, place := range []string{f.proxy, f.office} {
		if place != "" && !answers(place, patience) {
			return
		}
	}
	for _, line := range f.lines(time.Now()) {
		fmt.Fprintf(w, "%-10s %s\n", line[0], line[1])
	}
}

// answers waits until somebody listens.
func answers(place string, within time.Duration) bool {
	u, err := url.Parse(place)
	if err != nil {
		return false
	}
	for end := time.Now().Add(within); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if conn, err := net.DialTimeout("tcp", u.Host, time.Second); err == nil {
			_ = conn.Close()
			return true
		}
	}
	return false
}

// lines are what a person wants to know first: a name and what it is.
func (f *facts) lines(now time.Time) (out [][2]string) {
	add := func(name, format string, values ...any) {
		out = append(out, [2]string{name, fmt.Sprintf(format, values...)})
	}
	if f.proxy != "" {
		add("proxy", "%s%s", f.proxy, f.whose())
	}
	if f.office != "" {
		add("dashboard", "%s%s/", f.office, paths.UI)
		if u, err := url.Parse(f.office); err == nil && signin.Loopback(u.Host) && f.vault != nil {
			add("sign in", "%s%s/#/sign-in/%s (once, until %s, on this machine)", f.office, paths.UI, signin.NewLink(now), now.Add(signin.LinkLife).Format(time.TimeOnly))
		}
	}
	switch {
	case f.demo && f.proxy != "":
		add("try", "curl %s/demo/whoami    and then: attache connect github", f.proxy)
	case f.proxy != "":
		add("try", "attache doctor    and then: attache connect github")
	}
	if f.vault != nil && f.vault.Driver == "sqlite" && len(f.keys) == 0 {
		if place, err := f.vault.Place(); err == nil {
			add("back up", "%s: without this key the accounts are lost", filepath.Join(filepath.Dir(place), "vault.key"))
		}
	}
	if f.log != "" {
		add("log", "%s (--log: here)", f.log)
	}
	return out
}

// whose says what a client of the proxy must bring.
func (f *facts) whose() string {
	if f.agent == "" {
		return " (agents need their tokens)"
	}
	return " (agent " + f.agent + ", without a token)"
}
