package expr_test

import (
	"strings"
	"testing"

	"github.com/attache-proxy/attache/providers/expr"
	"github.com/attache-proxy/attache/providers/secret"
)

// TestXML: members of flat XML are read as a parser reads them, and one is set without
// touching the rest.
func TestXML(t *testing.T) {
	for _, tt := range []struct{ src, body, want string }{
		{`{xml(request.body).map(p, p[0] + "=" + p[1]).join("&")}`, "<?xml version=\"1.0\"?>\n<xml>\n <b><![CDATA[a]b]] c]]></b><a x='1'>x &amp; &#60;y&gt;</a><!-- <c>no</c> --><e/><a>2</a>\n</xml>\n", "b=a]b]] c&a=x & <y>&e=&a=2"},
		{`{xml_with(request.body, "sign", "a<b")}`, "<xml><sign>old</sign> \n<a>]]&gt;</a><sign><![CDATA[x]]></sign></xml>", "<xml><a>]]&gt;</a><sign>a&lt;b</sign></xml>"},
		{`{xml_with(request.body, "sign", "1")}`, "<xml></xml>", "<xml><sign>1</sign></xml>"},
	} {
		tpl, err := expr.Compile(tt.src)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := tpl.Eval(&expr.Vars{Body: expr.Bytes(tt.body)}); got != tt.want || err != nil {
			t.Errorf("%s of %q = %q, %v, want %q", tt.src, tt.body, got, err, tt.want)
		}
	}
	for src, body := range map[string]string{
		"no XML": "{}", "cut off": "<xml><a>1</a>", "two roots": "<a/><b/>", "nested": "<xml><a><b>1</b></a></xml>", "a DTD": "<!DOCTYPE x [<!ENTITY e 'x'>]><xml><a>&e;</a></xml>",
		"an entity that is none": "<xml><a>&nope;</a></xml>", "another encoding": "<?xml version='1.0' encoding='gbk'?><xml><a>1</a></xml>", "nothing": "",
		"many": "<xml>" + strings.Repeat("<a/>", 1<<17) + "</xml>",
	} {
		tpl, err := expr.Compile(`{size(xml(request.body))}`)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := tpl.Eval(&expr.Vars{Body: expr.Bytes(body)}); err == nil {
			t.Errorf("xml of %s = %s, want an error", src, got)
		}
	}
}

// TestJWK has the key and the thumbprint of RFC 8037 A.1 to A.3, and what DPoP (RFC
// 9449 §4.2) makes of them.
func TestJWK(t *testing.T) {
	key := secret.Values{"key": secret.New("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")} // d, in base64
	for src, want := range map[string]string{
		`{public_jwk(fields.key)}`:                `{"crv":"Ed25519","kty":"OKP","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`,
		`{base64url(jwk_thumbprint(fields.key))}`: "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
		`{jwt("EdDSA", fields.key, {"htm": "GET"}, {"typ": "dpop+jwt", "jwk": parse_json(public_jwk(fields.key))}).split(".")[0]}`: "eyJhbGciOiJFZERTQSIsImp3ayI6eyJjcnYiOiJFZDI1NTE5Iiwia3R5IjoiT0tQIiwieCI6IjExcVlBWUt4Q3JmVlNfN1R5V1FIT2c3aGN2UGFwaU1scndJYWFQY0hVUm8ifSwidHlwIjoiZHBvcCtqd3QifQ",
	} {
		tpl, err := expr.Compile(src)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := tpl.Eval(&expr.Vars{Cred: &secret.Credential{Fields: key}}); got != want || err != nil {
			t.Errorf("%s = %s, %v, want %s", src, got, err, want)
		}
	}
}

// TestRawBytesAreNoText: the message says what to write.
func TestRawBytesAreNoText(t *testing.T) {
	tpl, err := expr.Compile(`{string(sha256("abc"))}`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tpl.Eval(&expr.Vars{}); err == nil || !strings.Contains(err.Error(), "write hex(…) or base64(…)") {
		t.Errorf("Eval = %v", err)
	}
}
