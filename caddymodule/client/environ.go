package client

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/attache-proxy/attache/providers/secret"
)

// Request is what an environment is worked out from.
type Request struct {
	// Proxy is http or https, without user information.
	Proxy *url.URL
	// Through is a loopback address of this run alone that leads to the proxy, and
	// says there who calls: the variables name it, and hold no token. Nil where they
	// lead to the proxy itself.
	Through *url.URL
	About   *About
	// Token is the agent's; zero where the listener has an agent of its own.
	Token secret.Value
	// Account chooses one account by name wherever a connector has it;
	// Accounts chooses by connector, at the base-URL door alone.
	Account  string
	Accounts map[string]string
	Files    Files
	// Environ is the environment so far, as NAME=value.
	Environ []string
	// Secrets are names of variables from which the proxy takes credentials:
	// the command must not have them.
	Secrets []string
	// NoNodePreload leaves NODE_OPTIONS alone.
	NoNodePreload bool
}

// Environment is what is different for a command that calls through the proxy.
type Environment struct {
	// Set holds values that may contain the agent's own token, no other secret.
	Set map[string]string
	// Nameless holds those whose names no shell could assign, for a command alone.
	Nameless map[string]string
	// Unset says why a variable is taken away.
	Unset map[string]string
	// Warnings are what the user should change. They hold no value.
	Warnings []string

	current map[string]string
	notes   []note
}

// note is what was done with variables for one reason.
type note struct {
	done string // removed, replaced, kept, left out of NO_PROXY
	why  string
	what []string
}

func (e *Environment) note(done, what, why string) {
	i := slices.IndexFunc(e.notes, func(n note) bool { return n.done == done && n.why == why })
	if i < 0 {
		e.notes, i = append(e.notes, note{done: done, why: why}), len(e.notes)
	}
	e.notes[i].what = append(e.notes[i].what, what)
}

// Notes say what was changed of the user's own variables and what was not, and
// why. They hold no value.
func (e *Environment) Notes() (lines []string) {
	for _, n := range e.notes {
		lines = append(lines, fmt.Sprintf("%s %s: %s", n.done, strings.Join(n.what, ", "), n.why))
	}
	return lines
}

