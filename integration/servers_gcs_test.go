package integration_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/storage"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"google.golang.org/api/iterator"
	"google.golang.org/api/option"
)

// gcs is an emulator of Google Cloud Storage behind something that lets nobody
// in without a token, a token endpoint that looks at assertions, and a proxy
// with a service account.
type gcs struct {
	*attache
	minted  atomic.Int32
	refused atomic.Int32
}

const gcsEmail, gcsBucket = "robot@project.iam.gserviceaccount.com", "data"

func newGCS(t testing.TB) *gcs {
	t.Helper()
	integration(t)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ca, g := newAuthority(t, "google"), &gcs{}
	emulator := startGCS(t)
	storageService := newService(t, ca, g.guard(t, emulator), "storage.googleapis.com", "www.googleapis.com")
	var endpoint string
	tokens := newService(t, ca, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { g.token(w, r, &key.PublicKey, endpoint) }))
	endpoint = tokens.URL + "/token"
	dir := t.TempDir()
	yaml := readFile(t, filepath.Join("..", "providers", "catalog", "google-cloud-storage.yaml"))
	const grant = "    grant_type: gcs_service_account\n"
	if !strings.Contains(yaml, grant) {
		t.Fatal("the connector is not what it was")
	}
	writeFile(t, filepath.Join(dir, "google-cloud-storage.yaml"), strings.Replace(yaml, grant, grant+"    token_url: "+endpoint+"\n", 1))
	g.attache = newAttache(t, setup{
		Attache: fmt.Sprintf(`connectors %s
		allow_address 127.0.0.1
		connector google-cloud-storage {
			upstream %s
			use service_account {
				service_account_json {env.SERVICE_ACCOUNT}
				bucket %s
			}
		}
		agent local {
			grant google-cloud-storage read write presign
		}`, dir, storageService.URL, gcsBucket),
		Env: []string{"SERVICE_ACCOUNT=" + serviceAccountFile(t, key)}, Trust: []*authority{ca},
	})
	return g
}

func serviceAccountFile(t testing.TB, key *rsa.PrivateKey) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(map[string]string{"type": "service_account", "client_email": gcsEmail, "private_key_id": "k1",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// startGCS starts fake-gcs-server with one bucket.
func startGCS(t testing.TB) *url.URL {
	t.Helper()
	dir, err := os.MkdirTemp("", "gcs")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	port := freePort(t)
	startServer(t, dir, program(t, "fake-gcs-server"), "-backend", "memory", "-scheme", "http", "-host", "127.0.0.1", "-port", fmt.Sprint(port),
		"-external-url", "https://storage.googleapis.com", "-public-host", "storage.googleapis.com", "-log-level", "error")
	u := &url.URL{Scheme: "http", Host: fmt.Sprintf("127.0.0.1:%d", port)}
	waitFor(t, "the emulator", func() bool { return dials(u.Host) })
	res, err := http.Post(u.String()+"/storage/v1/b?project=p", "application/json", strings.NewReader(`{"name":"`+gcsBucket+`"}`))
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("making the bucket: %v %v", res, err)
	}
	res.Body.Close()
	return u
}

// guard lets in who has a token that was minted.
func (g *gcs) guard(t testing.TB, emulator *url.URL) http.Handler {
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(emulator)
		r.Out.Host = r.In.Host
	}}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ya29."); !ok || token != fmt.Sprintf("minted-by-google-%d", g.minted.Load()) {
			g.refused.Add(1)
			answer(w, http.StatusUnauthorized, map[string]any{"error": map[string]any{"code": 401}})
			return
		}
		proxy.ServeHTTP(w, r)
	})
}

// token is Google's token endpoint for service accounts
// (https://developers.google.com/identity/protocols/oauth2/service-account#httprest).
func (g *gcs) token(w http.ResponseWriter, r *http.Request, key *rsa.PublicKey, endpoint string) {
	form := parameters(r)
	var claims struct {
		jwt.Claims
		Scope string `json:"scope"`
	}
	signed, err := jwt.ParseSigned(form.Get("assertion"), []jose.SignatureAlgorithm{jose.RS256})
	if err == nil {
		err = signed.Claims(key, &claims)
	}
	if err == nil {
		err = claims.Validate(jwt.Expected{Issuer: gcsEmail, AnyAudience: jwt.Audience{endpoint}, Time: time.Now()})
	}
	life := time.Duration(0)
	if err == nil {
		life = claims.Expiry.Time().Sub(claims.IssuedAt.Time())
	}
	if err != nil || form.Get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" || claims.Scope != "https://www.googleapis.com/auth/devstorage.read_write" || life > time.Hour {
		answer(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant", "error_description": fmt.Sprint(err, form.Get("grant_type"), claims.Scope, life)})
		return
	}
	answer(w, http.StatusOK, map[string]any{"access_token": fmt.Sprintf("ya29.minted-by-google-%d", g.minted.Add(1)), "token_type": "Bearer", "expires_in": 3599})
}

