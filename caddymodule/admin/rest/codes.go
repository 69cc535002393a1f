package rest

import (
	_ "embed"
	"slices"
	"strings"

	"github.com/attache-proxy/attache/resolver/refusal"
)

// codes.txt has each code that an error of this API can have, one a line; a test reads
// the source for them and writes it (go test ./caddymodule/admin -run TestCodes -update).
//
//go:embed codes.txt
var codesText string

// Codes are all codes of errors: those of the API, and the proxy's refusals in capitals,
// which requests that go the proxy's way get.
func Codes() []string {
	all := strings.Fields(codesText)
	for _, c := range refusal.Codes() {
		all = append(all, strings.ToUpper(c))
	}
	slices.Sort(all)
	return slices.Compact(all)
}
