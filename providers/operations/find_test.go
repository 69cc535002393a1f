package operations

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// naive finds an operation as the words of At say, template by template.
func naive(entries []Entry, method, path string) (Operation, bool) {
	best, at := "", -1
	for _, m := range []string{method, "GET"} {
		for i := range entries {
			if rank, ok := ranked(entries[i].Template, path); ok && entries[i].Method == m && (at < 0 || rank > best) {
				best, at = rank, i
			}
		}
		if at >= 0 || method != "HEAD" {
			break
		}
	}
	if at < 0 {
		return Operation{}, false
	}
	e := entries[at]
	return Operation{Name: e.Name, Effect: e.Effect}, true
}

// ranked matches a template, and says by how much: a character a segment, higher for more
// fixed text.
func ranked(template, path string) (string, bool) {
	want, have := strings.Split(template[1:], "/"), strings.Split(strings.ToLower(strings.TrimSuffix(path[1:], "/")), "/")
	rank := ""
	for i, w := range want {
		w = strings.ToLower(w)
		if strings.HasSuffix(w, "+}") {
			if len(have) <= i || have[i] == "" {
				return "", false
			}
			return rank + "\x00", true
		}
		if i >= len(have) {
			return "", false
		}
		before, after, kind := shape(w)
		switch {
		case kind == literal && have[i] == before:
			rank += "\xff"
		case kind == parameter && have[i] != "":
			rank += "\x01"
		case kind == mixed && len(have[i]) > len(before)+len(after) && strings.HasPrefix(have[i], before) && strings.HasSuffix(have[i], after):
			rank += string(rune(2 + 4*(len(before)+len(after)) + len(before)))
		default:
			return "", false
		}
	}
	return rank, len(want) == len(have)
}

// TestFindIsTheNaiveOne compares the index with a matcher that tries every template, on
// random tables and paths of few words.
func TestFindIsTheNaiveOne(t *testing.T) {
	r := rand.New(rand.NewPCG(16, 9))
	segs := []string{"a", "b", "A", "{x}", "{y}", "{x}:go", "{y}:a", "v{n}", "v{n}:go", "{z+}"}
	words := []string{"a", "b", "B", "c", "v1", "v1:go", "x:go", "x:a", "v", ":go"}
	methods := []string{"GET", "POST", "DELETE", "HEAD"}
	path := func(of []string) string {
		var b strings.Builder
		for range 1 + r.IntN(4) {
			b.WriteString("/" + of[r.IntN(len(of))])
			if strings.HasSuffix(b.String(), "+}") {
				break
			}
		}
		return b.String()
	}
	found := 0
	for round := range 400 {
		var entries []Entry
		seen := map[string]bool{}
		for i := range 1 + r.IntN(25) {
			e := Entry{Method: methods[r.IntN(len(methods))], Template: path(segs), Name: fmt.Sprint(i), Effect: Write}
			if id := e.Method + strings.ToLower(strings.NewReplacer("y", "x", "z", "x", "n", "x").Replace(e.Template)); !seen[id] {
				seen[id] = true
				entries = append(entries, e)
			}
		}
		x, err := New(entries)
		if err != nil {
			t.Fatal(err)
		}
		for range 50 {
			m, p := methods[r.IntN(len(methods))], path(words)
			if r.IntN(4) == 0 {
				p += "/"
			}
			got, ok := x.Find(m, p)
			want, wantOK := naive(entries, m, p)
			if got.Resource = ""; got != want || ok != wantOK {
				t.Fatalf("round %d: %s %s is %v, %v; the naive one says %v, %v, of %+v", round, m, p, got, ok, want, wantOK, entries)
			}
			if ok {
				found++
			}
		}
	}
	if found < 1000 {
		t.Errorf("only %d paths were found: the words are out of date", found)
	}
}

