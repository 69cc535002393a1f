package connect

import (
	"slices"
	"strings"

	"github.com/attache-proxy/attache/resolver/vault"
)

// What the links do that agents are given.
const (
	// LinksOpen lets whoever opens one run the service's own authorization of
	// exactly that account.
	LinksOpen = "open"
	// LinksSignIn sends people to the dashboard, where they sign in first.
	LinksSignIn = "sign_in"
	// LinksOff gives agents no links.
	LinksOff = "off"
)

// KnownLinks reports whether s is one of the above, or empty.
func KnownLinks(s string) bool {
	return s == "" || s == LinksOpen || s == LinksSignIn || s == LinksOff
}

// MoreParam is the parameter of an agent's link that says which further scopes
// are missing, sealed.
const MoreParam = "more"

// SealScopes seals the scopes that a service said were missing for an account.
func SealScopes(v *vault.Vault, accountID string, scopes []string) string {
	slices.Sort(scopes)
	return v.SealLink(accountID, strings.Join(slices.Compact(scopes), " "))
}
