package operation

import (
	"fmt"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/resolver/rule"
)

const (
	mcpCall = "POST a.example/mcp\nContent-Type: application/json\n\n" + `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"create_issue","arguments":%s}}`
	gqlCall = "POST a.example/graphql\nContent-Type: application/json\n\n%s"
	rpcCall = "POST a.example/rpc\nContent-Type: application/json\n\n" + `{"jsonrpc":"2.0","id":1,"method":"transfer","params":%s}`
	restPut = "POST a.example/v1/things?%s\nContent-Type: %s\n\n%s"
	inRepo  = `tools/call create_issue when args.repo.startsWith("acme/")`
)

// Conditions decide by what is in a request; what is not known for certain does not allow,
// and it denies and asks.
func TestConditions(t *testing.T) {
	mcp := func(args string) string { return fmt.Sprintf(mcpCall, args) }
	gql := func(body string) string { return fmt.Sprintf(gqlCall, body) }
	rest := func(query, kind, body string) string { return fmt.Sprintf(restPut, query, kind, body) }
	const json, form = "application/json", "application/x-www-form-urlencoded"
	deep := strings.Repeat(`{"a":`, 150) + "1" + strings.Repeat("}", 150)
	c := connector(t, "")
	for _, x := range []struct {
		rules, request, want string // want as TestDecide of package rule has it; f where it failed
	}{
		{"allow " + inRepo, mcp(`{"repo":"acme/site"}`), "+1"},
		{"allow " + inRepo, mcp(`{"repo":"evil/site"}`), "-0"},
		{"allow " + inRepo, mcp(`{}`), "-0"},
		{"allow " + inRepo, mcp(`{"repo":7}`), "-0"},
		{"allow " + inRepo, mcp(`["acme/site"]`), "-0"},
		{"allow " + inRepo, mcp(`null`), "-0"},
		{"allow " + inRepo, mcp(`{"repo":"acme/site","Repo":"evil/x"}`), "-0"},
		{"allow " + inRepo, mcp(`{"repo":"acme/site","x":{"re_po":"evil/x"}}`), "-0"},
		{"allow " + inRepo, mcp(`{"repo":"acme/site"},"arguments":{"repo":"evil/x"}`), "-0?"},
		{"allow " + inRepo, mcp(`{"repo":"acme/site"},"Arguments":{"repo":"evil/x"}`), "-0"},
		{"allow " + inRepo, mcp(`{"repo":"acme/site","a":` + deep + `}`), "-0"},
		{"allow " + inRepo, "POST a.example/mcp\nContent-Type: application/json\n\n[" + strings.SplitN(mcp(`{"repo":"acme/site"}`), "\n\n", 2)[1] + "," + strings.SplitN(mcp(`{"repo":"evil/site"}`), "\n\n", 2)[1] + "]", "-0"},
		{"deny tools/call * when has(args.force) && args.force|allow *", mcp(`{"force":true}`), "-1"},
		{"deny tools/call * when has(args.force) && args.force|allow *", mcp(`{"force":false}`), "+2"},
		{"deny tools/call * when has(args.force) && args.force|allow *", mcp(`{}`), "+2"},
		{"deny tools/call * when has(args.force) && args.force|allow *", mcp(`{"Force":true}`), "-1f"},
		{"deny tools/call * when has(args.force) && args.force|allow *", mcp(`{"force":"yes"}`), "-1f"},
		{"ask tools/call * when args.amount > 100|allow *", mcp(`{"amount":100.5}`), "a1"},
		{"ask tools/call * when args.amount > 100|allow *", mcp(`{"amount":100}`), "+2"},
		{"ask tools/call * when args.amount > 100|allow *", mcp(`{"amount":1e2}`), "+2"},
		{"ask tools/call * when args.amount > 100|allow *", mcp(`{"amount":9007199254740993}`), "a1f"},
		{"ask tools/call * when args.amount > 100|allow *", mcp(`{"amount":"1"}`), "a1f"},
		{"ask tools/call * when args.amount > 100|allow *", mcp(`{}`), "a1f"},
		{"allow tools/call * when args.amount < 100.5", mcp(`{"amount":100}`), "+1"},
		{"allow tools/call * when args.amount == 5", mcp(`{"amount":5.0}`), "+1"},
		{`allow tools/call * when args.labels.all(l, l in ["bug", "docs"])`, mcp(`{"labels":["bug"]}`), "+1"},
		{`allow tools/call * when args.labels.all(l, l in ["bug", "docs"])`, mcp(`{"labels":["bug","x"]}`), "-0"},
		{`allow tools/call * when args.labels.all(l, args.labels.all(m, args.labels.all(n, l + m + n != "x")))`, mcp(`{"labels":["` + strings.Repeat(`aaaaaaaaaaaaaaaa","`, 2000) + `"]}`), "-0"},
		{`allow mutation createIssue when args.input.repo == "r1"`, gql(`{"query":"mutation{a:createIssue(input:{repo:\"r1\"}){id}}"}`), "+1"},
		{`allow mutation createIssue when args.input.repo == "r1"`, gql(`{"query":"mutation{a:createIssue(input:{repo:\"r1\"}){id} b:createIssue(input:{repo:\"r2\"}){id}}"}`), "-0"},
		{`allow mutation createIssue when args.input.repo == "r1"`, gql(`{"query":"mutation($i:I!){createIssue(input:$i){id}}","variables":{"i":{"repo":"r1"}}}`), "+1"},
		{`allow mutation createIssue when args.input.repo == "r1"`, gql(`{"query":"mutation($i:I!){createIssue(input:$i){id}}","variables":{"i":{"repo":"r2"}}}`), "-0"},
		{`allow mutation createIssue when args.input.repo == "r1"`, gql(`{"query":"mutation($r:ID=\"r1\"){createIssue(input:{repo:$r}){id}}","variables":{}}`), "+1"},
		{`allow mutation createIssue when args.input.repo == "r1"`, gql(`{"query":"mutation($r:ID=\"r1\"){createIssue(input:{repo:$r}){id}}","variables":{"r":"r2"}}`), "-0"},
		{`allow mutation createIssue when args.input.repo == "r1"`, gql(`{"query":"mutation{createIssue(input:$i){id}}","variables":{"i":{"repo":"r1"}}}`), "-0"},
		{`allow mutation createIssue when args.input.repo == "r1"`, gql(`{"query":"mutation($i:I){createIssue(input:$i){id}}","variables":"{\"i\":{\"repo\":\"r1\"}}"}`), "-0"},
		{`allow mutation createIssue when args.input.repo == "r1"`, gql(`{"query":"mutation{...f} fragment f on M{createIssue(input:{repo:\"r2\"}){id}}"}`), "-0"},
		{`allow mutation createIssue when args.input.repo == "r1"`, gql(`{"query":"mutation{createIssue(input:{repo:\"r1\"},input:{repo:\"r2\"}){id}}"}`), "-0"},
		{`allow query repository when args.owner == "acme"`, "GET a.example/graphql?query=" + `query($o:String){repository(owner:$o){id}}` + "&variables=%7B%22o%22:%22acme%22%7D", "+1"},
		{`allow query repository when args.owner == "acme"`, "GET a.example/graphql?query=" + `query($o:String){repository(owner:$o){id}}` + "&variables=%7B%22o%22:%22evil%22%7D", "-0"},
		{"deny tools/call * when args.force == true|allow *", mcp(`{"force":"true"}`), "-1f"},
		{"deny tools/call * when args.force == true|allow *", mcp(`{"force":1}`), "-1f"},
		{"deny tools/call * when args.force == true|allow *", mcp(`{"force":null}`), "-1f"},
		{"deny tools/call * when args.force == true|allow *", mcp(`{"force":false}`), "+2"},
		{`ask tools/call * when args.base == "main"|allow *`, mcp(`{"base":["main"]}`), "a1f"},
		{`allow tools/call * when args.visibility != "public"`, mcp(`{"visibility":["public"]}`), "-0"},
		{`allow tools/call * when args.visibility != "public"`, mcp(`{"visibility":null}`), "-0"},
		{`allow tools/call * when args.visibility != "public"`, mcp(`{"visibility":"private"}`), "+1"},
		{`allow tools/call * when !(args.visibility in ["public", "internal"])`, mcp(`{"visibility":["public"]}`), "-0"},
		{`deny tools/call * when "admin" in args.roles|allow *`, mcp(`{"roles":[["admin"]]}`), "-1f"},
		{`deny tools/call * when "admin" in args.roles|allow *`, mcp(`{"roles":{"admin":1}}`), "-1"},
		{`deny tools/call * when "admin" in args.roles|allow *`, mcp(`{"roles":["user"]}`), "+2"},
		{`allow tools/call * when args.x == null`, mcp(`{"x":null}`), "+1"},
		{`allow tools/call * when args.x == null`, mcp(`{"x":"a"}`), "-0"},
		{`allow tools/call * when args.x == ["a", "b"]`, mcp(`{"x":["a","b"]}`), "+1"},
		{`allow tools/call * when args.x != ["a"]`, mcp(`{"x":[["a"]]}`), "-0"},
		{`deny POST /v1/things when has(body.private)|allow *`, rest("", form, `{"private":false}`), "-1f"},
		{`allow POST /v1/things when !has(body.private)`, rest("", form, ` [{"private":false}]`), "-0"},
		{`allow transfer when args.to == "me"`, fmt.Sprintf(rpcCall, `{"to":"me"}`), "+1"},
		{`allow transfer when args[0] == "me"`, fmt.Sprintf(rpcCall, `["me"]`), "+1"},
		{`allow transfer when args[0] == "me"`, fmt.Sprintf(rpcCall, `["you"]`), "-0"},
		{`allow POST /v1/things when body.state == "open"`, rest("", json, `{"state":"open"}`), "+1"},
		{`allow POST /v1/things when body.state == "open"`, rest("", json+"; charset=utf-8", `{"state":"closed"}`), "-0"},
		{`allow POST /v1/things when body.state == "open"`, rest("", json, `{"state":"closed","state":"open"}`), "-0"},
		{`allow POST /v1/things when body.state == "open"`, rest("", "text/plain", `{"state":"open"}`), "-0"},
		{`allow POST /v1/things when body.state == "open"`, rest("", form, `state=open`), "+1"},
		{`allow POST /v1/things when body.state == "open"`, rest("", form, `state=open&state=closed`), "-0"},
		{`allow POST /v1/things when body.state == "open"`, rest("", form, `state=open&State=closed`), "-0"},
		{`allow POST /v1/things when body.state == "open"`, rest("", form, `state=open&state[]=closed`), "-0"},
		{`allow POST /v1/things when body.state == "open"`, rest("", form, `state=open;state=closed`), "-0"},
		{`allow POST /v1/things when body.state == "open"`, "POST a.example/v1/things\nContent-Type: application/json\nContent-Encoding: br\n\nxx", "-0"},
		{`deny POST /v1/things when has(body.admin)|allow *`, "POST a.example/v1/things\nContent-Type: application/json\nContent-Encoding: br\n\nxx", "-1f"},
		{`deny POST /v1/things when has(body.admin)|allow *`, rest("", json, `{"admin":1}`), "-1"},
		{`deny POST /v1/things when has(body.admin)|allow *`, rest("", json, `{"Admin":1}`), "-1f"},
		{`deny POST /v1/things when has(body.admin)|allow *`, rest("", json, ``), "+2"},
		{`deny POST /v1/things when has(body.admin)|allow *`, rest("", json, `[]`), "-1f"},
		{`allow POST /v1/things when query.dry == "1"`, rest("dry=1", json, `{}`), "+1"},
		{`allow POST /v1/things when query.dry == "1"`, rest("dry=1&dry=0", json, `{}`), "-0"},
		{`allow POST /v1/things when query.dry == "1"`, rest("dry=1&%64ry=0", json, `{}`), "-0"},
		{`allow POST /v1/things when query.dry == "1"`, rest("dry=1&DRY=0", json, `{}`), "-0"},
		{`allow POST /v1/things when query.dry == "1"`, rest("dry=1&a=2&a=3", json, `{}`), "+1"},
		{`deny * when query.exists(k, k != "page")|allow *`, rest("page=1&page=2", json, `{}`), "-1f"},
		{`deny * when query.exists(k, k != "page")|allow *`, rest("page=1", json, `{}`), "+2"},
		{`deny * when query["page"] == "0"|allow *`, rest("page=%zz", json, `{}`), "-1f"},
		{`allow write when operation.path.startsWith("/v1/") && operation.method == "POST" && operation.effect == "write"`, rest("", json, `{}`), "+1"},
		{`deny * when operation.name == "things/delete"|allow *`, rest("", json, `{}`), "-1f"},
		{`deny * when operation.resource == "1"|allow *`, rest("", json, `{}`), "-1f"},
		{`deny * when operation.effect == "delete"|allow *`, "POST a.example/graphql\nContent-Type: application/json\n\nnonsense", "-1f"},
		{`deny * when operation.path.startsWith("/admin")|allow *`, "GET a.example/x/../admin", "-1f"},
		{`deny * when operation.path.startsWith("/admin")|allow *`, "GET a.example/%61dmin", "-1"},
		{`deny * when operation.path.startsWith("/admin")|allow *`, "GET a.example/x%2Fadmin", "-1f"},
		{`deny * when operation.path.startsWith("/admin")|allow *`, "GET a.example/x", "+2"},
		{`deny * when operation.method == "DELETE"|allow *`, "delete a.example/x", "-1f"},
		{`deny * when operation.method == "DELETE"|allow *`, "GET a.example/x\nX-Http-Method-Override: DELETE", "-1f"},
		{`allow tools/call * when operation.name.endsWith("issue")`, mcp(`{}`), "+1"},
		{"allow * when true", "POST a.example/graphql\nContent-Type: application/json\n\nnonsense", "+1"},
	} {
		rules, err := rule.New(strings.Split(x.rules, "|"), nil)
		if err != nil {
			t.Errorf("%s: %v", x.rules, err)
			continue
		}
		h, body := head(t, c, x.request)
		h.Keeps = rules.Conditional()
		r, more := Of(h)
		switch {
		case more:
			r = With(h, body)
		case rules.Needs(&r):
			r.Body = Body(h, body)
		}
		d := rules.Decide(&r)
		got := map[bool]string{true: "+", false: "-"}[d.Allowed] + string(rune('0'+d.Number))
		if d.Ask != nil {
			got = "a" + got[1:]
		}
		if d.Unknown && d.Number == 0 && len(r.Does) == 0 {
			got += "?"
		}
		if d.Failed != "" {
			got += "f"
		}
		if got != x.want {
			t.Errorf("%s\n%.300s\n= %s, want %s (%s)", x.rules, x.request, got, x.want, d.Failed)
		}
	}
}

