package operation

import (
	"strings"
	"testing"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/operations"
)

// TestTablesAgreeWithAccess: a GET that a connector does not take for reading is not
// reading either where its table says so: the stricter wins.
func TestTablesAgreeWithAccess(t *testing.T) {
	all, err := providers.CompileAll(providers.BuiltIn(), nil)
	if err != nil {
		t.Fatal(err)
	}
	judged := 0
	for _, c := range all {
		a := &c.Definition.Access
		if !a.OnlyListed && len(a.Write) == 0 && len(a.Query) == 0 && len(a.MethodQuery) == 0 {
			continue
		}
		x, _ := c.Operations().(*operations.Index)
		if x == nil {
			continue
		}
		entries := x.Entries()
		for i := 0; i < len(entries); i += 1 + len(entries)/500 {
			e := &entries[i]
			if e.Method != "GET" || e.Virtual {
				continue
			}
			path, query, _ := strings.Cut(strings.NewReplacer("{", "", "}", "", "+", "").Replace(e.Template), "?")
			h := &Head{Does: providers.Does{Methods: []string{"GET"}, Path: path, Query: query}, Connector: c, OnBase: true, Table: c.Operations()}
			h.Host, _, _ = strings.Cut(strings.ReplaceAll(e.Host, "*", "x"), " ")
			r, _ := Of(h)
			judged++
			for _, does := range r.Does {
				if does.Effect == operations.Read && !c.Reads(h.Does) {
					t.Errorf("%s: GET %s is %s, which reads; access says otherwise", c.Key, path, does.Name)
				}
			}
		}
	}
	if judged < 100 {
		t.Errorf("only %d operations were judged", judged)
	}
}
