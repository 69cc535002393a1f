package connect

import (
	"cmp"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/expr"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/providers/sign"
)

// TestWrongKeys sends each connector's test request with two keys that were made
// up to a stand-in that knows the first of them, and answers the second as the
// service is known to (wrong), or with 401 where that is not recorded. The second
// must not pass: where both requests are alike, the test proves nothing and has to
// say so (none).
func TestWrongKeys(t *testing.T) {
	all, err := providers.CompileAll(providers.BuiltIn(), nil)
	if err != nil {
		t.Fatal(err)
	}
	proved, recorded := 0, 0
	for _, c := range all {
		ok, known := true, false
		for _, o := range c.Options {
			test := c.TestFor(o)
			if o.Sign != nil && len(o.Sign.Kinds) > 0 && o.Sign.Kinds[0].Name == "digest" {
				continue // nothing is placed before the service's challenge
			}
			if test == nil || o.Type == providers.TypeDelegate {
				ok = ok && o.Type == providers.TypeDelegate
				continue
			}
			fields := TestFields(o, nil)
			right, fine := tried(t, c, o, test, fields)
			wrong, _ := tried(t, c, o, test, another(o, fields))
			switch {
			case !fine: // a key that cannot be made up, such as a private one: a wrong one cannot be sent either
			case right == wrong:
				t.Errorf("%s, option %s: the test request is the same with another key: it proves nothing\n%s", c.Key, o.Name, right)
				ok = false
			case passes(t, test, right, wrong):
				t.Errorf("%s, option %s: a made-up key passes", c.Key, o.Name)
				ok = false
			}
			known = known || test.Wrong != nil
		}
		if ok {
			proved++
		}
		if known {
			recorded++
		}
	}
	t.Logf("%d connectors; of %d every option has a test that a made-up key fails; of %d it is recorded what the service answers to one", len(all), proved, recorded)
	if proved < len(all)*85/100 || recorded < 450 {
		t.Errorf("%d of %d connectors prove their keys, with %d recorded answers: fewer than there were", proved, len(all), recorded)
	}
}

// another is what somebody else would have: another value for each secret.
func another(o *providers.Option, fields map[string]string) map[string]string {
	out := maps.Clone(fields)
	fresh := TestFields(o, nil)
	for _, f := range o.Fields {
		v := fresh[f.Name]
		if longer := v + "1"; v == fields[f.Name] && f.Secret && regexp.MustCompile(f.Pattern).MatchString(longer) {
			out[f.Name] = longer
		} else if f.Secret || f.Pattern == "" && len(f.Enum) == 0 && f.Format == "" && f.Default == "" {
			out[f.Name] = v
		}
	}
	return out
}

// tried is the test request as it goes out, signed for an account; false where no
// made-up value can sign it.
func tried(t *testing.T, c *providers.Connector, o *providers.Option, test *providers.TestDef, fields map[string]string) (string, bool) {
	t.Helper()
	values := secret.Values{}
	for name, v := range fields {
		values[name] = secret.New(v)
	}
	cred, err := o.Credential(values)
	if err != nil {
		return "", false
	}
	app := secret.Values{"client_id": secret.New("client"), "client_secret": testToken()}
	if o.OAuth != nil {
		cred.Token = testToken()
		for name := range o.OAuth.Brings() {
			cred.Fields[name] = testToken()
		}
	}
	v := expr.Vars{Cred: cred, App: app, Account: map[string]string{"name": "a", "id": "a"}, Now: time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC), Nonce: strings.Repeat("1", 32), Body: expr.Bytes(test.Body)}
	r, host, ok := request(c, test, &v)
	if !ok {
		return "", false
	}
	signer := c.SignerFor(o.For(values), host)
	in := &sign.Input{Vars: v}
	in.Agent = r.Header.Clone()
	sign.Strip(r, signer.Places())
	if err := signer.Sign(r, in); err != nil {
		return "", false
	}
	text, err := httputil.DumpRequestOut(r, true)
	return string(text), err == nil
}

// request is the connector's test request, on the host it goes to.
func request(c *providers.Connector, test *providers.TestDef, v *expr.Vars) (*http.Request, *providers.Host, bool) {
	where, err := expr.Compile(test.Get + test.Post)
	if err != nil {
		return nil, nil, false
	}
	text, err := where.Eval(v)
	if err != nil {
		return nil, nil, false
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, nil, false
	}
	if u.Host == "" {
		base, err := c.Origin(v)
		if err != nil {
			return nil, nil, false
		}
		u.Scheme, u.Host = base.Scheme, base.Host
	}
	method := http.MethodGet
	if test.Post != "" {
		method = http.MethodPost
	}
	r, err := http.NewRequest(method, u.String(), strings.NewReader(test.Body))
	if err != nil {
		return nil, nil, false
	}
	for name, value := range test.Headers {
		r.Header.Set(name, value)
	}
	if test.Body != "" && r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", "application/json")
	}
	host, port, err := providers.ParseAuthority(u.Host)
	if err != nil {
		return nil, nil, false
	}
	h := c.HostFor(host, cmp.Or(port, "443"), u.EscapedPath(), v)
	return r, h, h != nil
}

// passes is what the test makes of the stand-in's answer to a request.
func passes(t *testing.T, test *providers.TestDef, right, sent string) bool {
	t.Helper()
	w := httptest.NewRecorder()
	if sent == right {
		return true // what a right key gets is the service's
	}
	status, body := http.StatusUnauthorized, ""
	if test.Wrong != nil {
		status, body = cmp.Or(test.Wrong.Status, test.Status()), test.Wrong.Body
	}
	w.WriteHeader(status)
	io.WriteString(w, body)
	return test.Proves(w.Code, w.Body.Bytes())
}
