package record_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/resolver/record"
	"github.com/attache-proxy/attache/resolver/rule"
)

func did(operation, effect, resource string) record.Call {
	return record.Call{Operation: operation, Effect: effect, Resource: resource, Method: "POST", Path: "/x", Worked: true, Count: 1}
}

// twin has the operations of the table that do the same.
func twin(c record.Call) record.Call {
	c.Also = func(name string) string {
		return map[string]string{"mutation createIssue": "issues/create", "mutation mergePull": "pulls/merge"}[name]
	}
	return c
}

func refused(c record.Call, code string) record.Call {
	c.Code, c.Worked = code, false
	return c
}

func sent(method, path, effect string) record.Call {
	return record.Call{Effect: effect, Method: method, Path: path, Worked: true, Count: 2}
}

// What is suggested covers what worked, and nothing that was refused.
func TestSuggest(t *testing.T) {
	failed := did("repos/create", "write", "")
	failed.Worked = false
	for _, c := range []struct {
		name  string
		calls []record.Call
		rules string
		notes string
	}{
		{"nothing", nil, "", ""},
		{"one that reads", []record.Call{did("users/get", "read", "")}, "allow users/get", ""},
		{"two that read", []record.Call{did("users/get", "read", ""), did("repos/get", "read", "acme/a")}, "allow repos/get users/get", ""},
		{"several that read", []record.Call{did("a", "read", ""), did("b", "read", ""), did("c", "read", "")}, "allow read", ""},
		{"one that reads without a name", []record.Call{sent("GET", "/x", "read")}, "allow read", ""},
		{"a batch", []record.Call{did("query viewer + query me", "read", "")}, "allow query me query viewer", ""},
		{"writing on one resource", []record.Call{did("issues/create", "write", "acme/a")}, "allow issues/create on acme/a", ""},
		{"on two", []record.Call{did("issues/create", "write", "acme/a"), did("issues/create", "write", "acme/b")}, "allow issues/create on acme/a acme/b", ""},
		{"on several of one owner", []record.Call{did("issues/create", "write", "acme/a"), did("issues/create", "write", "acme/b"), did("issues/create", "write", "acme/c")}, "allow issues/create on acme/*", ""},
		{"on several of two", []record.Call{did("issues/create", "write", "acme/a"), did("issues/create", "write", "acme/b"), did("issues/create", "write", "bob/c")}, "allow issues/create", "resources of several owners"},
		{"a family is guarded", []record.Call{did("repos/a", "write", "acme/a"), did("repos/b", "write", "acme/a"), did("repos/c", "write", "acme/a")}, "deny effect:delete effect:admin effect:money|allow repos/* on acme/a", ""},
		{"no family without a resource", []record.Call{did("repos/a", "write", ""), did("repos/b", "write", ""), did("repos/c", "write", "")}, "allow repos/a repos/b repos/c", ""},
		{"mutations stay names", []record.Call{did("mutation a", "write", ""), did("mutation b", "write", ""), did("mutation c", "write", "")}, "allow mutation a mutation b mutation c", ""},
		{"a tool with spaces", []record.Call{did("tools/call look it up", "write", "")}, `allow "tools/call look it up"`, ""},
		{"refused", []record.Call{did("a", "write", ""), refused(did("b", "delete", ""), "operation_denied")}, "deny effect:delete|allow a", ""},
		{"asked", []record.Call{refused(did("pulls/merge", "write", "acme/a"), "approval_pending"), did("pulls/merge", "write", "acme/a")}, "ask pulls/merge", ""},
		{"asked about without a name", []record.Call{refused(sent("POST", "/v1/pay/7", "write"), record.Asked), sent("POST", "/v1/pay/7", "write"), sent("POST", "/v1/x", "write")}, "ask POST /v1/pay/*|allow POST /v1/x", ""},
		{"by either of two names", []record.Call{twin(did("mutation createIssue", "write", "")), did("issues/create", "write", "acme/a"), twin(refused(did("mutation mergePull", "write", ""), record.Asked)), did("pulls/merge", "write", "acme/a")}, "ask pulls/merge|allow issues/create", ""},
		{"what failed is not covered", []record.Call{failed}, "", ""},
		{"other refusals are none of rules", []record.Call{refused(did("b", "delete", ""), "account_expired")}, "", ""},
		{"by path", []record.Call{sent("POST", "/v1/orders/123/lines", "write"), sent("POST", "/v1/orders/9/lines", "write")}, "allow POST /v1/orders/*/lines", ""},
		{"not recorded", []record.Call{sent("POST", "/graphql", "")}, "", "not known what they did"},
		{"not readable", []record.Call{did("tools/call search", "write", ""), sent("POST", "/mcp", "unknown")}, "allow tools/call search", "POST /mcp: of 2 calls it is not known what they did"},
		{"words that are more than a name", []record.Call{did("write", "write", ""), did("*", "write", ""), did("effect:delete", "write", ""), did("upgrade", "write", ""), did("POST /x", "write", ""), did("on", "write", ""), did("nowait", "write", ""), did("wait", "write", ""), did("when", "write", ""), did("tools/call search", "write", "")}, "allow tools/call search", "no rule here permits"},
		{"a star in a path", []record.Call{sent("DELETE", "/*/*", "delete")}, "", "no rule here permits"},
		{"names that would be more than they are", []record.Call{did("tools/call }", "write", ""), did("tools/call x # y", "write", ""), did("tools/call {$HOME}", "write", ""), did("tools/call dr*", "write", ""), did("tools/call a\nallow *", "write", ""), did("tools/call pаy", "write", "")}, "", "no rule here permits"},
		{"one that reads", []record.Call{did("query *", "read", "")}, "", "no rule here permits"},
		{"a resource", []record.Call{did("issues/create", "write", "acme/{env.X}"), did("issues/create", "write", "acme/a b"), did("issues/create", "write", "acme/a")}, "allow issues/create on acme/a", "acme/{env.X}: 1 calls that no rule here permits"},
		{"a path", []record.Call{sent("POST", "/v1/{env.X}/x", "write")}, "", "no rule here permits"},
		{"asked about", []record.Call{refused(did("tools/call }", "write", ""), "approval_pending")}, "", ""},
		{"a name that no rule can have", []record.Call{did(`tools/call a"b`, "write", "")}, "", "no rule here permits"},
	} {
		s := record.Suggest(c.calls)
		if got := strings.Join(s.Rules, "|"); got != c.rules {
			t.Errorf("%s: %q, want %q", c.name, got, c.rules)
		}
		if notes := strings.Join(s.Notes, "|"); !strings.Contains(notes, c.notes) || c.notes == "" && notes != "" {
			t.Errorf("%s: notes %q, want %q", c.name, notes, c.notes)
		}
	}
}

