package admin_test

import (
	"strings"
	"testing"

	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
)

// The API's JSON is read on terminals, too: what people wrote into metadata comes
// back as it was, and escaped.
func TestJSONSteersNoTerminal(t *testing.T) {
	w := newWorld(t, vaulttest.SQLite(t), nil)
	made := w.want(201, "", "POST", "/accounts", `{"connector":"hub","credentials":{"token":"good"},"metadata":{"note":"a`+"\u009b\u202eé"+`b"}}`)
	for _, a := range []*answer{made, w.want(200, "", "GET", "/accounts/"+made.str("id"), ""), w.want(422, "INVALID_INPUT", "POST", "/accounts", `{"connector":"hub","x`+"\u009b\u202e"+`":1}`)} {
		if strings.ContainsAny(a.raw, "\u009b\u202e") {
			t.Errorf("it steers: %q", a.raw)
		}
	}
	if got := made.str("metadata.note"); got != "a\u009b\u202eéb" {
		t.Errorf("metadata = %q", got)
	}
}
