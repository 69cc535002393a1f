package providers_test

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/expr"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/providers/sign"
)

// published is a request whose signature a vendor (or an RFC) has published.
type published struct {
	ID        string
	Connector string
	Option    string // default: the first
	Source    string
	Method    string
	URL       string
	Headers   [][2]string
	Body      string
	Fields    map[string]string
	At        time.Time
	Nonce     string
	// Want are texts that the signed request must hold, as it is sent.
	Want []string
}

// TestPublishedSignatures signs the published requests with the connectors of
// the catalogue, as the proxy would.
func TestPublishedSignatures(t *testing.T) {
	src, err := os.ReadFile("sign/testdata/published.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []published
	if err := json.Unmarshal(src, &all); err != nil {
		t.Fatal(err)
	}
	defs, err := providers.Catalog()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		t.Run(p.ID, func(t *testing.T) { p.check(t, defs) })
	}
}

func (p *published) check(t *testing.T, defs map[string]*providers.Definition) {
	cs, err := providers.CompileAll(providers.BuiltIn(), []string{p.Connector})
	if err != nil {
		t.Fatal(err)
	}
	option, ok := cs[0].Option(p.Option)
	if !ok {
		t.Fatalf("connector %s has no option %s", p.Connector, p.Option)
	}
	req, err := http.NewRequest(p.Method, p.URL, strings.NewReader(p.Body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range p.Headers {
		req.Header.Add(h[0], h[1])
	}
	fields := secret.Values{}
	for name, v := range p.Fields {
		fields[name] = secret.New(v)
	}
	signer := cs[0].SignerFor(option, hostOf(t, cs[0], req))
	in := &sign.Input{Vars: expr.Vars{
		Cred: &secret.Credential{Fields: fields}, Now: p.At, Nonce: p.Nonce, Agent: req.Header.Clone(),
	}}
	if signer.NeedsBody() {
		in.Body = expr.Bytes(p.Body)
	}
	sign.Strip(req, signer.Places())
	if err := signer.Sign(req, in); err != nil {
		t.Fatalf("Sign = %v", err)
	}
	got := wire(t, req)
	for _, w := range p.Want {
		if !strings.Contains(got, w) {
			t.Errorf("sent is\n%s\nwant in it\n%s", got, w)
		}
	}
}

// wire is the request as HTTP/1.1 would carry it.
func wire(t *testing.T, r *http.Request) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(r.Method + " " + r.URL.RequestURI() + "\n")
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		for _, v := range r.Header[name] {
			b.WriteString(name + ": " + v + "\n")
		}
	}
	b.WriteString("\n")
	if r.Body != nil {
		if _, err := io.Copy(&b, r.Body); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// hostOf finds the host entry of the request, which may have a placement of
// its own. Hosts that only an account names have none.
func hostOf(t *testing.T, c *providers.Connector, r *http.Request) *providers.Host {
	t.Helper()
	index, err := providers.NewIndex([]*providers.Connector{c})
	if err != nil {
		t.Fatal(err)
	}
	e, ok := lookup(index, strings.ToLower(r.URL.Hostname()), "443", r.URL.EscapedPath())
	if !ok {
		return nil
	}
	return e.Host
}
