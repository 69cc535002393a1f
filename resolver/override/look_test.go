package override

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/resolver/limit"
)

func check(header http.Header, body string) error {
	l, err := For(header, true)
	if err != nil || l == nil {
		return err
	}
	return l.Check(strings.NewReader(body), int64(len(body)), new(limit.Agents).Of("a", limit.Default))
}

func typed(t string) http.Header { return http.Header{"Content-Type": {t}} }

func TestEveryNameHasAnAnchor(t *testing.T) {
	for _, name := range providers.MethodParameters() {
		if !holdsAnchor([]byte(name)) {
			t.Errorf("%s holds none of %s, so it would not be found", name, anchors)
		}
	}
}

// A body passes only where it was read exactly, or where nothing is suspect.
func TestBodies(t *testing.T) {
	const form, jsonType, text, octets = "application/x-www-form-urlencoded", "application/json", "text/plain", "application/octet-stream"
	wide := func(order func(uint16) [2]byte) string {
		var b bytes.Buffer
		for _, u := range utf16.Encode([]rune(`{"_method":"DELETE"}`)) {
			two := order(u)
			b.Write(two[:])
		}
		return b.String()
	}
	little := wide(func(u uint16) [2]byte { return [2]byte{byte(u), byte(u >> 8)} })
	big := wide(func(u uint16) [2]byte { return [2]byte{byte(u >> 8), byte(u)} })
	for _, c := range []struct {
		contentType, body string
		passes            bool
	}{
		// Everyday clients.
		{form, `{"query":"query { viewer { login } }"}`, true}, {form, ` [{"query":"{ _method(a: 1) }"}]`, true}, {form, "{ viewer { login } }", true}, {form, "q=1&fields[]=a&b.c=2", true}, {form, "", true},
		{jsonType, `{"query":"{ _method }","n":1.5e3,"a":[null,true]}`, true}, {jsonType, "\ufeff{}", true}, {jsonType, "", true}, {"application/x-ndjson", "{}\n{\"q\":1}\n", true}, {"application/json-seq", "\x1e{}\n\x1e{}\n", true},
		{"application/json; charset=UTF-8", "{}", true}, {"application/json;", "{}", true}, {"application/json; odata=verbose; charset=utf-8", "{}", true}, {"application/vnd.api+json", `{"data":[]}`, true}, {"application/x-amz-json-1.0", `{"TableName":"t"}`, true},
		{"application/graphql", "{ _method }", true}, {text, "fields name; where id = 3;", true}, {text, "what about the method?", true}, {"application/sql", "select a from b where c = 'd'", true}, {"text/xml", "<q><name>x</name></q>", true},
		{"application/x-git-upload-pack-request", "0032want 0123\n_method=", true}, {"application/grpc", "\x00\x00\x00\x00\x07_method=", true}, {"image/png", "\x89PNG _method=", true}, {octets, "\x00\x01\x02 plain bytes", true}, {"", `{"q":1}`, true}, {"", "q=1", true},
		// JSON.
		{jsonType, `{'_method':'DELETE'}`, false}, {jsonType, `{_method:"DELETE"}`, false}, {jsonType, `/**/{"_method":"DELETE"}`, false}, {jsonType, "{\"q\":1,//\n\"_method\":1}", false}, {jsonType, `{"q":1,}`, false}, {jsonType, "{\"_me\xffthod\":1}", false},
		{jsonType, `{"_method\u0000aaa":1}`, false}, {jsonType, `{"a":[{"\u005F\u006Dethod":1}]}`, false}, {jsonType, `{"_me\ud800thod":1}`, false}, {jsonType, `{"%5fmethod":1}`, false}, {jsonType, `{"q":"\\","_method":1}`, false}, {jsonType, strings.Repeat("[", 20000), false},
		{"application/json; charset=utf-16", "{}", false}, {"application/json; charset=utf-7", "{}", false}, {jsonType, little, false}, {jsonType, big, false}, {"application/json, text/plain", "{}", false}, {"application/json charset=utf-8", "{}", false}, {"application/jsonrequest", `{"_method":"PUT"}`, false}, {"application/json5", `{a:1}`, false},
		{"application/json; a=urlencoded", "{}", false}, {"application/connect+json", "\x00\x00\x00\x00\x10{\"_method\":\"PUT\"}", false},
		// Forms.
		{form, strings.Repeat("+", 130) + "_method=x", false}, {form, "_method%00" + strings.Repeat("a", 200) + "=x", false}, {form, "%255fmethod=x", false}, {form, "%u005fmethod=x", false}, {form, "_method%zz=x&_method=x", false}, {form, "%20%09_method=x", false}, {form, "_method%5B%5D=x", false}, {form, "\ufeff_method=x", false},
		{form, `{"_method":"DELETE"}`, false}, {form, `{'_method':'DELETE'}`, false}, {form, `/* */{"_method":"DELETE"}`, false}, {form, "\ufeff" + `[{"_method":1}]`, false}, {form + "; charset=utf-16", "a=b", false}, {form + ", text/plain", "a=b", false},
		{form, "_method[0]=x", false}, {form, "_method%5B%5D%5B7%5D=x", false}, {form, "%EF%BC%BFmethod=x", false}, {form, "_charset_=utf-7&+AF8-method=x", false}, {form, "_charset_=UTF-8&q=1", true}, {form, "q[0]=1&q[method]=2", true},
		{"application/http", "GET /a HTTP/1.1\r\n\r\n", false}, {"message/http", "GET /a HTTP/1.1\r\n\r\n", false},
		// What is not read as fields.
		{"", `{"_method":"x"}`, false}, {"", "<_method>PUT</_method>", false}, {text, "_method=DELETE", false}, {text, `{"_method":"DELETE"}`, false}, {octets, `{"_method":"DELETE"}`, false}, {octets, "_method=DELETE", false}, {octets, little, false}, {text, big, false}, {text, `{"\u005fmethod" :1}`, false}, {text, "a=1&%5fmethod=PUT", false},
		{"application/xml", "<r><_method>PUT</_method></r>", false}, {"application/xml", `<param name="_method">PUT</param>`, false}, {"text/xml", "<r>&#95;method&#61;</r>", false}, {"application/yaml", "? _method\n: PUT", false}, {"application/yaml", `"\x5fmethod": PUT`, false},
		{"application/cbor", "\xa1\x67_method\x63PUT", false}, {"application/msgpack", "\x81\xa7_method\xa3PUT", false}, {"application/bson", "\x16\x00\x00\x00\x02_method\x00\x04\x00\x00\x00PUT\x00\x00", false}, {"x-unknown/y", "X-HTTP-Method-Override: PUT", false}, {"nonsense", "q", false}, {"text/plain; charset=utf-16le", "q", false},
	} {
		if err := check(typed(c.contentType), c.body); (err == nil) != c.passes {
			t.Errorf("%s %.60q = %v, want to pass: %v", c.contentType, c.body, err, c.passes)
		}
	}
}

