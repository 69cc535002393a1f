package sign_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/caddymodule/command/sign"
)

// TestWebBotAuth: the profile of HTTP message signatures for agents that say who they
// are, with the key of RFC 9421 B.1.4: what is signed, and that it verifies.
func TestWebBotAuth(t *testing.T) {
	const seed = "n4Ni+HpISpVObnQMW0wOhCKROaIKqKtW/2ZYb2p9KcU="
	raw, _ := base64.StdEncoding.DecodeString(seed)
	public := ed25519.NewKeyFromSeed(raw).Public().(ed25519.PublicKey)
	request := filepath.Join(t.TempDir(), "request")
	if err := os.WriteFile(request, []byte("GET /a?b HTTP/1.1\nHost: Example.com\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	nonce := regexp.MustCompile(`;nonce="([^"]*)"`)
	for _, tt := range []struct{ fields, agent, components, lines string }{
		{``, "", `("@authority")`, ""},
		{`, "signature_agent": "https://agent.example"`, "Signature-Agent: \"https://agent.example\"\r\n", `("@authority" "signature-agent")`, "\"signature-agent\": \"https://agent.example\"\n"},
		{`, "signature_agent": "https://agent.example", "form": "dictionary", "label": "bot"`, "Signature-Agent: bot=\"https://agent.example\"\r\n", `("@authority" "signature-agent";key="bot")`, "\"signature-agent\";key=\"bot\": \"https://agent.example\"\n"},
	} {
		c := sign.SignCommand{Connector: "http-message-signatures", Option: "web_bot_auth", Fields: "-", Request: request, At: "2026-01-02T03:04:05Z"}
		out, notes, err := c.Run(strings.NewReader(`{"private_key": "` + seed + `"` + tt.fields + `}`))
		if err != nil {
			t.Fatalf("%v\n%s", err, notes)
		}
		m := regexp.MustCompile(`(?m)^Signature-Input: [a-z0-9]+=(.*)\r$`).FindStringSubmatch(out)
		s := regexp.MustCompile(`(?m)^Signature: [a-z0-9]+=:(.*):\r$`).FindStringSubmatch(out)
		if m == nil || s == nil || !strings.Contains(out, tt.agent) || (tt.agent == "") == strings.Contains(out, "Signature-Agent") {
			t.Fatalf("the request is\n%s", out)
		}
		want := tt.components + `;created=1767323045;expires=1767323105;keyid="poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U";alg="ed25519";nonce="";tag="web-bot-auth"`
		if got := nonce.ReplaceAllString(m[1], `;nonce=""`); got != want {
			t.Errorf("Signature-Input is %s, want %s", got, want)
		}
		if b, err := base64.StdEncoding.DecodeString(nonce.FindStringSubmatch(m[1])[1]); err != nil || len(b) != 64 {
			t.Errorf("the nonce has %d bytes, %v, want 64", len(b), err)
		}
		signature, _ := base64.StdEncoding.DecodeString(s[1])
		if !ed25519.Verify(public, []byte("\"@authority\": example.com\n"+tt.lines+"\"@signature-params\": "+m[1]), signature) {
			t.Errorf("the signature of %s does not verify", m[1])
		}
	}
}
