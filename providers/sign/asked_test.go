package sign_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/providers/expr"
)

// canonicalOf signs and tells the canonical request.
func canonicalOf(t *testing.T, spec, url, body string) []string {
	t.Helper()
	r, in := awsRequest(t, "PUT", url, body), aws()
	if body != "" {
		in.Body = expr.Bytes(body)
	}
	canonical := ""
	in.Explain = func(st expr.Step) {
		if st.What == "canonical request" {
			canonical = st.Text
		}
	}
	if err := mustSigner(t, spec).Sign(r, in); err != nil {
		t.Fatal(err)
	}
	return strings.Split(canonical, "\n")
}

// TestSigV4OptionsAreOneEach: how often the path is encoded, whether it is normalised and
// whether the body is signed are apart, each by the service where nothing is said.
func TestSigV4OptionsAreOneEach(t *testing.T) {
	const dynamo, s3 = "https://dynamodb.us-east-1.amazonaws.com/a//b/c%20d", "https://s3.us-east-1.amazonaws.com/a//b/c%20d"
	sum := sha256.Sum256([]byte("body"))
	hash := hex.EncodeToString(sum[:])
	for _, tt := range []struct{ spec, url, path, hash string }{
		{"sigv4", dynamo, "/a/b/c%2520d", hash},
		{"{sigv4: {path: once}}", dynamo, "/a/b/c%20d", hash},
		{"{sigv4: {path: twice}}", dynamo, "/a/b/c%2520d", hash},
		{"{sigv4: {normalize: false}}", dynamo, "/a//b/c%2520d", hash},
		{"{sigv4: {path: once, normalize: false}}", dynamo, "/a//b/c%20d", hash},
		{"{sigv4: {payload: unsigned}}", dynamo, "/a/b/c%2520d", "UNSIGNED-PAYLOAD"},
		{"sigv4", s3, "/a//b/c%20d", hash}, // buffered here
		{"{sigv4: {path: twice}}", s3, "/a//b/c%2520d", hash},
		{"{sigv4: {normalize: true}}", s3, "/a/b/c%20d", hash},
		{"{sigv4: {payload: unsigned}}", s3, "/a//b/c%20d", "UNSIGNED-PAYLOAD"},
		{"{sigv4: {payload: hashed}}", s3, "/a//b/c%20d", hash},
	} {
		got := canonicalOf(t, tt.spec, tt.url, "body")
		if got[1] != tt.path || got[len(got)-1] != tt.hash {
			t.Errorf("%s at %s signs the path %s and the hash %s, want %s, %s", tt.spec, tt.url, got[1], got[len(got)-1], tt.path, tt.hash)
		}
	}
}

// TestIoTGateway: MQTT over WebSocket is signed in the query whatever the agent may
// have, for the gateway's own service, and the session token follows the signature.
func TestIoTGateway(t *testing.T) {
	for _, sent := range []string{"", "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=D%2F20130524%2Fus-east-1%2Fiotdevicegateway%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-SignedHeaders=host&X-Amz-Signature=00&X-Amz-Security-Token=dummy"} {
		r, in := awsRequest(t, "GET", "https://abc-ats.iot.us-east-1.amazonaws.com/mqtt"+sent, ""), aws("session_token", "the+token/=")
		in.HeaderOnly = true
		if err := mustSigner(t, "sigv4").Sign(r, in); err != nil {
			t.Fatal(err)
		}
		query := "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fiotdevicegateway%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-SignedHeaders=host"
		sum := func(s string) string { b := sha256.Sum256([]byte(s)); return hex.EncodeToString(b[:]) }
		key := []byte("AWS4wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
		for _, part := range []string{"20130524", "us-east-1", "iotdevicegateway", "aws4_request",
			"AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/iotdevicegateway/aws4_request\n" + sum("GET\n/mqtt\n"+query+"\nhost:abc-ats.iot.us-east-1.amazonaws.com\n\nhost\n"+sum(""))} {
			m := hmac.New(sha256.New, key)
			m.Write([]byte(part))
			key = m.Sum(nil)
		}
		if want := query + "&X-Amz-Signature=" + hex.EncodeToString(key) + "&X-Amz-Security-Token=the%2Btoken%2F%3D"; r.URL.RawQuery != want || r.Header.Get("Authorization") != "" {
			t.Errorf("the query is %s\nwant %s", r.URL.RawQuery, want)
		}
	}
	// Whatever else is below that host is signed as before.
	r, in := awsRequest(t, "POST", "https://abc-ats.iot.us-east-1.amazonaws.com/topics/a", ""), aws()
	if err := mustSigner(t, "sigv4").Sign(r, in); err != nil || !strings.Contains(r.Header.Get("Authorization"), "/us-east-1/iotdata/") {
		t.Errorf("publishing by HTTPS: %v, %s", err, r.Header.Get("Authorization"))
	}
}

// TestOAuth1Asks: RSA-SHA512, with the agent's own callback and verifier in what is
// signed.
func TestOAuth1Asks(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
	in := input("consumer_key", "ck", "private_key", text, "token", "", "token_secret", "")
	r := awsRequest(t, "POST", "https://x.example/request_token", "")
	in.Agent = r.Header.Clone()
	in.Agent.Set("Authorization", `OAuth oauth_consumer_key="dummy", oauth_callback="https%3A%2F%2Fa.example%2Fback%3Fx%3D1", oauth_verifier="v+%2B", oauth_signature="x"`)
	base := ""
	in.Explain = func(st expr.Step) {
		if st.What == "base string" {
			base = st.Text
		}
	}
	if err := mustSigner(t, `{oauth1: {method: RSA-SHA512, anonymous: true}}`).Sign(r, in); err != nil {
		t.Fatal(err)
	}
	signature, _ := base64.StdEncoding.DecodeString(oauthSignature(t, r))
	sum := sha512.Sum512([]byte(base))
	if err := rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA512, sum[:], signature); err != nil {
		t.Errorf("the signature does not verify over %s: %v", base, err)
	}
	for _, want := range []string{`oauth_callback="https%3A%2F%2Fa.example%2Fback%3Fx%3D1"`, `oauth_verifier="v%2B%2B"`, `oauth_signature_method="RSA-SHA512"`, `oauth_consumer_key="ck"`} {
		if !strings.Contains(r.Header.Get("Authorization"), want) {
			t.Errorf("Authorization is %s, want %s in it", r.Header.Get("Authorization"), want)
		}
	}
	if !strings.Contains(base, "oauth_callback%3Dhttps%253A%252F%252Fa.example%252Fback%253Fx%253D1") {
		t.Errorf("the callback is not signed: %s", base)
	}
}