// A body is wanted only where a rule that is reached asks for it.
func TestNeeds(t *testing.T) {
	c := connector(t, "")
	for _, x := range []struct {
		rules, request string
		want           bool
	}{
		{`deny POST /v1/things when has(body.x)|allow *`, fmt.Sprintf(restPut, "", "application/json", "{}"), true},
		{`allow POST /v1/*|deny POST /v1/things when has(body.x)`, fmt.Sprintf(restPut, "", "application/json", "{}"), true},
		{`allow POST /v1/things|deny POST /v1/things when has(body.x)`, fmt.Sprintf(restPut, "", "application/json", "{}"), false},
		{`allow POST /v1/*|deny POST /v1/other when has(body.x)`, fmt.Sprintf(restPut, "", "application/json", "{}"), false},
		{`deny POST /v1/other when has(body.x)|allow *`, fmt.Sprintf(restPut, "", "application/json", "{}"), false},
		{`deny POST /v1/things when has(query.x)|allow *`, fmt.Sprintf(restPut, "", "application/json", "{}"), false},
		{`deny POST /v1/things when has(query.x)|allow * when body.y == 1`, fmt.Sprintf(restPut, "x=1", "application/json", "{}"), false},
		{`deny POST /v1/things when has(query.x)|allow * when body.y == 1`, fmt.Sprintf(restPut, "", "application/json", "{}"), true},
		{`deny GET /v1/things when has(body.x)|allow *`, "GET a.example/v1/things", false},
	} {
		rules, err := rule.New(strings.Split(x.rules, "|"), nil)
		if err != nil {
			t.Fatal(err)
		}
		h, _ := head(t, c, x.request)
		r, _ := Of(h)
		if got := rules.Needs(&r); got != x.want {
			t.Errorf("%s: %v", x.rules, got)
		}
	}
}
