package sigv4_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/attache-proxy/attache/providers/sign/sigv4"
)

type suite struct {
	AccessKeyID     string `json:"access_key_id"`
	SecretAccessKey string `json:"secret_access_key"`
	Region          string
	Service         string
	Host            string
	Time            time.Time
	Cases           []struct {
		Name, Method, Target, Body, Session, Signature string
		Headers                                        [][2]string
		SignedHeaders                                  string `json:"signed_headers"`
		Raw                                            bool   // the path is not normalised
		Expires                                        int    // signed in the query
	}
}

// TestSuite holds the published cases of the SigV4 test suite.
func TestSuite(t *testing.T) {
	src, err := os.ReadFile("testdata/suite.json")
	if err != nil {
		t.Fatal(err)
	}
	var s suite
	if err := json.Unmarshal(src, &s); err != nil {
		t.Fatal(err)
	}
	for _, c := range s.Cases {
		t.Run(c.Name, func(t *testing.T) {
			path, query, _ := strings.Cut(c.Target, "?")
			r := &http.Request{Method: c.Method, Host: s.Host, Header: http.Header{}, ContentLength: int64(len(c.Body)),
				URL: &url.URL{Scheme: "https", Host: s.Host, Path: path, RawQuery: query}}
			for _, h := range c.Headers {
				r.Header[http.CanonicalHeaderKey(h[0])] = append(r.Header[http.CanonicalHeaderKey(h[0])], h[1])
			}
			o := sigv4.Options{
				Keys:     sigv4.Keys{ID: s.AccessKeyID, Secret: s.SecretAccessKey, Session: c.Session},
				Scope:    sigv4.Scope{Scheme: sigv4.Schemes["aws"], Region: s.Region, Service: s.Service, Time: s.Time},
				Hash:     sigv4.HashHex([]byte(c.Body)),
				PathAsIs: c.Raw, SignLength: true,
			}
			if c.Expires > 0 {
				o.SignedHeaders = strings.Split(c.SignedHeaders, ";")
				if err := sigv4.Presign(r, o, c.Expires); err != nil {
					t.Fatal(err)
				}
				if got := r.URL.Query().Get("X-Amz-Signature"); got != c.Signature {
					t.Errorf("Presign gives %s, want %s", r.URL.RawQuery, c.Signature)
				}
				return
			}
			if err := sigv4.Header(r, o); err != nil {
				t.Fatal(err)
			}
			got := r.Header.Get("Authorization")
			want := "AWS4-HMAC-SHA256 Credential=" + s.AccessKeyID + "/20150830/us-east-1/service/aws4_request, SignedHeaders=" + c.SignedHeaders + ", Signature=" + c.Signature
			if got != want {
				t.Errorf("Authorization =\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// TestPath holds the suite's canonical paths, also those with characters that
// only stand encoded on a request line.
func TestPath(t *testing.T) {
	tests := []struct {
		path string
		once bool
		want string
	}{
		{"", false, "/"},
		{"/example space/", false, "/example%20space/"},
		{"/ሴ", false, "/%E1%88%B4"},
		{"/example/..", false, "/"},
		{"/example1/example2/../..", false, "/"},
		{"/./", false, "/"},
		{"/./example", false, "/example"},
		{"//example//", false, "/example/"},
		{"//", false, "/"},
		{"/a/./b/../c/", false, "/a/c/"},
		{"/a/.", false, "/a/"},
		{"/%20", false, "/%2520"},
		{"//example//", true, "//example//"},
		{"/example/..", true, "/example/.."},
		{"/a%20b+c%2Fd~é", true, "/a%20b%2Bc/d~%C3%A9"},
		{"/test$file.text", true, "/test%24file.text"},
		{"/test%24file.text", true, "/test%24file.text"},
	}
	for _, tt := range tests {
		if got := sigv4.CanonicalPath(tt.path, tt.once, tt.once); got != tt.want {
			t.Errorf("CanonicalPath(%q, once %t) = %q, want %q", tt.path, tt.once, got, tt.want)
		}
	}
}
