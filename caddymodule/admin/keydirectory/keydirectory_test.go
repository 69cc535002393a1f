package keydirectory_test

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/caddymodule/admin/keydirectory"
	"github.com/attache-proxy/attache/providers/secret"
)

// TestDirectory: the public half of RFC 8037's key by its thumbprint, signed with it for
// the authority that was asked, and nothing of the private half.
func TestDirectory(t *testing.T) {
	const private = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="
	asked := 0
	d := &keydirectory.Directory{Log: slog.New(slog.DiscardHandler), Keys: func(context.Context) ([]secret.Value, error) {
		asked++
		return []secret.Value{secret.New(private), secret.New("no key"), secret.New(private)}, nil
	}}
	for range 2 {
		w := httptest.NewRecorder()
		d.ServeHTTP(w, httptest.NewRequest("GET", "https://Agent.example/.well-known/http-message-signatures-directory", nil))
		var doc struct{ Keys []map[string]string }
		if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil || len(doc.Keys) != 1 || doc.Keys[0]["kid"] != "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k" || doc.Keys[0]["d"] != "" ||
			w.Header().Get("Content-Type") != "application/http-message-signatures-directory+json" {
			t.Fatalf("the directory is %s, %v", w.Body, err)
		}
		x, _ := base64.RawURLEncoding.DecodeString(doc.Keys[0]["x"])
		m := regexp.MustCompile(`^binding0=(.*;tag="http-message-signatures-directory")$`).FindStringSubmatch(w.Header().Get("Signature-Input"))
		text, _ := base64.StdEncoding.DecodeString(strings.Trim(strings.TrimPrefix(w.Header().Get("Signature"), "binding0="), ":"))
		if m == nil || !ed25519.Verify(x, []byte("\"@authority\";req: agent.example\n\"@signature-params\": "+m[1]), text) {
			t.Errorf("the signature %s of %s does not verify", w.Header().Get("Signature"), w.Header().Get("Signature-Input"))
		}
	}
	if asked != 1 {
		t.Errorf("two requests read the keys %d times, want 1", asked)
	}
	w := httptest.NewRecorder()
	d.ServeHTTP(w, httptest.NewRequest("POST", "https://agent.example/.well-known/http-message-signatures-directory", nil))
	if w.Code != 405 {
		t.Errorf("POST = %d", w.Code)
	}
	away := &keydirectory.Directory{Log: slog.New(slog.DiscardHandler), Keys: func(context.Context) ([]secret.Value, error) { return nil, errors.New("away") }}
	w = httptest.NewRecorder()
	away.ServeHTTP(w, httptest.NewRequest("GET", "https://agent.example/", nil))
	if w.Code != 503 {
		t.Errorf("without its keys the directory is %d %s", w.Code, w.Body)
	}
}
