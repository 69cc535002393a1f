package sign_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/attache-proxy/attache/providers/expr"
	"github.com/attache-proxy/attache/providers/sign"
)

// oauthSignature reads oauth_signature out of an Authorization header.
func oauthSignature(t *testing.T, r *http.Request) string {
	t.Helper()
	_, rest, _ := strings.Cut(r.Header.Get("Authorization"), `oauth_signature="`)
	sig, _, _ := strings.Cut(rest, `"`)
	plain, err := url.QueryUnescape(sig)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

func TestOAuth1Published(t *testing.T) {
	tests := []struct {
		name, sign, method, url, body string
		fields                        []string
		at                            int64
		nonce, want                   string
	}{
		{"X, Creating a signature", `oauth1`, "POST", "https://api.twitter.com/1.1/statuses/update.json?include_entities=true",
			"status=Hello%20Ladies%20%2b%20Gentlemen%2c%20a%20signed%20OAuth%20request%21",
			[]string{"consumer_key", "xvz1evFS4wEEPTGEFPHBog", "consumer_secret", "kAcSOqF21Fu85e7zjz7ZN2U4ZRhfV3WpwPAoE3Z7kBw",
				"token", "370773112-GmHxMAgYyLbNEtIKZeRNFsMKPR9EyMZeS9weJAEb", "token_secret", "LswwdoUaIvS8ltyTt5jkRh4J50vUPVVHtR2YPi5kE"},
			1318622958, "kYjzVBB8Y0ZFabxSWbWovY3uYSQ2pTgmZeNu2VS4cg", "hCtSmYh+iHYCEqBWrE7C7hYmtUk="},
		{"RFC 5849 §1.2", `{oauth1: {no_version: true, realm: Photos}}`, "GET", "http://photos.example.net/photos?file=vacation.jpg&size=original", "",
			[]string{"consumer_key", "dpf43f3p2l4k3l03", "consumer_secret", "kd94hf93k423kf44", "token", "nnch734d00sl2jdk", "token_secret", "pfkkdhi9sl3r4s00"},
			137131202, "chapoH", "MdpQcU8iPSUjWoN/UDMsK2sui9I="},
		{"OAuth Core 1.0 A.5", `oauth1`, "GET", "http://photos.example.net/photos?file=vacation.jpg&size=original", "",
			[]string{"consumer_key", "dpf43f3p2l4k3l03", "consumer_secret", "kd94hf93k423kf44", "token", "nnch734d00sl2jdk", "token_secret", "pfkkdhi9sl3r4s00"},
			1191242096, "kllo9940pd9333jh", "tR3+Ty81lMeYAr/Fid0kMTYa/WM="},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := awsRequest(t, tt.method, tt.url, tt.body)
			if tt.body != "" {
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			}
			in := input(tt.fields...)
			in.Body, in.Now, in.Nonce = expr.Bytes(tt.body), time.Unix(tt.at, 0), tt.nonce
			if err := mustSigner(t, tt.sign).Sign(r, in); err != nil {
				t.Fatal(err)
			}
			if got := oauthSignature(t, r); got != tt.want {
				t.Errorf("Authorization = %s, want the signature %s", r.Header.Get("Authorization"), tt.want)
			}
		})
	}
}

