package reach_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/providers/operations"
	"github.com/attache-proxy/attache/resolver/reach"
	"github.com/attache-proxy/attache/resolver/rule"
)

var known = []operations.Operation{
	{Name: "issues/create", Effect: operations.Write}, {Name: "issues/list", Effect: operations.Read},
	{Name: "repos/delete", Effect: operations.Delete}, {Name: "repos/get", Effect: operations.Read},
}

// What a change of rules adds, whatever way it is written.
func TestDiff(t *testing.T) {
	for _, c := range []struct{ was, is, adds, takes string }{
		{"allow read", "allow read", "", ""},
		{"allow read", "allow issues/list repos/get|allow read", "", ""},
		{"allow read", "allow read|allow issues/create", "issues/create", ""},
		{"allow read", "allow issues/list", "", "repos/get"},
		{"allow read|allow issues/create on acme/*", "allow read|allow issues/create", "issues/create on another/thing none", ""},
		{"allow read|allow issues/create on acme/a", "allow read|allow issues/create on acme/*", "issues/create on acme/acme/a acme/x", ""},
		{"deny repos/*|allow *", "allow *", "repos/delete", ""},
		{"deny effect:delete|allow repos/*", "allow repos/*", "repos/delete", ""},
		{"deny effect:delete|allow repos/*", "allow repos/*|deny effect:delete", "repos/x", ""}, // of which it is not known what it does
		{"deny effect:delete|allow repos/*", "allow repos/delete|deny effect:delete|allow repos/*", "repos/delete", ""},
		{"allow GET /v1/**", "allow GET /v1/** POST /v1/orders/*", "POST /v1/orders/x", ""},
		{"allow GET /v1/**", "allow GET /v1/orders", "", "GET /v1/x"},
		{"allow tools/call search", "allow tools/call *", "tools/call x", ""},
		{"allow a/*", "allow a/* *b", "xb", ""},
		{"deny *b|allow a/*", "deny *bb|allow a/*", "a/xb", ""},
		{"allow read", "allow read|ask repos/delete", "repos/delete", ""},
		{"ask repos/delete wait 9s", "ask repos/delete nowait", "", ""},
		{"allow repos/*", "ask repos/delete|allow repos/*", "anything without a name", "repos/delete"},
		{"allow read", "allow *", "not known what it does", ""},
		{"allow read", "allow read upgrade", "upgrade", ""},
		{"allow issues/create", `allow issues/create when args.a == "x"`, "", "issues/create"},
		{`allow issues/create when args.a == "x"`, "allow issues/create", "issues/create", ""},
		{`allow issues/create when args.a == "x"`, `allow issues/create when args.a == "y"`, "issues/create", "issues/create"},
		{`allow read|allow issues/create when args.a == "x"`, `allow issues/create when args.a == "x"|allow read`, "", ""},
		{"allow repos/*", `deny repos/delete when has(args.a)|allow repos/*`, "", "repos/delete"},
		{`deny repos/delete when has(args.a)|allow repos/*`, `ask repos/delete when has(args.a)|allow repos/*`, "repos/delete", ""},
		{`deny repos/delete when has(args.a)|allow repos/*`, "allow repos/*", "repos/delete", ""},
		{`ask repos/* when args.n > 5|allow repos/*`, `allow repos/*`, "repos/delete", "anything without a name"},
	} {
		was, err := rule.New(strings.Split(c.was, "|"), nil)
		if err != nil {
			t.Fatal(err)
		}
		is, err := rule.New(strings.Split(c.is, "|"), nil)
		if err != nil {
			t.Fatal(err)
		}
		var adds, takes []string
		for _, x := range reach.Diff(was, is, known) {
			text := x.Does
			if x.Resources != nil {
				text += " on " + strings.Join(x.Resources, " ")
			}
			if x.Adds() {
				adds = append(adds, text)
			} else {
				takes = append(takes, text)
			}
		}
		for _, w := range []struct {
			what string
			got  []string
			want string
		}{{"adds", adds, c.adds}, {"takes", takes, c.takes}} {
			if got := strings.Join(w.got, "; "); !strings.Contains(got, w.want) || w.want == "" && got != "" {
				t.Errorf("%s → %s %s %q, want %q", c.was, c.is, w.what, got, w.want)
			}
		}
		for _, x := range reach.Diff(is, is, known) {
			t.Errorf("%s → itself: %v", c.is, fmt.Sprint(x))
		}
	}
}