// Parts pass only where every reader sees the same names.
func TestParts(t *testing.T) {
	const b = "multipart/form-data; boundary=b"
	one := func(head string) string { return "--b\r\n" + head + "\r\n\r\nDELETE\r\n--b--\r\n" }
	name := func(how string) string { return one("Content-Disposition: form-data; " + how) }
	for _, c := range []struct {
		contentType, body string
		passes            bool
	}{
		{b, name(`name="q"`), true}, {b, name(`name=q`), true}, {b, name(`name="q"; filename="_method"`) + "", true}, {b, name(`name="q"; filename="a \"b\".txt"`) + "\r\n", true}, {b, name(`name="q"; filename="a"; filename*=UTF-8''%e2%82%ac`), true}, {b, one("Content-Disposition: form-data; name=\"q\"\r\nContent-Type: text/plain"), true}, {b, "", true},
		{`multipart/form-data; boundary="----WebKitFormBoundary7MA4YWxkTrZu0gW"`, strings.ReplaceAll(name(`name="q"`), "--b", "------WebKitFormBoundary7MA4YWxkTrZu0gW"), true}, {"multipart/form-data; charset=utf-8; boundary=b", name(`name="q"`), true},

		{b, name(`name="_method"`), false}, {b, name(`name=_method`), false}, {b, name(`name="%5fmethod"`), false}, {b, name(`name="_me\thod"`), false}, {b, name(`x="` + strings.Repeat("x", 600) + `"; name="_method"`), false}, {b, name(`filename="` + strings.Repeat("x", 600) + `"; name="_method"`), false},
		{b, name(`name*0="_me"; name*1="thod"`), false}, {b, name(`name*=utf-8'en'_method`), false}, {b, name(`name*=UTF-8''%5fmethod`), false}, {b, name(`name="q"; name="_method"`), false}, {b, name(`name=q;name = "_method"`), false}, {b, name(`name='_method'`), false}, {b, name(`name="=?utf-8?Q?=5Fmethod?="`), false},
		{b, one("Content-Disposition : form-data; name=\"_method\""), false}, {b, one("Content-Disposition: form-data;\r\n name=\"_method\""), false}, {b, one("Content-Disposition: form-data; name=\"q\"\r\nContent-Disposition: form-data; name=\"_method\""), false}, {b, one("X: 1\rContent-Disposition: form-data; name=\"_method\""), false}, {b, one("X: 1\nContent-Disposition: form-data; name=\"_method\""), false},
		{b, strings.ReplaceAll(name(`name="_method"`), "\r\n", "\n"), false}, {b, strings.ReplaceAll(name(`name="_method"`), "\r\n", "\r"), false}, {b, "x" + name(`name="q"`), false}, {b, "--b\r\nContent-Disposition: form-data; name=\"q\"\r\n\r\n1\n--b\r\nContent-Disposition: form-data; name=\"_method\"\r\n\r\nPUT\r\n--b--\r\n", false},
		{b, name(`name="q"`) + "--b\r\nContent-Disposition: form-data; name=\"_method\"\r\n\r\nPUT\r\n--b--\r\n", false}, {b, "--b\r\nContent-Disposition: form-data; name=\"q\"\r\n\r\nno end", false}, {b, one("Content-ID: <_method>"), false}, {b, one("Content-Type: text/plain"), false}, {b, one("Content-Disposition: form-data; name=\"q\"\r\nContent-Type: multipart/mixed; boundary=c"), false},
		{`multipart/form-data; boundary="b`, name(`name="_method"`), false}, {b + "; foo", name(`name="_method"`), false}, {"multipart/form-data", "x", false}, {b + "; boundary=c", name(`name="q"`), false}, {"multipart/form-data; boundary*0=b", name(`name="q"`), false}, {`multipart/form-data; boundary="\b"`, name(`name="q"`), false}, {b + "; charset=utf-16", name(`name="q"`), false},
	} {
		if err := check(typed(c.contentType), c.body); (err == nil) != c.passes {
			t.Errorf("%s %.120q = %v, want to pass: %v", c.contentType, c.body, err, c.passes)
		}
	}
}