// RFC 5849 §3.4.1.1 publishes this base string.
// TestOAuth1Plain is the base string in the tests of Mastercard's clients, such as
// github.com/Mastercard/oauth1-signer-go.
func TestOAuth1Plain(t *testing.T) {
	const consumer = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	r := awsRequest(t, "POST", "https://sandbox.api.mastercard.com/fraud/merchant/v1/termination-inquiry?Format=XML&PageOffset=0&PageLength=10", "")
	got := sign.BaseString(r, nil, expr.Pair{Name: "oauth_consumer_key", Value: consumer}, expr.Pair{Name: "oauth_nonce", Value: "1111111111111111111"},
		expr.Pair{Name: "oauth_signature_method", Value: "RSA-SHA256"}, expr.Pair{Name: "oauth_timestamp", Value: "1111111111"}, expr.Pair{Name: "oauth_version", Value: "1.0"},
		expr.Pair{Name: "oauth_body_hash", Value: "h2Pd7zlzEZjZVIKB4j94UZn/xxoR3RoCjYQ9/JdadGQ="})
	want := "POST&https%3A%2F%2Fsandbox.api.mastercard.com%2Ffraud%2Fmerchant%2Fv1%2Ftermination-inquiry&Format%3DXML%26PageLength%3D10%26PageOffset%3D0%26oauth_body_hash%3Dh2Pd7zlzEZjZVIKB4j94UZn%2FxxoR3RoCjYQ9%2FJdadGQ%3D%26oauth_consumer_key%3D" +
		consumer + "%26oauth_nonce%3D1111111111111111111%26oauth_signature_method%3DRSA-SHA256%26oauth_timestamp%3D1111111111%26oauth_version%3D1.0"
	if got != want {
		t.Errorf("BaseString =\n%s\nwant\n%s", got, want)
	}
	s, in := mustSigner(t, `{oauth1: {anonymous: true, plain: true, body_hash: true}}`), input("consumer_key", "a!b", "consumer_secret", "s")
	in.Body = expr.Bytes("{}")
	if err := s.Sign(r, in); err != nil || !strings.Contains(r.Header.Get("Authorization"), `oauth_consumer_key="a!b"`) || !strings.Contains(r.Header.Get("Authorization"), `oauth_body_hash="vyGp6PvFo4RvsFtPoIWeCReyIC8="`) {
		t.Errorf("Sign = %v, Authorization: %s", err, r.Header.Get("Authorization"))
	}
	in = input("consumer_key", "a\", realm=\"b", "consumer_secret", "s")
	if err := s.Sign(r, in); err == nil {
		t.Error("a quote in the consumer key is written as it stands")
	}
}

func TestOAuth1BaseString(t *testing.T) {
	r := awsRequest(t, "post", "http://EXAMPLE.com:80/request?b5=%3D%253D&a3=a&c%40=&a2=r%20b", "")
	params := expr.ParsePairs("c2&a3=2+q&oauth_consumer_key=9djdj82h48djs9d2&oauth_token=kkk9d7dh3k39sjv7&oauth_signature_method=HMAC-SHA1&oauth_timestamp=137131201&oauth_nonce=7d8f3e4a")
	want := "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D%253D%25253D%26c%2540%3D%26c2%3D%26" +
		"oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a%26oauth_signature_method%3DHMAC-SHA1%26oauth_timestamp%3D137131201%26oauth_token%3Dkkk9d7dh3k39sjv7"
	if got := sign.BaseString(r, params); got != want {
		t.Errorf("BaseString =\n%s\nwant\n%s", got, want)
	}
}

