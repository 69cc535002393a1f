package rule

import (
	"strings"
	"testing"

	"github.com/attache-proxy/attache/providers/operations"
)

type table []string

func (t table) Find(string, string) (operations.Operation, bool) {
	return operations.Operation{}, false
}
func (t table) Names() []string { return t }

var issues = table{"issues/create", "issues/create-comment", "issues/list", "pulls/merge", "repos/delete"}

// request is a name, an effect and a resource, or several with + between; a name with ?
// before it is unsure, = is before another name of the same, and "unknown" alone is what is not known.
func request(t *testing.T, s string) *Request {
	r := &Request{Methods: []string{"POST"}, Path: "/v1/x"}
	if s == "unknown" {
		return r
	}
	for one := range strings.SplitSeq(s, " + ") {
		f := strings.Split(one, ",")
		effect, err := operations.ParseEffect(f[1])
		if err != nil {
			t.Fatal(err)
		}
		name, unsure := strings.CutPrefix(f[0], "?")
		name, also, _ := strings.Cut(name, "=")
		d := Does{Also: also, Operation: operations.Operation{Name: name, Effect: effect}, Unsure: unsure}
		if len(f) > 2 {
			d.Resource = f[2]
		}
		r.Does = append(r.Does, d)
	}
	return r
}

// The first rule that matches decides, nothing is the end, and what cannot be compared
// is denied.
func TestDecide(t *testing.T) {
	for _, c := range []struct {
		rules, request string
		want           string // the number of the rule with + or -; 0 none; ? because it is not known
	}{
		{"allow read", "issues/list,read", "+1"}, {"allow read", "issues/create,write", "-0"}, {"allow read", "unknown", "-0?"}, {"allow read", "?,read", "+1"}, {"allow read", "upgrade,unknown", "-0"},
		{"allow write", "a,delete", "+1"}, {"allow write", "a,read", "-0"}, {"allow effect:write", "a,delete", "-0"}, {"allow effect:delete", "a,delete", "+1"}, {"allow effect:unknown", "a,unknown", "+1"},
		{"allow *", "unknown", "+1"}, {"allow *", "a,unknown", "+1"}, {"allow * on x", "a,read", "-0"}, {"allow * on x", "unknown", "-0?"}, {"allow * on x", "a,read,x", "+1"},
		{"deny effect:delete|allow *", "a,delete", "-1"}, {"deny effect:delete|allow *", "a,write", "+2"}, {"deny effect:delete|allow *", "unknown", "-1?"}, {"deny effect:delete|allow *", "a,unknown", "-1?"},
		{"allow *|deny effect:delete", "a,delete", "-2"}, {"allow *|deny effect:delete", "a,write", "+1"}, {"allow *|deny effect:delete", "unknown", "+1"}, {"allow *|deny effect:delete", "a,unknown", "+1"},
		{"allow repos/* on acme/*|deny effect:delete", "repos/delete,delete,acme/a", "-2"}, {"allow repos/delete on acme/*|deny effect:delete", "repos/delete,delete,acme/a", "+1"}, {"allow repos/delete on acme/*|deny effect:delete", "repos/delete,delete,b/a", "-2"}, {"allow read repos/delete|deny effect:delete", "repos/delete,delete", "+1"},
		{"allow write|ask a|deny effect:delete", "a,delete", "-3"}, {"ask a|deny effect:delete", "a,delete", "a1"}, {"allow POST /v1/*|deny a", "a,write", "-2"}, {"allow POST /v1/x|deny a", "a,write", "+1"}, {"allow * /v1/x|deny a", "a,write", "-2"}, {"allow a*|deny POST /v1/**", "a,write", "-2"}, {"deny *", "a,read", "-1"},
		{"allow issues/create issues/create-comment", "issues/create-comment,write", "+1"}, {"allow issues/*", "issues/create,write", "+1"}, {"allow issues/*", "pulls/merge,write", "-0"}, {"allow issues/create", "?,write", "-0"}, {"allow issues/create", "?issues/create,write", "+1"},
		{"deny repos/delete|allow write", "?,delete", "-1?"}, {"deny repos/delete|allow write", "repos/delete,delete", "-1"}, {"deny repos/delete|allow write", "issues/create,write", "+2"},
		{"allow issues/* on acme/*", "issues/create,write,acme/private", "+1"}, {"allow issues/* on acme/*", "issues/create,write,evil/private", "-0"}, {"allow issues/* on acme/*", "issues/create,write,ACME/private", "-0"}, {"allow issues/* on acme/* b", "issues/create,write,b", "+1"},
		{"deny * on acme/secret|allow *", "a,read,acme/secret", "-1"}, {"deny * on acme/secret|allow *", "a,read,ACME/Secret", "-1"}, {"deny * on acme/secret|allow *", "a,read", "-1?"}, {"deny * on acme/secret|allow *", "a,read,acme/b", "+2"},
		{"allow query *|allow mutation createIssue", "mutation createIssue,write", "+2"}, {"allow query *|allow mutation createIssue", "mutation deleteIssue,write", "-0"}, {`allow "mutation createIssue"`, "mutation createIssue,write", "+1"}, {"allow mutation create*", "mutation createIssue,write + x,write", "-0"},
		{"allow tools/call search", "tools/call search,write", "+1"}, {"allow tools/call search", "tools/call search,write + tools/call drop,write", "-0"}, {"allow tools/call s* read", "tools/call search,write + tools/list,read", "+1"},
		{"deny tools/call drop_db|allow *", "tools/call DROP_db,write", "-1"}, {"allow tools/call drop_db", "tools/call DROP_db,write", "-0"},
		{"ask pulls/merge|allow *", "pulls/merge,write", "a1"}, {"ask pulls/merge|allow *", "issues/list,read", "+2"}, {"ask pulls/merge|allow *", "?,write", "a1?"}, {"ask pulls/merge|allow *", "unknown", "-1?"}, {"ask *", "unknown", "a1"}, {"ask *|deny *", "a,read", "-2"}, {"ask a|deny *", "a,read", "a1"},
		{"deny effect:delete|ask write|allow read", "a,delete", "-1"}, {"deny effect:delete|ask write|allow read", "a,write + b,read", "a2"}, {"deny effect:delete|ask write|allow read", "a,write + b,delete", "-1"}, {"ask write", "a,write + b,read", "-0"}, {"ask * on acme/*|allow *", "a,read,ACME/x", "a1"}, {"ask * on acme/*|allow *", "a,read,b/x", "+2"}, {"ask * on acme/*|allow *", "a,read", "a1?"},
		{"ask POST /v1/*|allow *", "a,write", "a1"}, {"ask GET /v1/*|allow *", "a,write", "+2"}, {"ask write wait 9s|ask read nowait", "a,write + b,read", "a2"},
		{"allow pulls/merge", "mutation merge=pulls/merge,write", "+1"}, {"ask pulls/merge|allow write", "mutation merge=pulls/merge,write", "a1"}, {"deny Pulls/*|allow write", "mutation merge=pulls/merge,write", "-1"}, {"deny mutation merge|allow pulls/*", "mutation merge=pulls/merge,write", "-1"}, {"allow pulls/merge on acme/*", "mutation merge=pulls/merge,write", "-0"}, {"allow pulls/x", "mutation merge=pulls/merge,write", "-0"},
		{"allow upgrade", "upgrade,unknown", "-0"}, {"allow POST /v1/*", "a,write", "+1"}, {"allow POST /v1/*", "unknown", "+1"}, {"allow GET /v1/*", "a,read", "-0"}, {"deny POST /V1/X|allow *", "a,write", "-1"}, {"allow * /v1/**", "a,delete", "+1"},
	} {
		s, err := New(strings.Split(c.rules, "|"), nil)
		if err != nil {
			t.Errorf("%s: %v", c.rules, err)
			continue
		}
		d := s.Decide(request(t, c.request))
		got := map[bool]string{true: "+", false: "-"}[d.Allowed] + string(rune('0'+d.Number))
		if d.Ask != nil {
			got = "a" + got[1:]
		}
		if d.Unknown {
			got += "?"
		}
		if got != c.want {
			t.Errorf("%s: %s = %s, want %s", c.rules, c.request, got, c.want)
		}
	}
}