// Google's own client, which has no credentials, through the proxy: whole
// uploads, resumable ones in parts, ranges, lists, copies, deletes.
func TestGCS(t *testing.T) {
	g := newGCS(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := storage.NewClient(ctx, option.WithHTTPClient(g.goClient(t, true)), storage.WithDisabledClientMetrics())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	bucket := c.Bucket(gcsBucket)
	for _, o := range []struct {
		name  string
		size  int64
		chunk int // 0: whole; else a resumable upload
	}{{"whole", 100_000, 0}, {"odd/a b+c%20d/ключ", 10, 0}, {"resumable", 3 << 20, 256 << 10}, {"empty", 0, 0}} {
		w := bucket.Object(o.name).NewWriter(ctx)
		w.ChunkSize, w.Metadata = o.chunk, map[string]string{"note": "n"}
		if _, err := io.Copy(w, &pattern{size: o.size}); err != nil {
			t.Fatalf("%s: %v", o.name, err)
		}
		if err := w.Close(); err != nil {
			t.Fatalf("%s: %v", o.name, err)
		}
		r, err := bucket.Object(o.name).NewReader(ctx)
		if err != nil {
			t.Fatalf("%s: %v", o.name, err)
		}
		sum := newChecksum()
		if n, err := io.Copy(sum, r); err != nil || n != o.size || sum.Sum64() != patternSum(o.size) {
			t.Errorf("%s: read %d bytes, %v, want %d unchanged", o.name, n, err, o.size)
		}
		r.Close()
	}
	r, err := bucket.Object("whole").NewRangeReader(ctx, 8, 8)
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := io.ReadAll(r); !bytes.Equal(b, []byte{0, 0, 0, 0, 0, 0, 0, 1}) {
		t.Errorf("a range = %x", b)
	}
	if _, err := bucket.Object("copy").CopierFrom(bucket.Object("whole")).Run(ctx); err != nil {
		t.Errorf("copy: %v", err)
	}
	if err := bucket.Object("empty").Delete(ctx); err != nil {
		t.Errorf("delete: %v", err)
	}
	var names []string
	for it := bucket.Objects(ctx, nil); ; {
		o, err := it.Next()
		if err == iterator.Done {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, o.Name)
	}
	if want := []string{"copy", "odd/a b+c%20d/ключ", "resumable", "whole"}; !slices.Equal(names, want) {
		t.Errorf("the bucket has %q, want %q", names, want)
	}
	if n := g.minted.Load(); n != 1 {
		t.Errorf("%d tokens were minted, want 1", n)
	}
	if n := g.refused.Load(); n != 0 {
		t.Errorf("%d requests came without the token", n)
	}

	test := client{}.mustRun(t, "curl", "-sS", "-X", "POST", g.URL+"/.well-known/attache/test/google-cloud-storage")
	if !strings.Contains(test.Stdout, `"ok":true`) {
		t.Errorf("the account's test, which lists the bucket: %v", test)
	}
	status, out := presign(t, g.URL+"/.well-known/attache/presign", "", `{"url":"https://storage.googleapis.com/data/whole","expires_in":60}`)
	if status != http.StatusOK || !strings.Contains(out.URL, "X-Goog-Algorithm=GOOG4-RSA-SHA256") || !strings.Contains(out.URL, url.QueryEscape(gcsEmail)) {
		t.Errorf("presign = %d %+v", status, out)
	}
	if status, out = presign(t, g.URL+"/.well-known/attache/presign", "", `{"url":"https://storage.googleapis.com/storage/v1/b/data/o"}`); status != http.StatusBadRequest || out.Code != "cannot_presign" {
		t.Errorf("presign of the JSON API = %d %+v, want cannot_presign", status, out)
	}
	if log := g.Log.String(); strings.Contains(log, "X-Goog-Signature") || strings.Contains(log, "minted-by-google") {
		t.Error("a token or a signature is in the log")
	}
}
