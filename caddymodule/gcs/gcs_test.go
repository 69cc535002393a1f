package gcs_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"crypto"

	"cloud.google.com/go/storage"

	"github.com/attache-proxy/attache/caddymodule/gcs"
)

// keyFile is a service account's, with its key.
func keyFile(t *testing.T) (string, *rsa.PrivateKey) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(map[string]string{"type": "service_account", "client_email": "sa@p.iam.gserviceaccount.com",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))})
	if err != nil {
		t.Fatal(err)
	}
	return string(b), key
}

func parse(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// verify computes what V4 signs (https://cloud.google.com/storage/docs/access-control/signed-urls#canonical)
// from the URL alone, and checks the signature over it.
func verify(t *testing.T, signed, method string, headers map[string]string, key *rsa.PrivateKey) {
	t.Helper()
	u := parse(t, signed)
	q := u.Query()
	sig, err := hex.DecodeString(q.Get("X-Goog-Signature"))
	if len(sig) == 0 || err != nil {
		t.Fatalf("no signature in %s", signed)
	}
	rest := strings.Replace(u.RawQuery, "&X-Goog-Signature="+q.Get("X-Goog-Signature"), "", 1)
	pairs := strings.Split(rest, "&")
	slices.Sort(pairs)
	lines := ""
	for name := range strings.SplitSeq(q.Get("X-Goog-SignedHeaders"), ";") {
		if name == "host" {
			headers["host"] = u.Host
		}
		lines += name + ":" + headers[name] + "\n"
	}
	canonical := strings.Join([]string{method, u.EscapedPath(), strings.Join(pairs, "&"), lines, q.Get("X-Goog-SignedHeaders"), "UNSIGNED-PAYLOAD"}, "\n")
	sum := sha256.Sum256([]byte(canonical))
	scope := strings.SplitN(q.Get("X-Goog-Credential"), "/", 2)[1]
	text := sha256.Sum256([]byte(strings.Join([]string{"GOOG4-RSA-SHA256", q.Get("X-Goog-Date"), scope, hex.EncodeToString(sum[:])}, "\n")))
	if err := rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, text[:], sig); err != nil {
		t.Errorf("the signature of %s %s is wrong for\n%s", method, signed, canonical)
	}
}

func TestSignedURL(t *testing.T) {
	file, key := keyFile(t)
	until := time.Now().Add(10 * time.Minute)
	for _, c := range []struct{ in, method, want string }{
		{"https://storage.googleapis.com/bucket/a%20b/%D0%BA", "GET", "https://storage.googleapis.com/bucket/a%20b/%D0%BA?"},
		{"https://bucket.storage.googleapis.com/k", "PUT", "https://bucket.storage.googleapis.com/k?"},
		{"https://storage.googleapis.com/bucket/k?generation=7", "HEAD", "https://storage.googleapis.com/bucket/k?"},
	} {
		got, err := gcs.SignedURL(file, parse(t, c.in), c.method, http.Header{"X-Goog-Meta-A": {"1"}, "Content-Type": {"text/plain"}}, until)
		if err != nil || !strings.HasPrefix(got, c.want) {
			t.Errorf("SignedURL(%s) = %s, %v, want %s…", c.in, got, err, c.want)
			continue
		}
		q := parse(t, got).Query()
		if left := q.Get("X-Goog-Expires"); left != "600" || strings.Contains(c.in, "generation") && q.Get("generation") != "7" {
			t.Errorf("SignedURL(%s) has %v, want what was asked for", c.in, q)
		}
		verify(t, got, c.method, map[string]string{"x-goog-meta-a": "1", "content-type": "text/plain"}, key)
	}
}

// What is signed is what Google's own library signs.
func TestSignedURLAsGoogle(t *testing.T) {
	file, _ := keyFile(t)
	var key struct {
		Email   string `json:"client_email"`
		Private string `json:"private_key"`
	}
	if err := json.Unmarshal([]byte(file), &key); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		bucket, object, query string
		style                 storage.URLStyle
		header                http.Header
	}{
		{"bucket", "plain", "", storage.PathStyle(), nil},
		{"bucket", "a b+c%20d/ключ!*'()~;=&,:@$", "", storage.PathStyle(), nil},
		{"bucket", "a//b/../c/", "generation=7&userProject=p%20q", storage.PathStyle(), nil},
		{"bucket", "virtual/ü", "response-content-disposition=attachment%3B+filename%3D%22x.txt%22", storage.VirtualHostedStyle(), nil},
		{"bucket", "k", "", storage.VirtualHostedStyle(), http.Header{"Content-Type": {"text/plain; charset=utf-8"}, "Content-Md5": {"rL0Y20zC+Fzt72VPzMSk2A=="}, "X-Goog-Meta-A": {"1", "2"}, "X-Goog-Acl": {"private"}}},
	} {
		for _, method := range []string{"GET", "PUT", "DELETE"} {
			until := time.Now().Add(10 * time.Minute)
			query, err := url.ParseQuery(c.query)
			if err != nil {
				t.Fatal(err)
			}
			o := &storage.SignedURLOptions{GoogleAccessID: key.Email, PrivateKey: []byte(key.Private), Method: method, Scheme: storage.SigningSchemeV4,
				Expires: until.Add(500 * time.Millisecond), Style: c.style, QueryParameters: query, ContentType: c.header.Get("Content-Type"), MD5: c.header.Get("Content-Md5")}
			for name, values := range c.header {
				if strings.HasPrefix(name, "X-") {
					o.Headers = append(o.Headers, name+":"+strings.Join(values, ","))
				}
			}
			want, err := storage.SignedURL(c.bucket, c.object, o)
			if err != nil {
				t.Fatal(err)
			}
			u := &url.URL{Scheme: "https", Host: gcs.Host, Path: "/" + c.bucket + "/" + c.object, RawQuery: c.query}
			if c.style == storage.VirtualHostedStyle() {
				u.Host, u.Path = c.bucket+"."+gcs.Host, "/"+c.object
			}
			got, err := gcs.SignedURL(file, u, method, c.header, until)
			if err != nil {
				t.Errorf("%s %s: %v", method, u, err)
				continue
			}
			a, b := parse(t, got), parse(t, want)
			if a.Query().Get("X-Goog-Date") != b.Query().Get("X-Goog-Date") {
				continue // a second has passed between them
			}
			if a.Host != b.Host || a.EscapedPath() != b.EscapedPath() || !maps.EqualFunc(a.Query(), b.Query(), slices.Equal) {
				t.Errorf("%s: signed as\n%s\nwhile Google's library says\n%s", method, got, want)
			}
		}
	}
}

