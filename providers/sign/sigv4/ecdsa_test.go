package sigv4_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/attache-proxy/attache/providers/sign/sigv4"
)

// exampleV4A is the suite's get-vanilla with 4A.
func exampleV4A() sigv4.Options {
	return sigv4.Options{
		Keys:      sigv4.Keys{ID: "AKIDEXAMPLE", Secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"},
		Scope:     sigv4.Scope{Scheme: sigv4.Schemes["aws"], Service: "service", Time: time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)},
		RegionSet: "us-east-1", Hash: sigv4.EmptyHash,
	}
}

func publicKey(t *testing.T, k sigv4.Keys) *ecdsa.PublicKey {
	t.Helper()
	x, y, err := sigv4.PublicKey(k)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, x, y))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func verify(t *testing.T, key *ecdsa.PublicKey, text, signature string) bool {
	t.Helper()
	sig, err := hex.DecodeString(strings.TrimRight(signature, "*"))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(text))
	return ecdsa.VerifyASN1(key, sum[:], sig)
}

// The point that the AWS SDK for Go publishes in its own test
// (internal/v4a, TestDeriveECDSAKeyPairFromSecret).
func TestV4AKeyPublished(t *testing.T) {
	x, y, err := sigv4.PublicKey(sigv4.Keys{ID: "AKISORANDOMAASORANDOM", Secret: "q+jcrXGc+0zWN6uzclKVhvMmUsIfRPa4rlRandom"})
	got := hex.EncodeToString(x) + " " + hex.EncodeToString(y)
	if want := "15d242ceebf8d8169fd6a8b5a746c41140414c3b07579038da06af89190fffcb 0515242cedd82e94799482e4c0514b505afccf2c0c98d6a553bf539f424c5ec0"; got != want || err != nil {
		t.Errorf("PublicKey = %s, %v, want %s", got, err, want)
	}
}

// Published signatures of 4A are random, so these are verified with the key
// that we derive: that proves key, canonical request and string to sign.
// awslabs/aws-c-auth, tests/aws-signing-test-suite/v4a/get-vanilla.
func TestV4AHeaderPublished(t *testing.T) {
	key := publicKey(t, exampleV4A().Keys)
	canonical := "GET\n/\n\nhost:example.amazonaws.com\nx-amz-date:20150830T123600Z\nx-amz-region-set:us-east-1\n\nhost;x-amz-date;x-amz-region-set\n" + sigv4.EmptyHash
	text := "AWS4-ECDSA-P256-SHA256\n20150830T123600Z\n20150830/service/aws4_request\n" + sigv4.HashHex([]byte(canonical))
	const published = "3045022100f67838852907a47b748d74b770d198695c33698de046d954b53568d2b6a3d97402203097ec9d547e9436ca1747a530b4615479b69762553b23321ab3ce07ee8278e9"
	if !verify(t, key, text, published) {
		t.Errorf("the published signature does not verify")
	}
	r := request(t, "GET", "https://example.amazonaws.com/", "")
	if err := sigv4.Header(r, exampleV4A()); err != nil {
		t.Fatal(err)
	}
	if want := "AWS4-ECDSA-P256-SHA256 Credential=AKIDEXAMPLE/20150830/service/aws4_request, SignedHeaders=host;x-amz-date;x-amz-region-set, Signature="; !strings.HasPrefix(r.Header.Get("Authorization"), want) {
		t.Errorf("Authorization = %s, want %s…", r.Header.Get("Authorization"), want)
	}
	if !verify(t, key, text, signature(r)) {
		t.Errorf("our signature does not verify over the published string")
	}
}

func TestV4APresignPublished(t *testing.T) {
	key := publicKey(t, exampleV4A().Keys)
	query := "X-Amz-Algorithm=AWS4-ECDSA-P256-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fservice%2Faws4_request&X-Amz-Date=20150830T123600Z&X-Amz-Expires=3600&X-Amz-Region-Set=us-east-1&X-Amz-SignedHeaders=host"
	text := "AWS4-ECDSA-P256-SHA256\n20150830T123600Z\n20150830/service/aws4_request\n" +
		sigv4.HashHex([]byte("GET\n/\n"+query+"\nhost:example.amazonaws.com\n\nhost\n"+sigv4.EmptyHash))
	const published = "3046022100c57d8a142ae302eb396afb515da12ec3020a836331dfdbf6c8e4f14c0661c0a1022100e1da9728157dad97d80217afb04aa9b99f61dcdef57a056a7f198fb1b728f7c3"
	if !verify(t, key, text, published) {
		t.Errorf("the published signature does not verify")
	}
	r := request(t, "GET", "https://example.amazonaws.com/", "")
	if err := sigv4.Presign(r, exampleV4A(), 3600); err != nil {
		t.Fatal(err)
	}
	got, sig, _ := strings.Cut(r.URL.RawQuery, "&X-Amz-Signature=")
	if !verify(t, key, text, sig) {
		t.Errorf("our query %s does not verify", got)
	}
}