// Compute works out the environment of a command.
func Compute(r Request) (*Environment, error) {
	e := &Environment{Set: map[string]string{}, Nameless: map[string]string{}, Unset: map[string]string{}, current: lookup(r.Environ)}
	if err := r.check(); err != nil {
		return nil, err
	}
	for _, name := range r.Secrets {
		if _, ok := e.current[name]; ok {
			e.Unset[name] = "the proxy takes a credential from it"
			delete(e.current, name)
		}
	}
	bypass := e.setProxy(r)
	e.setTrust(r)
	e.setJava(r, bypass)
	for name, value := range switches {
		e.Set[name] = value
	}
	e.setPreloads(r)
	e.setOurs(r)
	for _, c := range r.About.byKey() {
		e.setConnector(r, c)
	}
	e.setGemini(r)
	e.setCloud(r)
	for _, name := range slices.Sorted(maps.Keys(e.Set)) {
		if strings.ContainsAny(e.Set[name], "\n\r\x00") && e.Set[name] != e.current[name] {
			return nil, fmt.Errorf("the value of %s would have a line break in it: the proxy at %s names what no proxy would", name, r.Proxy)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(e.Unset)) {
		if _, ok := e.Set[name]; ok { // a placeholder, or the agent's token
			e.note("replaced", name, e.Unset[name])
			delete(e.Unset, name)
			continue
		}
		e.note("removed", name, e.Unset[name])
	}
	return e, nil
}

func (r *Request) check() error {
	known := map[string]Connector{}
	for _, c := range r.About.Connectors {
		known[c.Key] = c
	}
	for key, account := range r.Accounts {
		c, ok := known[key]
		if !ok {
			return fmt.Errorf("--account %s:%s: agent %s was granted no connector %s; it has: %s", key, account, r.About.Agent, key, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		}
		if !slices.Contains(c.Accounts, account) {
			return fmt.Errorf("--account %s:%s: there is no such account; connector %s has: %s", key, account, key, strings.Join(c.Accounts, ", "))
		}
	}
	if r.Account != "" && !slices.ContainsFunc(r.About.Connectors, func(c Connector) bool { return slices.Contains(c.Accounts, r.Account) }) {
		return fmt.Errorf("--account %s: agent %s was granted no account of that name", r.Account, r.About.Agent)
	}
	return nil
}

// door is where the command's clients find the proxy.
func (r *Request) door() *url.URL {
	if r.Through != nil {
		return r.Through
	}
	return r.Proxy
}

// ProxyURL is the proxy with the agent's name and token as user information.
// Clients decode percent-encoding before they send it; some decode + as a space,
// so that everything but letters, digits and -._~ is encoded.
func (r *Request) ProxyURL() string {
	if r.Through != nil || r.Token.IsZero() && r.Account == "" {
		return r.door().String()
	}
	user := r.About.Agent
	if r.Account != "" {
		user += "+" + r.Account
	}
	return r.Proxy.Scheme + "://" + encodeAll(user) + ":" + encodeAll(r.Token.Reveal()) + "@" + r.Proxy.Host
}

// encodeAll percent-encodes all but the unreserved characters of RFC 3986 §2.3.
func encodeAll(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// setProxy sets the proxy variables and returns NO_PROXY.
func (e *Environment) setProxy(r Request) (bypass string) {
	proxy := r.ProxyURL()
	for _, name := range proxyVariables {
		e.replace(name, proxy, "it would lead past the proxy")
	}
	for _, name := range overridden {
		if e.current[name] != "" {
			e.replace(name, proxy, "it would lead past the proxy")
		}
	}
	var hosts []string
	for _, c := range r.About.Connectors {
		for _, h := range c.Hosts {
			hosts = append(hosts, hostOf(h))
		}
	}
	current := strings.Join([]string{e.current["NO_PROXY"], e.current["no_proxy"]}, ",")
	bypass, dropped := noProxy(current, r.door().Hostname(), hosts)
	for _, entry := range slices.Sorted(maps.Keys(dropped)) {
		e.note("left out of NO_PROXY:", entry, "it would lead "+dropped[entry]+" past the proxy")
	}
	e.Set["NO_PROXY"], e.Set["no_proxy"] = bypass, bypass
	for _, name := range bypassVariables {
		if e.current[name] != "" {
			e.replace(name, bypass, "it would lead past the proxy")
		}
	}
	return bypass
}

func (e *Environment) setTrust(r Request) {
	for _, v := range trustVariables {
		file := r.Files.Bundle
		if v.role == corrects && e.current[v.name] == "" {
			continue
		}
		if v.role == adds {
			file = r.Files.CA
		}
		e.replace(v.name, file, "its certificates are in the new file, beside the proxy's")
	}
	e.setWget(r)
	e.setPHP(r)
	e.warnOfNoChecks()
}

// setWget gives wget a configuration file, since it knows no variable for
// roots. It would be read instead of the user's own, so only where there is none.
func (e *Environment) setWget(r Request) {
	own := cmp.Or(e.current["WGETRC"], filepath.Join(e.current["HOME"], ".wgetrc"))
	if text, err := os.ReadFile(own); err == nil && !oursForWget.Match(text) {
		e.note("kept", own, "wget trusts the proxy once it says: ca_certificate = "+r.Files.Bundle)
		return
	}
	e.Set["WGETRC"] = r.Files.WgetRC
}

// unchecked are values with which somebody turned the checking of certificates
// off, perhaps because of another proxy.
var unchecked = []string{"NODE_TLS_REJECT_UNAUTHORIZED=0", "PYTHONHTTPSVERIFY=0", "GIT_SSL_NO_VERIFY=1", "GIT_SSL_NO_VERIFY=true"}

func (e *Environment) warnOfNoChecks() {
	for _, line := range unchecked {
		if name, value, _ := strings.Cut(line, "="); strings.EqualFold(e.current[name], value) {
			e.Warnings = append(e.Warnings, line+": clients that heed it check no certificates; unset it, it is not needed")
		}
	}
}

// setPHP adds our directory to those that PHP reads its configuration from. An
// empty entry stands for PHP's own.
func (e *Environment) setPHP(r Request) {
	const name = "PHP_INI_SCAN_DIR"
	list := filepath.SplitList(e.current[name])
	list = slices.DeleteFunc(list, func(dir string) bool {
		_, err := os.Stat(filepath.Join(dir, "attache.ini")) // of a command around this one
		return err == nil || dir == r.Files.PHPDir
	})
	if len(list) == 0 {
		list = []string{""}
	}
	e.Set[name] = strings.Join(append(list, r.Files.PHPDir), string(filepath.ListSeparator))
}

// setPreloads lets runtimes read a file of ours first whose clients know no variable.
func (e *Environment) setPreloads(r Request) {
	if !r.NoNodePreload && r.Files.Node != "" {
		e.Set[nodeOptions] = withPreload(e.current[nodeOptions], r.Files.Node)
	}
	if own := e.current["R_PROFILE_USER"]; own == "" || filepath.Base(own) == filepath.Base(r.Files.R) {
		e.Set["R_PROFILE_USER"] = r.Files.R
	} else {
		e.note("kept", "R_PROFILE_USER", "httr trusts the proxy once it has: httr::set_config(httr::config(cainfo = Sys.getenv(\"CURL_CA_BUNDLE\")))")
	}
	if slices.ContainsFunc(r.About.Connectors, func(c Connector) bool { return slices.Contains(c.Hosts, "registry.npmjs.org") }) {
		e.Nameless[registryToken] = placeholder
	}
}

// setGemini is for after the connectors' own variables.
func (e *Environment) setGemini(r Request) {
	if e.Set["GOOGLE_GEMINI_BASE_URL"] == "" {
		return
	}
	if own := e.current[geminiName]; own != "" && filepath.Base(own) != filepath.Base(r.Files.Gemini) {
		e.note("kept", geminiName, "the Gemini CLI starts once it selects gemini-api-key (security.auth.selectedType)")
		return
	}
	e.Set[geminiName] = r.Files.Gemini
}

// oursForWget is a file that WriteFiles made.
var oursForWget = regexp.MustCompile(`^ca_certificate = .*/bundle\.pem\n$`)

func (e *Environment) setJava(r Request, bypass string) {
	options, replaced := javaOptions(e.current[javaName], proxyWithPort(r.door()), r.Files.TrustStore, bypass)
	for _, name := range replaced {
		e.note("replaced", name+" of "+javaName, "it would lead past the proxy, or away from its certificate")
	}
	e.Set[javaName] = options
}

// setOurs lets our own commands work inside the command, those of agents.
func (e *Environment) setOurs(r Request) {
	for _, name := range []string{"ATTACHE_ADMIN_TOKEN", "ATTACHE_ADMIN"} {
		if _, ok := e.current[name]; ok {
			e.Unset[name] = "it is of the REST API, which no agent may use"
		}
	}
	e.Set["ATTACHE_PROXY"] = r.door().String()
	e.Set["ATTACHE_AGENT"] = r.About.Agent
	if r.Through != nil { // an address that is new each time is not worth remembering
		e.Set[CAVariable] = r.Files.CA
	}
	if r.Through == nil && !r.Token.IsZero() {
		e.Set["ATTACHE_TOKEN"] = r.Token.Reveal()
	} else if e.current["ATTACHE_TOKEN"] != "" {
		e.Unset["ATTACHE_TOKEN"] = "the proxy knows the command without a token"
	}
}

// setCloud lets libraries find a credential that is none, where the user has none of
// their own.
func (e *Environment) setCloud(r Request) {
	if e.Set["AWS_ACCESS_KEY_ID"] != "" && !e.any("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_DEFAULT_PROFILE") && !e.exists(cmp.Or(e.current["AWS_CONFIG_FILE"], "~/.aws/config")) {
		e.Set["AWS_REGION"] = "us-east-1" // AWS SDK for JavaScript v3 does not start without one
	}
	if r.Through == nil {
		return
	}
	gcloud := cmp.Or(e.current["CLOUDSDK_CONFIG"], "~/.config/gcloud")
	if r.About.has("googleapis.com") && !e.any("GOOGLE_APPLICATION_CREDENTIALS", "GCE_METADATA_HOST", "GCE_METADATA_IP") && !e.exists(filepath.Join(gcloud, "application_default_credentials.json")) {
		e.Set["GCE_METADATA_HOST"], e.Set["GCE_METADATA_IP"] = r.Through.Host, r.Through.Host
	}
	if r.About.has(azure...) && !e.any("IDENTITY_ENDPOINT", "MSI_ENDPOINT", "AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_FEDERATED_TOKEN_FILE") {
		e.Set["IDENTITY_ENDPOINT"], e.Set["IDENTITY_HEADER"] = r.Through.String()+IdentityPath, placeholder
	}
}

// any reports whether the user, or a connector, has set one of the variables.
func (e *Environment) any(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return e.current[name] != "" || e.Set[name] != "" })
}

// exists reports whether the user has a file; ~ is their home.
func (e *Environment) exists(file string) bool {
	if rest, ok := strings.CutPrefix(file, "~"); ok {
		file = e.current["HOME"] + rest
	}
	_, err := os.Stat(file)
	return err == nil
}

// CAVariable names the file with the root certificate of ATTACHE_PROXY.
const CAVariable = "ATTACHE_CA"

// replace sets a variable, and notes it where the user had another value.
func (e *Environment) replace(name, value, why string) {
	if old := e.current[name]; old != "" && old != value {
		e.note("replaced", name, why)
	}
	e.Set[name] = value
}

// Apply returns environ with the changes.
func (e *Environment) Apply(environ []string) []string {
	gone := func(name string) bool {
		_, set := e.Set[name]
		_, unset := e.Unset[name]
		_, nameless := e.Nameless[name]
		return set || unset || nameless
	}
	out := make([]string, 0, len(environ)+len(e.Set))
	for _, line := range environ {
		name, _, _ := strings.Cut(line, "=")
		if name == "" || !gone(name) {
			out = append(out, line)
		}
	}
	for _, set := range []map[string]string{e.Set, e.Nameless} {
		for _, name := range slices.Sorted(maps.Keys(set)) {
			out = append(out, name+"="+set[name])
		}
	}
	return out
}

// proxyWithPort names the port also where it is the scheme's own.
func proxyWithPort(u *url.URL) *url.URL {
	if u.Port() != "" {
		return u
	}
	v := *u
	v.Host += ":" + cmp.Or(map[string]string{"https": "443"}[u.Scheme], "80")
	return &v
}

func isAddress(s string) bool {
	_, err := netip.ParseAddr(strings.Trim(s, "[]"))
	return err == nil
}
