package sign_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/providers/expr"
	"github.com/attache-proxy/attache/providers/sign"
)

func TestDigestPublished(t *testing.T) {
	const rfc7616 = `realm="http-auth@example.org", qop="auth, auth-int", nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`
	tests := []struct {
		name         string
		header       []string
		uri          string
		user, pass   string
		cnonce, want string
	}{
		{"RFC 2617 §3.5", []string{`Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"`},
			"/dir/index.html", "Mufasa", "Circle Of Life", "0a4f113b", "6629fae49393a05397450978507c4ef1"},
		{"RFC 2069 errata 749", []string{`Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"`},
			"/dir/index.html", "Mufasa", "CircleOfLife", "", "1949323746fe6a43ef61f9606e7febea"},
		{"RFC 7616 §3.9.1, MD5", []string{"Digest " + rfc7616 + ", algorithm=MD5"},
			"/dir/index.html", "Mufasa", "Circle of Life", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", "8ca523f5e9506fed4657c9700eebdbec"},
		{"RFC 7616 §3.9.1, SHA-256 preferred", []string{"Digest " + rfc7616 + ", algorithm=MD5", "Digest " + rfc7616 + ", algorithm=SHA-256"},
			"/dir/index.html", "Mufasa", "Circle of Life", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"},
	}
	for _, tt := range tests {
		got := sign.AnswerDigest(tt.header, 1, "GET", tt.uri, tt.user, tt.pass, tt.cnonce, nil)
		if !strings.Contains(got, `response="`+tt.want+`"`) {
			t.Errorf("%s: the answer is %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestDigestForms(t *testing.T) {
	const c = `realm="r\"x", nonce="n"`
	tests := []struct {
		header []string
		user   string
		want   []string
	}{
		{[]string{`Digest ` + c + `, algorithm=MD5-sess, qop=auth`}, "u", []string{`username="u"`, `realm="r\"x"`, `uri="/a?b=c"`, "algorithm=MD5-sess", `cnonce="cn"`, "qop=auth, nc=0000000a"}},
		{[]string{`Digest ` + c + `, qop="auth-int"`}, "u", []string{"qop=auth-int"}},
		{[]string{`Basic realm="x, nonce=y", Digest ` + c + `,algorithm=SHA-256 , Digest realm=z,nonce=m,algorithm=SHA-512-256`}, "u", []string{"algorithm=SHA-512-256", `realm="z"`}},
		{[]string{`digest ` + c}, "Jäsøn", []string{"username*=UTF-8''J%C3%A4s%C3%B8n"}},
		{[]string{`Digest ` + c + `, userhash=true, algorithm=SHA-256`}, "u", []string{"userhash=true"}},
		{[]string{`Digest ` + c + `, stale=TRUE, domain="/ /x"`}, `a"b`, []string{`username="a\"b"`}},
	}
	for _, tt := range tests {
		got := sign.AnswerDigest(tt.header, 10, "GET", "/a?b=c", tt.user, "p", "cn", []byte("body"))
		for _, w := range tt.want {
			if !strings.Contains(got, w) {
				t.Errorf("AnswerDigest(%v) = %s, want %s in it", tt.header, got, w)
			}
		}
	}
	for _, bad := range []string{"", "Digest", "Basic realm=x", `Digest realm="x"`, `Digest nonce="x", algorithm=SHA-1`, `Digest nonce="x", qop="other"`, `Digest nonce="`, `,,,`, `Digest =`, `=`} {
		if got := sign.AnswerDigest([]string{bad}, 1, "GET", "/", "u", "p", "c", nil); got != "" {
			t.Errorf("AnswerDigest(%q) = %s, want none", bad, got)
		}
	}
}

// RFC 7616 §3.9.2 with the values of erratum 4897: those in the RFC are of
// another hash than the one that it names.
func TestDigestUserhash(t *testing.T) {
	got := sign.AnswerDigest([]string{`Digest realm="api@example.org", qop="auth", algorithm=SHA-512-256, nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS", charset=UTF-8, userhash=true`},
		1, "GET", "/doe.json", "Jäsøn Doe", "Secret, or not?", "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v", nil)
	for _, w := range []string{
		`username="793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b"`,
		`response="3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"`, "userhash=true",
	} {
		if !strings.Contains(got, w) {
			t.Errorf("the answer is %s, want %s in it", got, w)
		}
	}
}

func TestDigestConversation(t *testing.T) {
	s, memory := mustSigner(t, "digest"), new(sign.Memory)
	in := func() *sign.Input {
		in := input("username", "u", "password", "canary")
		in.Body, in.Memory = expr.Bytes(""), memory
		return in
	}
	answer := func(challenge string) *http.Response {
		return &http.Response{StatusCode: 401, Header: http.Header{"Www-Authenticate": {challenge}}}
	}
	send := func() (*http.Request, *sign.Input) {
		t.Helper()
		r, in := request(t, "GET", "/x", "", "Authorization: agents"), in()
		sign.Strip(r, s.Places())
		if err := s.Sign(r, in); err != nil {
			t.Fatal(err)
		}
		return r, in
	}
	r, first := send()
	if r.Header.Get("Authorization") != "" {
		t.Fatalf("the first request is signed before a challenge: %s", r.Header.Get("Authorization"))
	}
	if !sign.Again(s, first, answer(`Digest realm="r", nonce="n1", qop="auth"`)) {
		t.Fatal("Again after a challenge = false")
	}
	r, second := send()
	if got := r.Header.Get("Authorization"); !strings.Contains(got, `nonce="n1"`) || !strings.Contains(got, "nc=00000001") || strings.Contains(got, "canary") {
		t.Errorf("Authorization = %s", got)
	}
	if sign.Again(s, second, answer(`Digest realm="r", nonce="n1", qop="auth"`)) {
		t.Errorf("Again after the same nonce was refused = true")
	}
	_, third := send()
	if !sign.Again(s, third, answer(`Digest realm="r", nonce="n2", qop="auth", stale=true`)) {
		t.Errorf("Again after a stale nonce = false")
	}
	_, _ = send()
	r, last := send()
	if got := r.Header.Get("Authorization"); !strings.Contains(got, `nonce="n2"`) || !strings.Contains(got, "nc=00000002") {
		t.Errorf("Authorization = %s, want the second use of n2", got)
	}
	for _, res := range []*http.Response{answer("Basic"), {StatusCode: 403, Header: http.Header{"Www-Authenticate": {`Digest nonce="x"`}}}} {
		if sign.Again(s, last, res) {
			t.Errorf("Again(%d, %v) = true", res.StatusCode, res.Header)
		}
	}
	// Another host has not been asked.
	other := awsRequest(t, "GET", "https://other.example/x", "")
	if err := s.Sign(other, in()); err != nil || other.Header.Get("Authorization") != "" {
		t.Errorf("Sign for another host = %v, %s", err, other.Header.Get("Authorization"))
	}
	// Nor has another account.
	apart := in()
	apart.Memory = new(sign.Memory)
	if r := request(t, "GET", "/x", ""); s.Sign(r, apart) != nil || r.Header.Get("Authorization") != "" {
		t.Errorf("Sign for another account with a challenge that was not its own: %s", r.Header.Get("Authorization"))
	}
}
