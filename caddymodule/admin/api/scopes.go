package api

import (
	"fmt"
	"net/http"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/oauth/bearer"
	"github.com/attache-proxy/attache/resolver/connect"
	"github.com/attache-proxy/attache/resolver/problem"
)

// scopeTokens refuses what cannot be a scope (RFC 6749 §3.3).
func scopeTokens(member string, scopes []string) error {
	for i, s := range scopes {
		if !bearer.IsScope(s) {
			return problem.New(http.StatusUnprocessableEntity, "INVALID_INPUT", "A scope has printable ASCII characters but no spaces, quotes and backslashes; each is an item of its own.").
				At(fmt.Sprintf("body.%s[%d]", member, i), "is no scope")
		}
	}
	return nil
}

// asked are the scopes that an account of this option may ask for at its sign-in.
func asked(opt *providers.Option, scopes []string) ([]string, error) {
	if !connect.NeedsPerson(opt) {
		return nil, problem.New(http.StatusUnprocessableEntity, "INVALID_INPUT", "scopes are asked for when a person signs in at the service, and this way to connect has no sign-in.").At("body.scopes", "does not go with this option")
	}
	return scopes, scopeTokens("scopes", scopes)
}