// What is compressed, has several types or is too large is refused unread.
func TestHeads(t *testing.T) {
	for i, h := range []http.Header{
		{"Content-Type": {"application/json"}, "Content-Encoding": {"gzip"}}, {"Content-Type": {"application/json"}, "Content-Encoding": {"identity", "br"}}, {"Content-Encoding": {"gzip"}},
		{"Content-Type": {"text/plain", "application/json"}}, {"Content-Type": {"image/png"}, "Content_Type": {"application/json"}}, {"Content-Type": {"application/json"}, "Content_Encoding": {"gzip"}},
	} {
		if _, err := For(h, true); err == nil {
			t.Errorf("%d: %v passes", i, h)
		}
	}
	for _, h := range []http.Header{{"Content-Type": {"application/x-git-upload-pack-request"}, "Content-Encoding": {"gzip"}}, {"Content-Type": {"application/grpc+proto"}}, nil} {
		if l, err := For(h, true); err != nil || (l != nil) != (h == nil) {
			t.Errorf("%v = %v, %v", h, l, err)
		}
	}
	if got := (*Look)(nil).Most(10 << 20); got != 10<<20 {
		t.Errorf("a body that is not looked at is kept up to %d", got)
	}
	agent := new(limit.Agents).Of("a", limit.Limits{Memory: 100})
	l, _ := For(typed("application/json"), true)
	if err := l.Check(strings.NewReader("{}"+strings.Repeat(" ", 98)), 100, agent); fmt.Sprint(err) != (&limit.FullError{}).Error() || agent.Used(limit.Memory) != 0 {
		t.Errorf("looking through more than the agent's memory = %v", err)
	}
}

// FuzzForm: whatever stands around a name, a form that net/http reads the field from
// does not pass.
func FuzzForm(f *testing.F) {
	f.Add("a=1&", "&b=2")
	f.Fuzz(func(t *testing.T, before, after string) {
		body := before + "_method=DELETE" + after
		names := func() (all []string) {
			for pair := range strings.SplitSeq(body, "&") {
				name, _, _ := strings.Cut(pair, "=")
				all = append(all, name)
			}
			return all
		}()
		if slices.Contains(names, "_method") && check(typed("application/x-www-form-urlencoded"), body) == nil {
			t.Errorf("%q passes", body)
		}
	})
}