// No chunked body of 4A is published; this one is checked against the rules.
func TestV4AStream(t *testing.T) {
	pad := strings.Repeat("*", 144)
	body := "3;chunk-signature=" + pad + "\r\nabc\r\n0;chunk-signature=" + pad + "\r\nx-amz-checksum-crc32:AAAAAA==\r\nx-amz-trailer-signature:" + pad + "\r\n\r\n"
	r := request(t, "PUT", "https://m.mrap.accesspoint.s3-global.amazonaws.com/k", body)
	o := exampleV4A()
	o.RegionSet, o.Hash, o.PathOnce, o.PathAsIs = "*", sigv4.StreamingECDSATrail, true, true
	if err := sigv4.Stream(r, o); err != nil {
		t.Fatal(err)
	}
	previous := signature(r)
	got, err := io.ReadAll(r.Body)
	if err != nil || len(got) != len(body) {
		t.Fatalf("the body is %d bytes, %v, want %d", len(got), err, len(body))
	}
	key, scope := publicKey(t, o.Keys), "20150830T123600Z\n20150830/service/aws4_request\n"
	for i, text := range []string{
		"AWS4-ECDSA-P256-SHA256-PAYLOAD\n" + scope + "%s\n" + sigv4.EmptyHash + "\n" + sigv4.HashHex([]byte("abc")),
		"AWS4-ECDSA-P256-SHA256-PAYLOAD\n" + scope + "%s\n" + sigv4.EmptyHash + "\n" + sigv4.EmptyHash,
		"AWS4-ECDSA-P256-SHA256-TRAILER\n" + scope + "%s\n" + sigv4.HashHex([]byte("x-amz-checksum-crc32:AAAAAA==\n")),
	} {
		_, rest, _ := strings.Cut(string(got), "signature"+string("=:"[i/2]))
		sig := rest[:144]
		if !verify(t, key, strings.Replace(text, "%s", previous, 1), sig) {
			t.Errorf("signature %d does not verify", i)
		}
		previous, got = strings.TrimRight(sig, "*"), []byte(rest[144:])
	}
}

// The suite's get-header-value-multiline, whose lines are one value: what we sign for
// it, in headers and in the query, verifies with the key.
func TestV4AMultiline(t *testing.T) {
	key := publicKey(t, exampleV4A().Keys)
	text := func(query, headers, names string) string {
		return "AWS4-ECDSA-P256-SHA256\n20150830T123600Z\n20150830/service/aws4_request\n" +
			sigv4.HashHex([]byte("GET\n/\n"+query+"\nhost:example.amazonaws.com\nmy-header1:value1 value2 value3\n"+headers+"\n"+names+"\n"+sigv4.EmptyHash))
	}
	r := request(t, "GET", "https://example.amazonaws.com/", "", "My-Header1: value1   value2      value3")
	if err := sigv4.Header(r, exampleV4A()); err != nil {
		t.Fatal(err)
	}
	if !verify(t, key, text("", "x-amz-date:20150830T123600Z\nx-amz-region-set:us-east-1\n", "host;my-header1;x-amz-date;x-amz-region-set"), signature(r)) {
		t.Errorf("the header %s does not verify", r.Header.Get("Authorization"))
	}
	r = request(t, "GET", "https://example.amazonaws.com/", "", "My-Header1: value1   value2      value3")
	o := exampleV4A()
	o.SignedHeaders = []string{"my-header1"}
	if err := sigv4.Presign(r, o, 3600); err != nil {
		t.Fatal(err)
	}
	query, sig, _ := strings.Cut(r.URL.RawQuery, "&X-Amz-Signature=")
	if want := "X-Amz-Algorithm=AWS4-ECDSA-P256-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fservice%2Faws4_request&X-Amz-Date=20150830T123600Z&X-Amz-Expires=3600&X-Amz-Region-Set=us-east-1&X-Amz-SignedHeaders=host%3Bmy-header1"; query != want {
		t.Errorf("the query is %s, want %s", query, want)
	}
	if !verify(t, key, text(query, "", "host;my-header1"), sig) {
		t.Errorf("the query %s does not verify", query)
	}
}
