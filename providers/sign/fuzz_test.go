package sign_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"testing"

	"github.com/attache-proxy/attache/providers/expr"
	"github.com/attache-proxy/attache/providers/sign"
)

// A JSON body that is edited stays JSON, holds our value, and holds the rest as
// it was.
func FuzzJSONMember(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":1}`, `{"k":1,"k":2}`, ` { "\u006b" : [{"k":3}] , "z" : 1e400 } `, `{"o":{"k":{}}}`, `[]`, `"k"`, `{"k":"\\\""}`} {
		f.Add([]byte(s))
	}
	s := mustSigner(f, `{json: {k: "{token}"}}`)
	f.Fuzz(func(t *testing.T, body []byte) {
		r, in := request(t, "POST", "/", "", "Content-Type: application/json"), input()
		in.Body = expr.Bytes(body)
		if err := s.Sign(r, in); err != nil {
			return
		}
		out, _ := in.Body.Bytes()
		var before, after map[string]json.RawMessage
		if err := json.Unmarshal(out, &after); err != nil {
			t.Fatalf("%q became %q: %v", body, out, err)
		}
		if string(after["k"]) != `"tok"` {
			t.Errorf("%q became %q, without the member", body, out)
		}
		_ = json.Unmarshal(body, &before)
		delete(before, "k")
		delete(after, "k")
		for name, v := range before {
			if !bytes.Equal(v, after[name]) {
				t.Errorf("%q became %q: %q changed", body, out, name)
			}
		}
		if len(before) != len(after) {
			t.Errorf("%q became %q: members came or went", body, out)
		}
	})
}

func FuzzDigestChallenge(f *testing.F) {
	for _, s := range []string{`Digest realm="r", nonce="n", qop="auth"`, `Basic realm=x, Digest nonce=n,algorithm=SHA-256`, `Digest nonce="\"`, `,,=Digest`, `digest nonce = "n" , stale = true`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		got := sign.AnswerDigest([]string{header}, 1, "GET", "/", "u", "canary", "c", nil)
		if bytes.Contains([]byte(got), []byte("canary")) {
			t.Errorf("the answer to %q holds the password: %s", header, got)
		}
	})
}

// Any URL is signed, in its headers and its query, or refused.
func FuzzSigV4URL(f *testing.F) {
	for _, s := range []string{"/", "/a%2Fb//../c?x=1&y", "/%zz", "/?X-Amz-Algorithm=a&X-Amz-Credential=b&X-Amz-Expires=1", "/ሴ?ሴ=ሴ", "/?a=%", "//"} {
		f.Add("s3.us-east-1.amazonaws.com", s)
	}
	f.Add("x.vpce.amazonaws.com:443", "/")
	f.Add("[::1]:80", "/")
	s := mustSigner(f, "sigv4")
	f.Fuzz(func(t *testing.T, host, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || u.IsAbs() {
			return
		}
		u.Scheme, u.Host = "https", host
		r := &http.Request{Method: "GET", URL: u, Host: host, Header: http.Header{}}
		if err := s.Sign(r, aws("region", "us-east-1", "service", "s3")); err == nil && r.Header.Get("Authorization") == "" && r.URL.RawQuery == "" {
			t.Errorf("%s%s is not signed", host, target)
		}
	})
}
