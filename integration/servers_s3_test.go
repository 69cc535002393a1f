package integration_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// s3 is a server that verifies every signature, those of chunks and trailers
// included (Versity's gateway over a directory), and a proxy before it that has
// the keys. Clients see Amazon's host names, and have dummy keys.
type s3 struct {
	*attache
	Server string // host:port, plain HTTP
}

// The keys that the server asks for, and those that clients hold.
const (
	s3Key, s3Secret       = "AKIDREALKEY0123456789", "real-secret-3c59dc048e885024"
	dummyKey, dummySecret = "AKIAATTACHEDUMMY", "dummy-secret-which-nobody-takes"
	s3Host                = "s3.us-east-1.amazonaws.com"
)

// newS3 starts both.
func newS3(t testing.TB, more ...func(*s3, *setup)) *s3 {
	t.Helper()
	integration(t)
	x := &s3{Server: startS3(t)}
	s := setup{
		Attache: fmt.Sprintf(`connector aws-s3 {
			upstream http://%s
			use access_key {
				access_key_id %s
				secret_access_key {env.S3_SECRET}
				region us-east-1
			}
		}
		%s`, x.Server, s3Key, agentLocal("aws-s3")),
		Env: []string{"S3_SECRET=" + s3Secret},
	}
	for _, change := range more {
		change(x, &s)
	}
	x.attache = newAttache(t, s)
	return x
}

// startS3 starts the gateway. Buckets are reached by path and by host name. It
// closes connections, as it does by itself: after a body in HTTP chunks it does
// not always read the last one, and answers the next request with BadRequest.
func startS3(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "s3") // objects may be large: not where the test's log is
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for _, sub := range []string{"data", "meta"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	addr := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	startServer(t, dir, program(t, "versitygw"), "--access", s3Key, "--secret", s3Secret, "--port", addr, "--region", "us-east-1",
		"--virtual-domain", s3Host, "--quiet", "--iam-cache-disable",
		"posix", "--sidecar", filepath.Join(dir, "meta"), filepath.Join(dir, "data"))
	waitFor(t, "the S3 server", func() bool { return dials(addr) })
	return addr
}

// dials reports whether somebody listens.
func dials(addr string) bool {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err == nil {
		conn.Close()
	}
	return err == nil
}

// awsEnv is what an AWS client has of its own: dummy keys.
func awsEnv(more ...string) []string {
	return append([]string{"AWS_ACCESS_KEY_ID=" + dummyKey, "AWS_SECRET_ACCESS_KEY=" + dummySecret, "AWS_DEFAULT_REGION=us-east-1", "AWS_REGION=us-east-1",
		"AWS_S3_US_EAST_1_REGIONAL_ENDPOINT=regional", "AWS_EC2_METADATA_DISABLED=true", "AWS_MAX_ATTEMPTS=1", "AWS_PAGER="}, more...)
}

// through is the environment of an AWS client behind the proxy.
func (x *s3) through() []string {
	return awsEnv(append(trusting(x.URL, x.CA), "AWS_CA_BUNDLE="+x.CA, "NODE_EXTRA_CA_CERTS="+x.CA)...)
}

// direct is the environment of one that has the real keys and needs no proxy.
func (x *s3) direct() []string {
	env := awsEnv("AWS_ENDPOINT_URL=http://" + x.Server)
	for i, v := range env {
		v = strings.Replace(v, "="+dummyKey, "="+s3Key, 1)
		env[i] = strings.Replace(v, "="+dummySecret, "="+s3Secret, 1)
	}
	return env
}
