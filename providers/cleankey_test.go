package providers_test

import (
	"strings"
	"testing"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/secret"
)

func TestCleanKey(t *testing.T) {
	for in, want := range map[string]string{
		"k-1": "k-1", " k-1\n": "k-1", "\t\r\nk-1 \u00a0\r\n": "k-1", "\ufeffk-1": "k-1", "k-1\u200b": "k-1", "two words": "two words", "": "", "\n": "",
		"-----BEGIN KEY-----\nabc\n-----END KEY-----\n": "-----BEGIN KEY-----\nabc\n-----END KEY-----", "{\n\"a\": 1\n}\n": "{\n\"a\": 1\n}",
	} {
		if got, err := providers.CleanKey(secret.New(in)); err != nil || got.Reveal() != want {
			t.Errorf("CleanKey(%q) = %q, %v; want %q", in, got.Reveal(), err, want)
		}
	}
	for _, in := range []string{"canary\nx", "canary\r\nX: y", "canary\rx", "canary\x00x", "canary\x7fx", "canary\u2028x", "canary\u0085x", "canary\x1bx"} {
		if _, err := providers.CleanKey(secret.New(in)); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("CleanKey(%q) = %v, want an error without the key", in, err)
		}
	}
	c := compile(t, withHosts("a", "a.example"))
	o, _ := c.Option("")
	if got, err := o.Validate(secret.Values{"key": secret.New(" k-0123456789\n")}); err != nil || got.Get("key").Reveal() != "k-0123456789" {
		t.Errorf("Validate = %v", err)
	}
	if _, err := o.Validate(secret.Values{"key": secret.New("canary\nx")}); err == nil || !strings.Contains(err.Error(), "field key has a line break inside") {
		t.Errorf("Validate of two lines = %v", err)
	}
}
