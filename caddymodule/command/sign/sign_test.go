package sign_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/caddymodule/command/sign"
)

// published is a vector: a request whose signature a vendor has published.
type published struct {
	ID, Connector, Option, Source string
	Method, URL, Body             string
	Headers                       [][2]string
	// Request is the raw request instead of the four before.
	Request   string
	Fields    map[string]string
	At, Nonce string
	Want      []string
}

// TestSignPublished runs attache sign over every published vector that we keep.
func TestSignPublished(t *testing.T) {
	files, err := filepath.Glob("../../../providers/sign/testdata/*.json")
	if err != nil || len(files) < 2 {
		t.Fatalf("the vectors are in %v, %v", files, err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var all []published
		if err := json.Unmarshal(src, &all); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, p := range all {
			t.Run(p.ID, func(t *testing.T) { t.Parallel(); p.check(t) })
		}
	}
}

func (p *published) check(t *testing.T) {
	if p.Source == "" || len(p.Want) == 0 {
		t.Error("want a source and something that is wanted")
	}
	fields, err := json.Marshal(p.Fields)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "request")
	if err := os.WriteFile(file, []byte(p.raw(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	c := sign.SignCommand{Connector: p.Connector, Option: p.Option, Fields: "-", Request: file, At: p.At, Nonce: p.Nonce}
	out, notes, err := c.Run(strings.NewReader(string(fields)))
	if err != nil {
		t.Fatalf("attache sign: %v\n%s", err, notes)
	}
	out = strings.ReplaceAll(out, "\r\n", "\n")
	for _, w := range p.Want {
		if !strings.Contains(out, w) {
			t.Errorf("attache sign prints\n%s\nwant in it\n%s", out, w)
		}
	}
}

// raw is the request as it stands in a file.
func (p *published) raw(t *testing.T) string {
	if p.Request != "" {
		return p.Request
	}
	u, err := url.Parse(p.URL)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if u.Scheme == "http" {
		fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", p.Method, u)
	} else {
		fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", p.Method, u.RequestURI(), u.Host)
	}
	for _, h := range p.Headers {
		fmt.Fprintf(&b, "%s: %s\r\n", h[0], h[1])
	}
	if p.Body != "" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(p.Body))
	}
	return b.String() + "\r\n" + p.Body
}

// TestSignAWSSuite runs the published suite of SigV4 through the command, signed
// in the headers and, where it is so published, in the query.
func TestSignAWSSuite(t *testing.T) {
	src, err := os.ReadFile("../../../providers/sign/sigv4/testdata/suite.json")
	if err != nil {
		t.Fatal(err)
	}
	var s struct {
		AccessKeyID     string `json:"access_key_id"`
		SecretAccessKey string `json:"secret_access_key"`
		Region, Service string
		Host, Time      string
		Cases           []struct {
			Name, Method, Target, Body, Session, Signature string
			Headers                                        [][2]string
			SignedHeaders                                  string `json:"signed_headers"`
			Raw                                            bool
			Expires                                        int
		}
	}
	if err := json.Unmarshal(src, &s); err != nil {
		t.Fatal(err)
	}
	for _, c := range s.Cases {
		if c.Raw {
			continue // as S3 signs, which "service" is not
		}
		target, want := c.Target, "SignedHeaders="+c.SignedHeaders+", Signature="+c.Signature
		if c.Expires > 0 {
			path, query, _ := strings.Cut(target, "?")
			target = fmt.Sprintf("%s?%s&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=x/20150830/us-east-1/service/aws4_request&X-Amz-Expires=%d&X-Amz-SignedHeaders=%s",
				path, query, c.Expires, url.QueryEscape(c.SignedHeaders))
			want = "X-Amz-Signature=" + c.Signature
		}
		raw := c.Method + " " + target + " HTTP/1.1\nHost:" + s.Host + "\n"
		if strings.HasPrefix(c.SignedHeaders, "content-length") {
			raw += fmt.Sprintf("Content-Length:%d\n", len(c.Body))
		}
		for _, h := range c.Headers {
			raw += h[0] + ":" + h[1] + "\n"
		}
		p := published{Connector: "aws", Source: "the suite", Request: raw + "\n" + c.Body, At: s.Time, Want: []string{want},
			Fields: map[string]string{"access_key_id": s.AccessKeyID, "secret_access_key": s.SecretAccessKey, "region": s.Region, "service": s.Service, "session_token": c.Session}}
		t.Run(c.Name, p.check)
	}
}