func TestFind(t *testing.T) {
	x, err := New([]Entry{
		{Method: "GET", Template: "/repos/{owner}/{repo}", Name: "get", Effect: Read, From: 1, To: 3},
		{Method: "DELETE", Template: "/repos/{owner}/{repo}", Name: "delete", Effect: Delete, From: 1, To: 3},
		{Method: "GET", Template: "/users/{id}", Name: "user", Effect: Read, From: 1, To: 2},
		{Method: "GET", Template: "/users/me", Name: "me", Effect: Read},
		{Method: "DELETE", Template: "/users/{id}", Name: "dismiss", Effect: Delete, From: 1, To: 2},
		{Method: "GET", Template: "/projects/{id}", Name: "project", Effect: Read, From: 1, To: 2},
		{Method: "GET", Template: "/projects/{id}/issues", Name: "issues", Effect: Read, From: 1, To: 2},
		{Method: "POST", Template: "/v1/{topic}:publish", Name: "publish", Effect: Write, From: 1, To: 2},
		{Method: "GET", Template: "/files/{path+}", Name: "file", Effect: Read, From: 1, To: 2},
		{Method: "HEAD", Template: "/files/{path+}", Name: "look", Effect: Read, From: 1, To: 2},
		{Host: "s3.*.test", Method: "PUT", Template: "/{Bucket}/{Key+}", Name: "put", Effect: Write, From: 0, To: 2},
		{Host: "s3.*.test", Method: "PUT", Template: "/{Bucket}/{Key+}?acl", Name: "acl", Effect: Admin, From: 0, To: 2},
		{Host: "s3.*.test", Method: "GET", Template: "/{Bucket}?list-type=2", Name: "list2", Effect: Read, From: 0, To: 1},
		{Host: "s3.*.test", Method: "GET", Template: "/{Bucket}", Name: "list", Effect: Read, From: 0, To: 1},
		{Host: "*.s3.*.test", Virtual: true, Method: "PUT", Template: "/{Bucket}/{Key+}", Name: "put", Effect: Write, From: 0, To: 2},
		{Host: "*.s3.*.test", Virtual: true, Method: "GET", Template: "/{Bucket}", Name: "list", Effect: Read, From: 0, To: 1},
		{Host: "db.*.test", Method: Action, Template: "/GetItem", Name: "db:GetItem", Effect: Read},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		host, method, path, query string
		name, resource            string
		ok                        bool
	}{
		{"", "GET", "/repos/acme/private", "", "get", "acme/private", true},
		{"", "HEAD", "/repos/acme/private", "", "get", "acme/private", true},
		{"", "DELETE", "/repos/acme/private/", "", "delete", "acme/private", true},
		{"", "DELETE", "/%72epos/acme/pr%69vate", "", "delete", "acme/private", true},
		{"", "DELETE", "/REPOS/acme/private", "", "delete", "acme/private", true},
		{"", "DELETE", "/repos/acme%2Fprivate", "", "delete", "acme/private", true}, // some take it for a slash
		{"", "delete", "/repos/acme/private", "", "", "", false},
		{"", "PATCH", "/repos/acme/private", "", "", "", false},
		{"", "GET", "/repos/acme", "", "", "", false},
		{"", "GET", "/repos/acme/private/x", "", "", "", false},
		{"", "GET", "/", "", "", "", false},
		{"", "GET", "*", "", "", "", true}, // it is no path: anything
		{"", "GET", "/users/me", "", "me", "", true},
		{"", "DELETE", "/users/me", "", "dismiss", "me", true},
		{"", "GET", "/projects/acme%2fprivate", "", "project", "acme/private", true},
		{"", "GET", "/projects/acme%2Fissues", "", "", "", true}, // the project, or its issues
		{"", "GET", "/repos/acme/../x", "", "", "", true},
		{"", "GET", "/repos/acme/x%252f", "", "", "", true},
		{"", "POST", "/v1/orders:publish", "", "publish", "orders", true},
		{"", "POST", "/v1/:publish", "", "", "", false},
		{"", "HEAD", "/files/a/b", "", "look", "a/b", true},
		{"other.test", "GET", "/files/", "", "", "", false},
		{"s3.eu.test", "PUT", "/b/k/l", "", "put", "b/k/l", true},
		{"s3.eu.test", "PUT", "/b/k/l", "acl", "acl", "b/k/l", true},
		{"s3.eu.test", "PUT", "/b/k/l", "x=1&%61cl=", "acl", "b/k/l", true},
		{"s3.eu.test", "PUT", "/b/k%2fl", "", "put", "b/k/l", true},
		{"s3.eu.test", "GET", "/b", "list-type=2&prefix=x", "list2", "b", true},
		{"s3.eu.test", "GET", "/b", "list-type=1", "list", "b", true},
		{"my.bucket.s3.eu.test", "PUT", "/k/l", "", "put", "my.bucket/k/l", true},
		{"bucket.s3.eu.test", "GET", "/", "", "list", "bucket", true},
		{"s3.a.b.test", "GET", "/b", "", "", "", false},
		{"other.test", "PUT", "/b/k", "", "", "", false},
		{"other.test", "GET", "/repos/acme/private", "", "get", "acme/private", true},
	} {
		op, ok := x.At(tt.host, tt.method, tt.path, tt.query)
		if ok != tt.ok || op.Name != tt.name || op.Resource != tt.resource {
			t.Errorf("%s %s%s?%s is %+v, %v; want %q on %q, %v", tt.method, tt.host, tt.path, tt.query, op, ok, tt.name, tt.resource, tt.ok)
		}
		if ok && op.Name == "" && op.Effect != Unknown {
			t.Errorf("%s: no name, and the effect %s", tt.path, op.Effect)
		}
	}
	for name, want := range map[string]string{"GetItem": "db:GetItem", "Get": "", "": "", "{x}": "", "GetItem/": ""} {
		if op, _ := x.Action("db.eu.test", name); op.Name != want {
			t.Errorf("the action %q is %q, want %q", name, op.Name, want)
		}
	}
}

func FuzzFind(f *testing.F) {
	x, err := New([]Entry{{Method: "GET", Template: "/a/{b}/c", Name: "1", From: 1, To: 2}, {Method: "GET", Template: "/a/{b}:x/{c+}", Name: "2", From: 1, To: 3}, {Host: "*.test", Virtual: true, Method: "GET", Template: "/{a}/{b+}?q=1", From: 0, To: 2, Name: "3"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("", "GET", "/a/b/c", "")
	f.Add("b.test", "GET", "/a%2fb:x/c/d", "q=1")
	f.Fuzz(func(t *testing.T, host, method, path, query string) {
		op, ok := x.At(host, method, path, query)
		if !ok && op != (Operation{}) {
			t.Errorf("%q on %q: not found, and %+v", path, host, op)
		}
	})
}
