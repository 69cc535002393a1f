package ambient_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/attache-proxy/attache/providers/oauth/ambient"
)

// bare takes away what the machine of the test may have.
func bare(t *testing.T) {
	home := t.TempDir()
	for name, v := range map[string]string{
		"HOME": home, "AWS_CONFIG_FILE": filepath.Join(home, "none"), "AWS_SHARED_CREDENTIALS_FILE": filepath.Join(home, "none"),
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": "",
		"AWS_PROFILE": "", "AWS_ROLE_ARN": "", "AWS_WEB_IDENTITY_TOKEN_FILE": "", "AWS_CONTAINER_CREDENTIALS_FULL_URI": "",
		"GOOGLE_APPLICATION_CREDENTIALS": "", "GCE_METADATA_HOST": "127.0.0.1:1",
	} {
		t.Setenv(name, v)
	}
}

func TestAWSFromEnvironment(t *testing.T) {
	bare(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDENV")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "envsecret")
	fields, expiry, err := ambient.Machine{}.AWS(t.Context(), "eu-west-1")
	if err != nil {
		t.Fatal(err)
	}
	if got := fields.Get("access_key_id").Reveal() + " " + fields.Get("secret_access_key").Reveal(); got != "AKIDENV envsecret" {
		t.Errorf("keys = %s", got)
	}
	if !expiry.IsZero() {
		t.Errorf("expiry = %v, want none", expiry)
	}
}

func TestAWSFromContainer(t *testing.T) {
	bare(t)
	end := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"AccessKeyId":"AKIDROLE","SecretAccessKey":"s","Token":"session","Expiration":%q}`, end.Format(time.RFC3339))
	}))
	defer srv.Close()
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", srv.URL)
	fields, expiry, err := ambient.Machine{}.AWS(t.Context(), "eu-west-1")
	if err != nil {
		t.Fatal(err)
	}
	if got := fields.Get("session_token").Reveal(); got != "session" {
		t.Errorf("session_token = %q, want session", got)
	}
	if early := end.Sub(expiry); early < 0 || early > 5*time.Minute { // the SDK keeps a margin
		t.Errorf("expiry = %v, want at most 5 minutes before %v", expiry, end)
	}
}

func TestAWSNone(t *testing.T) {
	bare(t)
	if _, _, err := (ambient.Machine{}).AWS(t.Context(), "eu-west-1"); err == nil {
		t.Error("AWS() without any identity = keys, want an error")
	}
}

func TestGoogle(t *testing.T) {
	bare(t)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"access_token":"adc-token","expires_in":3600,"token_type":"Bearer"}`)
	}))
	defer srv.Close()
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", keyFile(t, srv.URL))
	token, expiry, err := ambient.Machine{}.Google(t.Context(), []string{"https://www.googleapis.com/auth/devstorage.read_only"})
	if err != nil {
		t.Fatal(err)
	}
	if token.Reveal() != "adc-token" || time.Until(expiry) < 50*time.Minute {
		t.Errorf("Google() = %q until %v", token.Reveal(), expiry)
	}
	srv.Close()
	if _, _, err := (ambient.Machine{}).Google(t.Context(), []string{"x"}); err == nil || strings.Contains(err.Error(), srv.URL) {
		t.Errorf("Google() with a dead endpoint = %v, want an error without its URL", err)
	}
}

// keyFile is a service account's, as Google writes it, for a token endpoint of
// the test.
func keyFile(t *testing.T, tokenURL string) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(map[string]string{
		"type": "service_account", "client_email": "me@p.iam.gserviceaccount.com", "private_key_id": "k1", "token_uri": tokenURL,
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
