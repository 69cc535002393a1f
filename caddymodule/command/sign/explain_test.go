package sign_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/caddymodule/command/sign"
)

// TestSignExplains: --explain has every step and what was signed, and no secret in any
// form.
func TestSignExplains(t *testing.T) {
	const key = "k3y-of-the-test/+with=odd&bytes"
	const odd = `
key: odd
hosts: [odd.example]
auth:
  key:
    type: credentials
    fields: {id: {}, secret: {secret: true}}
    sign:
      let:
        day: now.format("%Y%m%d")
        derived: hmac_sha256("V1" + fields.secret, day)
        turned: upper(fields.secret)
        text: request.method + "\n" + request.path + "\n" + fields.id + "\n" + fields.secret
        hidden: text + turned
        mac: hex(hmac_sha256(derived, text))
        sum: hex(md5(hidden))
      header: {X-Sig: "{mac} {sum}"}
`
	for _, tt := range []struct {
		connector, fields, request string
		want                       []string
	}{
		{"odd", `{"id": "ident-1", "secret": "` + key + `"}`, "GET /a HTTP/1.1\nHost: odd.example\n\n", []string{
			"explain: let day: 20240102\n", "let derived: 0x[a key, 64 bytes]", "hmac_sha256, with a key of 33 bytes from fields.secret: 20240102\n",
			"let turned: 31 bytes, not shown: it holds fields.secret in another form", "let text, 46 bytes:\n\tGET\n\t/a\n\tident-1\n\t[fields.secret, 31 bytes]\n",
			"let hidden: 77 bytes, not shown", "hmac_sha256, with a key of 32 bytes, 46 bytes:\n\tGET", "md5: 77 bytes, not shown", "let mac: "}},
		{"aws", `{"access_key_id": "AKIDEXAMPLE", "secret_access_key": "` + key + `", "region": "us-east-1", "service": "service"}`, "GET /a?b=1 HTTP/1.1\nHost: example.amazonaws.com\n\n", []string{
			"explain: AWS4-HMAC-SHA256, with a key of 31 bytes from fields.secret_access_key\n", "explain: canonical request, ", "\tGET\n\t/a\n\tb=1\n\thost:example.amazonaws.com\n", "explain: string to sign, ", "\tAWS4-HMAC-SHA256\n\t20240102T030405Z\n"}},
		{"duo", `{"ikey": "test_ikey", "skey": "` + key + `"}`, "POST /Foo HTTP/1.1\nHost: api-1.duosecurity.com\nContent-Type: application/json\nX-Duo-Header-1: header_value_1\n\n{}", []string{
			// the hash that duo_client_python's test of version 5 has for this header
			"\t630b4bfe7e9abd03da2eee8f0a5d4e60a254ec880a839bcc2223bb5b9443e8ef24d58f0254f1f5934bf8c017ebd0fd5b1acf86766bdbe74185e712a4092df3ed\n", `x-duo-header-1\x00header_value_1`}},
		{"http-oauth1", `{"client_id": "c", "client_secret": "` + key + `", "token": "the-token-1", "token_secret": "the-other-1"}`, "GET /a HTTP/1.1\nHost: x.example\n\n", []string{"explain: base string: GET&https%3A%2F%2F"}},
	} {
		t.Run(tt.connector, func(t *testing.T) {
			dir := t.TempDir()
			files := map[string]string{"odd.yaml": odd, "http-oauth1.yaml": "key: http-oauth1\nhosts: [x.example]\nauth: {key: {type: oauth1, authorize_url: 'https://x.example/a', token_url: 'https://x.example/t', request_token_url: 'https://x.example/r', sign: oauth1}}\n"}
			for name, text := range files {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			request := filepath.Join(t.TempDir(), "request")
			if err := os.WriteFile(request, []byte(tt.request), 0o600); err != nil {
				t.Fatal(err)
			}
			c := sign.SignCommand{Connector: tt.connector, Dir: dir, Fields: "-", Request: request, At: "2024-01-02T03:04:05Z", Nonce: "0123456789abcdef", Explain: true}
			_, notes, err := c.Run(strings.NewReader(tt.fields))
			if err != nil {
				t.Fatalf("%v\n%s", err, notes)
			}
			for _, w := range tt.want {
				if !strings.Contains(notes, w) {
					t.Errorf("--explain prints\n%s\nwant in it\n%s", notes, w)
				}
			}
			for _, secret := range []string{key, strings.ToUpper(key), "azN5LW9m", "k3y-of", "the-other-1"} {
				if strings.Contains(notes, secret) {
					t.Errorf("--explain prints %s of a secret:\n%s", secret, notes)
				}
			}
		})
	}
}

// TestSignSaysWhatIsIgnored: a time that the request has and that is not used.
func TestSignSaysWhatIsIgnored(t *testing.T) {
	dir := t.TempDir()
	yaml := "key: one\nhosts: [x.example]\nauth: {key: {type: credentials, fields: {consumer_key: {}, consumer_secret: {secret: true}, token: {optional: true}, token_secret: {optional: true, secret: true}}, sign: oauth1}}\n"
	if err := os.WriteFile(filepath.Join(dir, "one.yaml"), []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ at, header, note, out string }{
		{"", `oauth_timestamp="137131201", oauth_callback="http%3A%2F%2Fprinter.example.com%2Fready", oauth_verifier="hfdp7dh39dks9884"`, "1974-05-07T04:00:01Z", `oauth_timestamp="137131201"`},
		{"2024-01-02T03:04:05Z", `oauth_timestamp="1704164645"`, "oauth_timestamp is not used", `oauth_timestamp="1704164645"`},
		{"", `oauth_timestamp="soon"`, "oauth_timestamp is not used", "oauth_timestamp"},
	} {
		request := filepath.Join(t.TempDir(), "request")
		if err := os.WriteFile(request, []byte("GET / HTTP/1.1\nHost: x.example\nAuthorization: OAuth "+tt.header+", oauth_signature=\"x\"\n\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		c := sign.SignCommand{Connector: "one", Dir: dir, Fields: "-", Request: request, At: tt.at}
		out, notes, err := c.Run(strings.NewReader(`{"consumer_key": "k", "consumer_secret": "a-secret-1"}`))
		if err != nil || !strings.Contains(notes, tt.note) || !strings.Contains(out, tt.out) {
			t.Errorf("%s: %v, notes %s, want %q; request\n%s", tt.header, err, notes, tt.note, out)
		}
		for _, kept := range []string{`oauth_callback="http%3A%2F%2Fprinter.example.com%2Fready"`, `oauth_verifier="hfdp7dh39dks9884"`} {
			if strings.Contains(tt.header, kept) && !strings.Contains(out, kept) {
				t.Errorf("%s is lost:\n%s", kept, out)
			}
		}
	}
}