// Method and path: what allows must be all that the request may be taken for.
func TestDecideByPath(t *testing.T) {
	for _, c := range []struct {
		rules   string
		request Request
		allowed bool
	}{
		{"allow GET /a/*", Request{Methods: []string{"GET"}, Path: "/a/b"}, true},
		{"allow GET /a/*", Request{Methods: []string{"HEAD"}, Path: "/a/b"}, true},
		{"allow GET /a/*", Request{Methods: []string{"get"}, Path: "/a/b"}, false},
		{"allow GET /a/*", Request{Methods: []string{"GET"}, Path: "/a/b", Upgrade: true}, false},
		{"allow GET /a/*", Request{Methods: []string{"GET"}, Path: "/a/b", Unclear: true}, false},
		{"allow GET /a/*", Request{Methods: []string{"GET", "DELETE"}, Path: "/a/b"}, false},
		{"allow GET /a/*", Request{Methods: []string{"GET"}, Path: "/a/b%2Fc"}, false},
		{"allow GET /a/*", Request{Path: "/a/b"}, false},
		{"allow upgrade", Request{Methods: []string{"GET"}, Path: "/a", Upgrade: true}, true},
		{"allow upgrade", Request{Methods: []string{"GET"}, Path: "/a"}, false},
		{"deny GET /a/*|allow *", Request{Methods: []string{"HEAD"}, Path: "/a/b"}, false},
		{"deny GET /a/*|allow *", Request{Methods: []string{"POST", "GET"}, Path: "/A/b/"}, false},
		{"deny DELETE /a/*|allow *", Request{Methods: []string{"delete"}, Path: "/a/b"}, false},
		{"deny GET /a/*|allow *", Request{Methods: []string{"GET"}, Path: "/b", Unclear: true}, false},
		{"deny GET /a/*|allow *", Request{Methods: []string{"GET"}, Path: "/b"}, true},
	} {
		s, err := New(strings.Split(c.rules, "|"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if d := s.Decide(&c.request); d.Allowed != c.allowed {
			t.Errorf("%s: %+v = %+v", c.rules, c.request, d)
		}
	}
	if Nothing().Decide(&Request{}).Allowed || (*Set)(nil).Decide(&Request{}).Allowed {
		t.Error("no rules permit something")
	}
}

// The rule that allows exactly what a person said yes to allows nothing else.
func TestExactly(t *testing.T) {
	for _, c := range []struct {
		does Does
		want string
	}{
		{Does{Operation: operations.Operation{Name: "pulls/merge", Effect: operations.Write, Resource: "acme/site"}}, "allow pulls/merge on acme/site"},
		{Does{Operation: operations.Operation{Name: "mutation mergePull", Effect: operations.Write}}, `allow "mutation mergePull"`},
		{Does{Operation: operations.Operation{Name: "pulls/merge"}, Unsure: true}, ""}, {Does{}, ""}, {Does{Operation: operations.Operation{Name: "*"}}, ""}, {Does{Operation: operations.Operation{Name: "read"}}, ""},
		{Does{Operation: operations.Operation{Name: "tools/call a*"}}, ""}, {Does{Operation: operations.Operation{Name: `tools/call a" allow "*`}}, ""}, {Does{Operation: operations.Operation{Name: "a", Resource: "*"}}, ""}, {Does{Operation: operations.Operation{Name: "on"}}, ""},
		{Does{Operation: operations.Operation{Name: "tools/call search on x"}}, `allow "tools/call search on x"`}, {Does{Operation: operations.Operation{Name: "tools/call a\nb"}}, ""}, {Does{Operation: operations.Operation{Name: "effect:delete"}}, ""}, {Does{Operation: operations.Operation{Name: "POST /x"}}, ""},
	} {
		if got, ok := Exactly(c.does); got != c.want || ok != (c.want != "") {
			t.Errorf("%+v: %q, %v, want %q", c.does, got, ok, c.want)
		}
	}
}

// What a rule cannot mean is an error that helps.
func TestMistakes(t *testing.T) {
	for line, want := range map[string]string{
		"": "it is empty", "permit read": "want allow, ask, deny or learn", "learn read": "learn stands alone", "allow": "does not say what", "ask pulls/merge wait": "one duration", "ask pulls/merge wait 1ms": "from 1s", "ask pulls/merge wait 1h": "from 1s", "ask pulls/merge wait 9s on x": "one duration", "ask pulls/merge nowait on x": "at the end", "ask wait 9s": "does not say what", "allow read nowait": "begins with ask", "deny read wait 9s": "begins with ask", "allow read on": "on wants resources", "allow read when args": "want true or false",
		"allow issues/creat": "did you mean issues/create?", "allow pull/merge": "did you mean pulls/merge?", "allow nonsense/things": "attache connectors operations", "allow reed": "did you mean read?", "allow effect:erase": "is no effect",
		"allow GET": "wants a path", "allow GTE /x": "did you mean GET?", "allow GET x": "must begin with /", "allow GET /a/../b": "cannot match", "allow tools/call": "wants a name", `allow "x`: "not closed", `allow a"b`: "within a word", "allow\nread": "line break",
		"allow " + strings.Repeat("x", MostText): "longer than",
	} {
		if _, err := New([]string{line}, issues); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q = %v, want %s", line, err, want)
		}
	}
	for _, line := range []string{"allow issues/*", "allow tools/call *", "deny  effect:delete effect:admin", "\tallow\tread ", "allow GET /x", "allow PURGE /x", "allow upgrade", "allow notifications/*", `allow "tools/call a b"`, "ask pulls/merge", "ask pulls/merge on acme/* wait 90s", "ask effect:admin nowait"} {
		if _, err := New([]string{line}, issues); err != nil {
			t.Errorf("%q = %v", line, err)
		}
	}
	if _, err := New([]string{"allow wriet"}, nil); err == nil || !strings.Contains(err.Error(), "did you mean write?") {
		t.Errorf("without a table: %v", err)
	}
	if _, err := New(nil, nil); err == nil {
		t.Error("no rules are a set")
	}
	if _, err := New(make([]string, Most+1), nil); err == nil {
		t.Error("any number of rules are a set")
	}
	if got := Line([]string{"allow", "tools/call a", "b"}); got != `allow "tools/call a" b` {
		t.Errorf("Line = %s", got)
	}
}

func BenchmarkDecide(b *testing.B) {
	var lines []string
	for range 49 {
		lines = append(lines, "deny effect:admin repos/delete-* on acme/secret")
	}
	s, err := New(append(lines, "allow issues/*"), nil)
	if err != nil {
		b.Fatal(err)
	}
	r := &Request{Methods: []string{"POST"}, Path: "/repos/a/b/issues", Does: []Does{{Operation: operations.Operation{Name: "issues/create", Effect: operations.Write, Resource: "a/b"}}}}
	b.ReportAllocs()
	for b.Loop() {
		if !s.Decide(r).Allowed {
			b.Fatal("denied")
		}
	}
}
