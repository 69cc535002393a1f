package fieldname

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
)

// Past a server that drops them, names with _ and . are there again, and those that
// could be taken for another header are not, whether a server dropped them or none did.
func TestRestore(t *testing.T) {
	pass := []string{"X-Amz-Meta-My_key", "X-Ms-Meta-A_b", "Mcp-Param-Tenant_id", "X-Amz-Meta-V1.2", "A_b.c", "Content_hash", "User_Agent", "_", "X.y", "X-Plain"}
	gone := []string{"Attache_Account", "Attache.Error", "Proxy_Authorization", "Content_Length", "Content.Type", "Content_Encoding", "Transfer_Encoding", "Transfer.Encoding", "Keep_Alive", "Max_Forwards"}
	for _, direct := range []bool{false, true} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		for _, name := range append(slices.Clone(pass), gone...) {
			r.Header[name] = []string{"one", "two"}
		}
		var got http.Header
		last := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			Restore(r)
			got = r.Header
		})
		if direct {
			last.ServeHTTP(httptest.NewRecorder(), r)
		} else {
			Aside{Next: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				for name := range r.Header {
					if isOdd(name) {
						t.Errorf("%s comes to Caddy's server", name)
					}
				}
				last(w, r)
			})}.ServeHTTP(httptest.NewRecorder(), r)
		}
		names := slices.Sorted(maps.Keys(got))
		if want := slices.Sorted(slices.Values(pass)); !slices.Equal(names, want) {
			t.Errorf("direct %v: got %v, want %v", direct, names, want)
		}
		for name, values := range got {
			if !slices.Equal(values, []string{"one", "two"}) {
				t.Errorf("direct %v: %s = %q", direct, name, values)
			}
		}
	}
}