// Two thousand names make rules that a grant may have.
func TestSuggestMany(t *testing.T) {
	var calls []record.Call
	for i := range 2000 {
		calls = append(calls, did("things/"+strings.Repeat("x", 20)+string(rune('a'+i%26))+string(rune('a'+i/26%26))+string(rune('a'+i/676)), "write", ""))
	}
	s := record.Suggest(calls)
	if _, err := rule.New(s.Rules, nil); err != nil || len(s.Notes) > 0 {
		t.Fatal(err, s.Notes)
	}
}

// What rules would have made of what was called.
func TestReplay(t *testing.T) {
	rules, err := rule.New([]string{"deny effect:delete", "allow read", "allow issues/create on acme/*"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	often := did("users/get", "read", "")
	often.Count = 40
	got := record.Replay(rules, []record.Call{
		often, did("issues/create", "write", "acme/a"), did("issues/create", "write", "bob/a"), did("repos/delete", "delete", "acme/a"), sent("POST", "/graphql", ""),
		refused(did("teams/list", "read", ""), "operation_denied"), refused(did("teams/drop", "delete", ""), "operation_denied"), refused(did("x", "read", ""), "account_expired"),
	})
	var lines []string
	for _, v := range got {
		lines = append(lines, map[bool]string{true: "allow ", false: "refuse "}[v.Allowed]+map[bool]string{true: "! ", false: ""}[v.Changed]+v.Label+" by "+v.Rule)
	}
	want := []string{
		"refuse ! POST /graphql by deny effect:delete", "refuse ! issues/create on bob/a by ", "refuse ! repos/delete on acme/a by deny effect:delete",
		"allow ! teams/list by allow read",
		"allow users/get by allow read", "allow issues/create on acme/a by allow issues/create on acme/*", "refuse teams/drop by deny effect:delete",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
}

// What hangs on conditions is told as the stricter, and said to.
func TestReplayConditions(t *testing.T) {
	rules, err := rule.New([]string{"deny tools/call a when has(args.force)", `allow tools/call b when args.x == "y"`, "allow *"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"a": "false true 1", "b": "true true 3", "c": "true false 3"} {
		v := record.Replay(rules, []record.Call{did("tools/call "+name, "write", "")})[0]
		if got := fmt.Sprint(v.Allowed, v.Hangs, v.Number); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
