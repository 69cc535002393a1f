package caddymodule

import (
	"testing"

	"go.uber.org/zap"

	"github.com/attache-proxy/attache/resolver/vault"
)

func TestPublicURL(t *testing.T) {
	t.Setenv("CONNECT", "https://connect.example.com")
	for in, want := range map[string]string{
		"": "", "https://connect.example.com": "https://connect.example.com", "https://connect.example.com/": "https://connect.example.com",
		"{env.CONNECT}": "https://connect.example.com", "http://127.0.0.1:8081": "http://127.0.0.1:8081",
	} {
		a := &App{PublicURL: in, logger: zap.NewNop()}
		if err := a.resolvePublicURL(); err != nil || a.publicURL != want {
			t.Errorf("public_url %q = %q, %v; want %q", in, a.publicURL, err, want)
		}
	}
	for _, in := range []string{"connect.example.com", "ftp://connect.example.com", "https://connect.example.com/x", "https://u:p@connect.example.com", "https://connect.example.com?x", "https://", "{env.NOT_SET_AT_ALL}"} {
		if err := (&App{PublicURL: in, logger: zap.NewNop()}).resolvePublicURL(); err == nil {
			t.Errorf("public_url %q was taken", in)
		}
	}
}

// An agent gets a link where one helps.
func TestConnectURL(t *testing.T) {
	for state, want := range map[vault.State]string{
		vault.Pending: "https://c.example/connect/acc_1", vault.Expired: "https://c.example/connect/acc_1", vault.Error: "https://c.example/connect/acc_1",
		vault.Revoked: "", vault.Suspended: "",
	} {
		row := &vault.Account{ID: "acc_1", State: state}
		for links, want := range map[string]string{"": want, "open": want, "sign_in": want, "off": ""} {
			if got := (&App{publicURL: "https://c.example", ConnectLinks: links}).connectURL(row); got != want {
				t.Errorf("connect_links %q, %s: %q, want %q", links, state, got, want)
			}
		}
		if got := (&App{}).connectURL(row); got != "" {
			t.Errorf("without public_url: %q", got)
		}
	}
}