func TestOAuth1Places(t *testing.T) {
	form := "Content-Type: application/x-www-form-urlencoded"
	const own = "oauth_consumer_key=ck&oauth_token=tk&oauth_signature_method=PLAINTEXT&oauth_timestamp=1000&oauth_nonce=n&oauth_version=1.0&oauth_signature=c%2520s%26t%2526s"
	tests := []struct {
		name, sign, method, target, body string
		headers                          []string
		want                             string
	}{
		{"header", `{oauth1: {method: PLAINTEXT, realm: "ACCT_1"}}`, "GET", "/?a=1&oauth_token=x", "", []string{"Authorization: OAuth oauth_token=\"x\""},
			"GET /?a=1\n" + `Authorization: OAuth realm="ACCT_1", oauth_consumer_key="ck", oauth_token="tk", oauth_signature_method="PLAINTEXT", oauth_timestamp="1000", oauth_nonce="n", oauth_version="1.0", oauth_signature="c%2520s%26t%2526s"` + "\n"},
		{"query", `{oauth1: {method: PLAINTEXT, place: query}}`, "GET", "/?a=%41&oauth%5Fsignature=x", "", nil, "GET /?a=%41&" + own + "\n"},
		{"form", `{oauth1: {method: PLAINTEXT, place: form}}`, "POST", "/", "a=%41&oauth_nonce=x", []string{form},
			"POST /\nContent-Length: 162\n" + form + "\na=%41&" + own},
		{"form without a body", `{oauth1: {method: PLAINTEXT, place: form}}`, "POST", "/", "", nil, "POST /\nContent-Length: 156\n" + form + "\n" + own},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := request(t, tt.method, tt.target, tt.body, tt.headers...)
			in := input("consumer_key", "ck", "consumer_secret", "c s", "token", "tk", "token_secret", "t&s")
			in.Body, in.Now, in.Nonce = expr.Bytes(tt.body), time.Unix(1000, 0), "n"
			if err := mustSigner(t, tt.sign).Sign(r, in); err != nil {
				t.Fatal(err)
			}
			if got := dump(t, r); got != tt.want {
				t.Errorf("Sign sends\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

func TestOAuth1RSAAndBodyHash(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	r := request(t, "PUT", "/x", "Hello World!", "Content-Type: text/plain")
	in := input("consumer_key", "ck", "private_key", string(text))
	in.Body, in.Now, in.Nonce = expr.Bytes("Hello World!"), time.Unix(1000, 0), "n"
	if err := mustSigner(t, `{oauth1: {method: RSA-SHA1, anonymous: true, body_hash: true}}`).Sign(r, in); err != nil {
		t.Fatal(err)
	}
	// The value is published in the OAuth Request Body Hash extension, §3.1.
	if want := `oauth_body_hash="Lve95gjOVATpfV8EL5X4nxwjKHE%3D"`; !strings.Contains(r.Header.Get("Authorization"), want) {
		t.Errorf("Authorization = %s, want %s", r.Header.Get("Authorization"), want)
	}
	base := sign.BaseString(r, expr.ParsePairs("oauth_consumer_key=ck&oauth_signature_method=RSA-SHA1&oauth_timestamp=1000&oauth_nonce=n&oauth_version=1.0&oauth_body_hash=Lve95gjOVATpfV8EL5X4nxwjKHE%3D"))
	sum := sha1.Sum([]byte(base))
	sig, _ := base64.StdEncoding.DecodeString(oauthSignature(t, r))
	if err := rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA1, sum[:], sig); err != nil {
		t.Errorf("the signature does not verify: %v", err)
	}
}

func TestOAuth1Body(t *testing.T) {
	for _, tt := range []struct {
		sign, contentType string
		want              bool
	}{
		{"oauth1", "application/x-www-form-urlencoded; charset=utf-8", true},
		{"oauth1", "application/json", false},
		{"{oauth1: {body_hash: true}}", "application/json", true},
		{"{oauth1: {method: PLAINTEXT}}", "application/x-www-form-urlencoded", false},
	} {
		if got := sign.NeedsBody(mustSigner(t, tt.sign), request(t, "POST", "/", "x", "Content-Type: "+tt.contentType)); got != tt.want {
			t.Errorf("NeedsBody(%s, %s) = %t", tt.sign, tt.contentType, got)
		}
	}
	in := input("consumer_key", "a", "consumer_secret", "b", "token", "c", "token_secret", "d")
	if err := mustSigner(t, "oauth1").Sign(request(t, "POST", "/", "a=b", "Content-Type: application/x-www-form-urlencoded"), in); err == nil {
		t.Errorf("Sign of a form that was not buffered succeeds")
	}
}

func TestOAuth1New(t *testing.T) {
	env := sign.Env{Fields: []string{"x"}}
	for src, want := range map[string]string{
		`{oauth1: {method: HMAC-MD5}}`:          "want one of HMAC-SHA1",
		`{oauth1: {place: body}}`:               "want header, query or form",
		`{oauth1: {tokn: x}}`:                   `unknown key "tokn"`,
		`{oauth1: {consumer_key: "{fields.x"}}`: "want } to close",
	} {
		if _, err := compile(src, env); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New(%s) = %v, want %s", src, err, want)
		}
	}
	// After a sign-in the keys are the app's, and the token's secret is captured.
	s, err := compile("oauth1", env)
	if err != nil {
		t.Fatal(err)
	}
	in := input("token_secret", "ts")
	in.App = input("client_id", "cid", "client_secret", "cs").Cred.Fields
	r := request(t, "GET", "/", "")
	if err := s.Sign(r, in); err != nil || !strings.Contains(r.Header.Get("Authorization"), `oauth_consumer_key="cid", oauth_token="tok"`) {
		t.Errorf("Sign after a sign-in = %v, %s", err, r.Header.Get("Authorization"))
	}
}
