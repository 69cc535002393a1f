package providers_test

import (
	"strings"
	"testing"

	"github.com/attache-proxy/attache/providers"
)

func TestSpoken(t *testing.T) {
	c := compile(t, withHosts("a", "a.example")+"speaks: {graphql: [a.example/graphql, '*.b.example/admin/*/graphql.json'], mcp: [/mcp], jsonrpc: [/rpc/**]}\n")
	for at, want := range map[string]providers.Protocol{
		"a.example/graphql": providers.GraphQL, "b.example/graphql": providers.Plain, "a.example/graphql/": providers.Plain, "a.example/GraphQL": providers.Plain, "a.example/%67raphql": providers.GraphQL, "a.example/x/../graphql": providers.Plain,
		"s.b.example/admin/1/graphql.json": providers.GraphQL, "b.example/admin/1/graphql.json": providers.Plain, "xb.example/admin/1/graphql.json": providers.Plain, "x/mcp": providers.MCP, "x/mcp/x": providers.Plain, "x/rpc/a/b": providers.JSONRPC,
	} {
		host, path, _ := strings.Cut(at, "/")
		if got := c.Spoken(host, "/"+path); got != want {
			t.Errorf("%s speaks %d, want %d", at, got, want)
		}
	}
	for _, bad := range []string{"graphql: [/a/../b]", "soap: [/x]"} {
		d, err := providers.Parse("a.yaml", []byte(withHosts("a", "a.example")+"speaks: {"+bad+"}\n"))
		if err == nil {
			_, err = providers.Compile(d)
		}
		if err == nil {
			t.Errorf("speaks %s compiles", bad)
		}
	}
	cs, err := providers.CompileAll(providers.BuiltIn(), []string{"github", "shopify"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cs {
		if c.Key == "github" && c.Spoken("api.github.com", "/graphql") != providers.GraphQL || c.Key == "shopify" && c.Spoken("x.myshopify.com", "/admin/api/2024-01/graphql.json") != providers.GraphQL {
			t.Errorf("%s speaks no GraphQL", c.Key)
		}
	}
}
