package operation

import (
	"slices"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/operations"
	"github.com/attache-proxy/attache/resolver/rule"
)

// What requests to services of the catalogue do, by their tables, and what rules that
// name their operations come to.
func TestBuiltIn(t *testing.T) {
	cs, err := providers.CompileAll(providers.BuiltIn(), []string{"github", "aws"})
	if err != nil {
		t.Fatal(err)
	}
	at := func(key string) *providers.Connector {
		return cs[slices.IndexFunc(cs, func(c *providers.Connector) bool { return c.Key == key })]
	}
	const hub = " api.github.com"
	const aws = "\nContent-Type: application/x-amz-json-1.0\nX-Amz-Target: DynamoDB_20120810."
	github, err := rule.New([]string{"deny effect:delete effect:admin", "allow read", "allow issues/create issues/create-comment on acme/*", "allow mutation createIssue"}, at("github").Operations())
	if err != nil {
		t.Fatal(err)
	}
	amazon, err := rule.New([]string{"allow s3:GetObject on bucket/*", "allow dynamodb:GetItem ec2:Describe*"}, at("aws").Operations())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		key, request, does string
		allowed            bool
	}{
		{"github", "GET" + hub + "/repos/acme/site", "repos/get=read@acme/site", true},
		{"github", "HEAD" + hub + "/repos/acme/site", "repos/get=read@acme/site", true},
		{"github", "POST" + hub + "/repos/acme/site/issues\n\n{}", "issues/create=write@acme/site", true},
		{"github", "POST" + hub + "/repos/evil/site/issues\n\n{}", "issues/create=write@evil/site", false},
		{"github", "POST" + hub + "/repos/acme/site/issues/1/comments\n\n{}", "issues/create-comment=write@acme/site", true},
		{"github", "DELETE" + hub + "/repos/acme/site", "repos/delete=delete@acme/site", false},
		{"github", "delete" + hub + "/repos/acme/site", "unknown", false},
		{"github", "GET" + hub + "/repos/acme/site?_method=DELETE", "repos/get=read@acme/site + repos/delete=delete@acme/site", false},
		{"github", "POST" + hub + "/graphql" + jsonType + `{"query":"mutation { createIssue(input: {}) { issue { id } } }"}`, "mutation createIssue=write", true},
		{"github", "POST" + hub + "/graphql" + jsonType + `{"query":"mutation { a: deleteIssue(input: {}) { id } }"}`, "mutation deleteIssue=delete", false},
		{"github", "POST" + hub + "/graphql" + jsonType + `{"query":"mutation { x: addComment(input: {}) { id } }"}`, "mutation addComment=write", false},
		{"github", "POST" + hub + "/graphql" + jsonType + `{"query":"mutation { createBranchProtectionRule(input: {}) { id } }"}`, "mutation createBranchProtectionRule=admin", false},
		{"aws", "GET bucket.s3.eu-west-1.amazonaws.com/key", "s3:GetObject=read@bucket/key", true},
		{"aws", "GET other.s3.eu-west-1.amazonaws.com/key", "s3:GetObject=read@other/key", false},
		{"aws", "POST dynamodb.eu-west-1.amazonaws.com/" + aws + "GetItem\n\n{}", "dynamodb:GetItem=read", true},
		{"aws", "POST dynamodb.eu-west-1.amazonaws.com/" + aws + "PutItem\n\n{}", "dynamodb:PutItem=write", false},
		{"aws", "POST ec2.eu-west-1.amazonaws.com/" + formType + "Action=DescribeInstances", "ec2:DescribeInstances=read", true},
		{"aws", "POST bucket.s3.eu-west-1.amazonaws.com/?delete" + aws + "GetItem\n\n<x/>", "s3:DeleteObject=delete@bucket", false},
	} {
		con, set := at(c.key), map[string]*rule.Set{"github": github, "aws": amazon}[c.key]
		h, body := head(t, con, c.request)
		h.Table = con.Operations()
		r := read(h, body)
		if got := told(r); got != c.does {
			t.Errorf("%s: %q = %s, want %s", c.key, c.request, got, c.does)
		}
		if d := set.Decide(&r); d.Allowed != c.allowed {
			t.Errorf("%s: %q: %+v", c.key, c.request, d)
		}
	}
	if _, err := rule.New([]string{"allow issues/creat"}, at("github").Operations()); err == nil || !strings.Contains(err.Error(), "did you mean issues/create?") {
		t.Errorf("a name that is none: %v", err)
	}
}

// What a connector says is the same is in its table, and counts for rules by either name.
func TestSame(t *testing.T) {
	cs, err := providers.CompileAll(providers.BuiltIn(), []string{"github"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cs {
		for name, same := range c.Speaks.Same {
			if namer, ok := c.Operations().(operations.Namer); !ok || !slices.Contains(namer.Names(), same) {
				t.Errorf("%s: %s is to be %s, which is not in its table", c.Key, name, same)
			}
		}
		set, err := rule.New([]string{"ask pulls/merge", "allow write"}, c.Operations())
		if err != nil {
			t.Fatal(err)
		}
		h, body := head(t, c, "POST api.github.com/graphql"+jsonType+`{"query":"mutation { enablePullRequestAutoMerge(input: {}) { id } }"}`)
		h.Table = c.Operations()
		if r := read(h, body); set.Decide(&r).Ask == nil {
			t.Errorf("a merge by another name is not asked about: %+v", r)
		}
	}
}
