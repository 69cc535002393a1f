package sigv4_test

import (
	"context"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/attache-proxy/attache/providers/sign/sigv4"
)

// Requests of all kinds of bytes are signed as the AWS SDK for Go signs them.
// Its path is not normalised, so paths here have no dot segments.
func TestAgainstSDK(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	text := func(alphabet string, n int) string {
		var b strings.Builder
		for range rnd.IntN(n + 1) {
			b.WriteByte(alphabet[rnd.IntN(len(alphabet))])
		}
		return b.String()
	}
	const odd = "aZ0-._~ +%&=;:@/?#[]!$'()*,\"<>\\^`{|}\x7f\xc3\xa9\x00"
	at := time.Date(2024, 2, 5, 6, 7, 8, 0, time.UTC)
	for i := range 2000 {
		service := []string{"s3", "dynamodb"}[i%2]
		u := &url.URL{Scheme: "https", Host: "host.us-east-1.amazonaws.com", Path: "/" + strings.NewReplacer("/", "x", ".", "y").Replace(text(odd, 12))}
		// SDKs encode all but unreserved characters; only then is the SDK's signer
		// right for S3, since it takes the path as it stands.
		u.RawPath = sigv4.CanonicalPath(u.EscapedPath(), true, true)
		q := url.Values{}
		for range rnd.IntN(4) {
			q.Add(text(odd, 5)+"n", text(odd, 8))
		}
		u.RawQuery = q.Encode()
		if i%3 == 0 {
			u.Host += ":443"
		}
		ours, theirs := &http.Request{Method: "PUT", URL: u, Header: http.Header{}}, &http.Request{}
		ours.Header.Set("Content-Type", "text/plain; "+strings.TrimSpace(text("a  b", 9)))
		ours.Header.Set("X-Amz-Meta-Note", "a"+text("a  b", 9))
		ours.Header.Set("X-Amz-Content-Sha256", sigv4.Unsigned)
		if i%5 == 0 {
			ours.ContentLength = 17
		}
		*theirs = *ours
		copied := *u
		theirs.URL, theirs.Header = &copied, ours.Header.Clone()

		keys := sigv4.Keys{ID: "AKID", Secret: "SECRET", Session: text("abc+/=", 20)}
		o := sigv4.Options{Keys: keys, Hash: sigv4.Unsigned, PathOnce: service == "s3", PathAsIs: service == "s3", SignLength: true,
			Scope: sigv4.Scope{Scheme: sigv4.Schemes["aws"], Region: "us-east-1", Service: service, Time: at}}
		if err := sigv4.Header(ours, o); err != nil {
			t.Fatal(err)
		}
		sdk := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = service == "s3" })
		err := sdk.SignHTTP(context.Background(), aws.Credentials{AccessKeyID: keys.ID, SecretAccessKey: keys.Secret, SessionToken: keys.Session}, theirs, sigv4.Unsigned, service, "us-east-1", at)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := ours.Header.Get("Authorization"), theirs.Header.Get("Authorization"); got != want {
			t.Fatalf("%s %s\nAuthorization = %s\nthe SDK's    = %s", service, u, got, want)
		}
	}
}
