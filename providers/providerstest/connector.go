// Package providerstest makes connectors for tests.
package providerstest

import (
	"testing"

	"github.com/attache-proxy/attache/providers"
)

// Connector is the connector that the YAML describes. Its service and its token
// endpoint may be reached by plain HTTP, as those of httptest are.
func Connector(tb testing.TB, yaml string) *providers.Connector {
	tb.Helper()
	def, err := providers.Parse("test.yaml", []byte(yaml))
	if err != nil {
		tb.Fatal(err)
	}
	def.AllowHTTP()
	c, err := providers.Compile(def)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}