func TestSignedURLRefuses(t *testing.T) {
	file, _ := keyFile(t)
	for in, want := range map[string]string{
		"https://storage.googleapis.com/bucket":               "names no bucket and object",
		"https://storage.googleapis.com/":                     "names no bucket and object",
		"https://bucket.storage.googleapis.com/":              "names no object",
		"https://storage.googleapis.com/storage/v1/b/x/o/y":   "JSON API",
		"https://storage.googleapis.com/upload/storage/v1/b/": "JSON API",
	} {
		if got, err := gcs.SignedURL(file, parse(t, in), "GET", nil, time.Now().Add(time.Minute)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("SignedURL(%s) = %s, %v, want %q", in, got, err, want)
		}
	}
	for _, bad := range []string{"", "{}", `{"client_email":"a","private_key":"canary-no-pem"}`, `{"client_email":"a","private_key":"-----BEGIN PRIVATE KEY-----\nY2FuYXJ5\n-----END PRIVATE KEY-----\n"}`} {
		_, err := gcs.SignedURL(bad, parse(t, "https://storage.googleapis.com/b/o"), "GET", nil, time.Now().Add(time.Minute))
		if !errors.Is(err, gcs.ErrKey) || strings.Contains(err.Error(), "canary") {
			t.Errorf("SignedURL with the key file %q = %v, want ErrKey", bad, err)
		}
	}
}

// policies is Google's JSON API for the policy of one bucket.
type policies struct {
	t      *testing.T
	etag   int
	policy map[string]any
	status int
	calls  int
}

func (p *policies) RoundTrip(r *http.Request) (*http.Response, error) {
	p.calls++
	if r.URL.Host != gcs.Host || r.URL.Path != "/storage/v1/b/data/iam" {
		p.t.Errorf("a request for %s", r.URL)
	}
	res := &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Request: r}
	body := map[string]any{"kind": "storage#policy", "etag": fmt.Sprintf("CA%d=", p.etag), "bindings": p.policy["bindings"]}
	switch {
	case p.status != 0:
		res.StatusCode, body = p.status, map[string]any{"error": map[string]any{"code": p.status, "message": "no"}}
	case r.Method == http.MethodPut:
		var in map[string]any
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			p.t.Error(err)
		}
		if in["etag"] != body["etag"] {
			p.t.Errorf("the policy was set with etag %v, want %v: somebody else's edit would be lost", in["etag"], body["etag"])
		}
		p.policy, p.etag = in, p.etag+1
		body = in
	}
	b, _ := json.Marshal(body)
	res.Body = io.NopCloser(strings.NewReader(string(b)))
	return res, nil
}

func (p *policies) String() string {
	b, _ := json.Marshal(p.policy["bindings"])
	return string(b)
}

func TestSetAccess(t *testing.T) {
	const sa = "reader@p.iam.gserviceaccount.com"
	p := &policies{t: t, policy: map[string]any{"bindings": []any{map[string]any{"role": "roles/storage.admin", "members": []any{"user:owner@example.com"}}}}}
	for _, step := range []struct {
		access  gcs.Access
		changed bool
		has     string
		hasNot  string
	}{
		{gcs.Read, true, "roles/storage.objectViewer", "roles/storage.objectUser"},
		{gcs.Read, false, "roles/storage.objectViewer", "roles/storage.objectUser"},
		{gcs.Write, true, "roles/storage.objectUser", "roles/storage.objectViewer"},
		{gcs.None, true, "user:owner@example.com", sa},
		{gcs.None, false, "user:owner@example.com", sa},
	} {
		changed, err := gcs.SetAccess(t.Context(), p, "data", sa, step.access)
		if err != nil || changed != step.changed || !strings.Contains(p.String(), step.has) || strings.Contains(p.String(), step.hasNot) {
			t.Errorf("SetAccess(%s) = %v, %v; the policy is %s; want %v, with %s and without %s", step.access, changed, err, p, step.changed, step.has, step.hasNot)
		}
	}
	p.status = http.StatusForbidden
	var refused *gcs.StatusError
	if _, err := gcs.SetAccess(t.Context(), p, "data", sa, gcs.Read); !errors.As(err, &refused) || refused.Status != http.StatusForbidden {
		t.Errorf("SetAccess where Google refuses = %v, want a StatusError of 403", err)
	}
	before := p.calls
	for _, bad := range []string{"", "allUsers", "someone@example.com", "allAuthenticatedUsers", "x@evilgserviceaccount.com", "a@b.gserviceaccount.com\nx"} {
		if _, err := gcs.SetAccess(t.Context(), p, "data", bad, gcs.Read); !errors.Is(err, gcs.ErrEmail) {
			t.Errorf("SetAccess for %q = %v, want ErrEmail", bad, err)
		}
	}
	if p.calls != before {
		t.Errorf("a request was sent for an address that is refused")
	}
}
