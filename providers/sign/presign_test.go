package sign_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/attache-proxy/attache/providers/sign"
)

func TestPresign(t *testing.T) {
	r := awsRequest(t, "GET", "https://examplebucket.s3.amazonaws.com/test.txt", "")
	if err := sign.Presign(mustSigner(t, "sigv4"), r, aws(), 24*time.Hour); err != nil {
		t.Fatal(err)
	}
	// The example of the S3 API reference.
	if want := "X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"; !strings.Contains(r.URL.RawQuery, want) {
		t.Errorf("Presign gives %s, want %s", r.URL.RawQuery, want)
	}
	r = awsRequest(t, "PUT", "https://storage.googleapis.com/b/k", "")
	steps := `[{let: {amz: "false"}}, {when: amz, sigv4: {service: s3, region: auto}}, {when: "!amz", sigv4: {scheme: google, service: storage, region: auto}}]`
	if err := sign.Presign(mustSigner(t, steps), r, aws(), time.Hour, "content-type"); err != nil || !strings.Contains(r.URL.RawQuery, "X-Goog-Algorithm=GOOG4-HMAC-SHA256") {
		t.Errorf("Presign = %v, %s, want Google's", err, r.URL.RawQuery)
	}
}

func TestPresignRefuses(t *testing.T) {
	r := awsRequest(t, "GET", "https://b.s3.amazonaws.com/k", "")
	if err := sign.Presign(mustSigner(t, "bearer"), r, aws(), time.Hour); !errors.Is(err, sign.ErrNoPresign) {
		t.Errorf("Presign of a bearer token = %v, want ErrNoPresign", err)
	}
	if err := sign.Presign(mustSigner(t, "sigv4"), awsRequest(t, "GET", "https://sts.us-east-1.amazonaws.com/?Action=GetCallerIdentity", ""), aws(), time.Hour); !errors.Is(err, sign.ErrNoPresign) {
		t.Errorf("Presign of STS = %v, want ErrNoPresign", err)
	}
	for _, d := range []time.Duration{0, -time.Hour, time.Millisecond, 8 * 24 * time.Hour} {
		if err := sign.Presign(mustSigner(t, "sigv4"), r, aws(), d); err == nil || !strings.Contains(err.Error(), "seven days") {
			t.Errorf("Presign for %v = %v", d, err)
		}
	}
	if err := sign.Presign(mustSigner(t, "sigv4"), awsRequest(t, "GET", "https://minio.example/", ""), aws(), time.Hour); err == nil {
		t.Errorf("Presign without a region succeeds")
	}
}
