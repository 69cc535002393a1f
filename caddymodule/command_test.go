package caddymodule_test

import (
	"reflect"
	"testing"

	"github.com/attache-proxy/attache/caddymodule"
	"github.com/attache-proxy/attache/caddymodule/client"
)

// TestClientReadsWhatTheProxySays holds the two sides of /.well-known/attache
// together.
func TestClientReadsWhatTheProxySays(t *testing.T) {
	for _, pair := range [][2]reflect.Type{
		{reflect.TypeFor[caddymodule.About](), reflect.TypeFor[client.About]()},
		{reflect.TypeFor[caddymodule.AboutConnector](), reflect.TypeFor[client.Connector]()},
		{reflect.TypeFor[caddymodule.TestResult](), reflect.TypeFor[client.TestResult]()},
	} {
		got, want := tags(pair[1]), tags(pair[0])
		for name, kind := range want {
			if got[name] != kind {
				t.Errorf("%v has %q as %v, the proxy sends %v", pair[1], name, got[name], kind)
			}
		}
	}
}

// tags are the JSON names of a struct's fields, with their kinds.
func tags(t reflect.Type) map[string]reflect.Kind {
	out := map[string]reflect.Kind{}
	for i := range t.NumField() {
		out[t.Field(i).Tag.Get("json")] = t.Field(i).Type.Kind()
	}
	return out
}
