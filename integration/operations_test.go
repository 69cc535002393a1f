package integration_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// working is an agent that works at GitHub under rules, and a person at the dashboard.
type working struct {
	*vaulted
	t       *testing.T
	service *service
	proxied []string // the environment of its clients
}

// written are the rules of its grant. The last one is the end for what allow repos/* is
// for, too.
var written = []string{"allow read", "allow issues/create issues/create-comment", "allow repos/* on acme/*", "ask pulls/merge wait 5m", "deny effect:delete effect:admin"}

// block are the same as they are suggested of what the agent did.
var block = []string{"deny effect:delete effect:admin effect:money", "ask pulls/merge wait 5m", "allow read", "allow issues/create issues/create-comment", "allow repos/* on acme/*"}

const hubToken = "ghp_0123456789abcdefghijklmnopqrstuvwx"

func newWorking(t *testing.T) *working {
	w := &working{t: t, service: newPlainService(t, gitHub(hubToken, "https://api.github.com"))}
	w.vaulted = newVaulted(t, func(s *setup) {
		s.Attache += `
		connector github {
			upstream ` + w.service.URL + `
			use token {
				token {env.HUB_TOKEN}
			}
		}
		agent research {
			grant github {
				` + strings.Join(written, "\n\t\t\t\t") + `
			}
		}`
		s.Env = append(s.Env, "HUB_TOKEN="+hubToken)
		s.Listener = "agent research\nunmatched deny"
	})
	w.proxied = append(trusting(w.URL, w.CA), "GH_TOKEN=attache", "GH_PROMPT_DISABLED=1", "GH_NO_UPDATE_NOTIFIER=1", "NO_COLOR=1")
	return w
}

// came counts the requests that GitHub got, by what method, path and body begin with.
func (w *working) came(method, path, within string) (n int) {
	for _, r := range w.service.Requests() {
		if r.Method == method && strings.HasPrefix(r.URI, path) && strings.Contains(r.Body, within) {
			n++
		}
	}
	return n
}

// TestOperations: an agent reads, comments and opens issues at GitHub, is held at a merge
// until a person clicks, and deletes nothing: by curl through every door, by Octokit, by
// gh, and by GraphQL. What it did reads as a list of operations, and rules are made of it.
func TestOperations(t *testing.T) {
	w := newWorking(t)
	t.Run("curl", w.curls)
	t.Run("octokit", w.octokit)
	t.Run("gh", w.gh)
	t.Run("held", w.held)
	t.Run("the list", w.list)
	t.Run("the rules", w.suggested)
	if strings.Contains(w.Log.String(), hubToken) {
		t.Error("the token is in the log")
	}
}

// doorsOfHub are curl's arguments for a path of GitHub at each door.
func (w *working) doorsOfHub(path string) map[string][]string {
	return map[string][]string{
		"base URL":      {"--noproxy", "*", w.URL + "/github" + path},
		"host name":     {"--noproxy", "*", "-H", "Host: github.localhost", w.URL + path},
		"absolute form": {"-x", w.URL, "http://api.github.com" + path},
		"CONNECT":       {"-x", w.URL, "--cacert", w.CA, "https://api.github.com" + path},
	}
}

// code is how a request of curl ended: ok, or the code of our refusal.
func (w *working) code(args ...string) string {
	w.t.Helper()
	r := client{Limit: patience}.run(w.t, "curl", append([]string{"-sS", "-D-", "-o", "/dev/null", "--suppress-connect-headers"}, args...)...)
	if m := regexp.MustCompile(`(?im)^attache-error: (\S+)`).FindStringSubmatch(r.Stdout); m != nil {
		return m[1]
	}
	if r.Code != 0 || !regexp.MustCompile(`^HTTP/\S+ 2`).MatchString(r.Stdout) {
		return r.String()
	}
	return "ok"
}

func (w *working) curls(t *testing.T) {
	query := func(document string) []string {
		return []string{"-H", "Content-Type: application/json", "-d", fmt.Sprintf(`{"query":%q}`, document)}
	}
	const denied = "operation_denied"
	for _, c := range []struct {
		path string
		args []string
		want string
	}{
		{"/repos/acme/site", nil, "ok"},
		{"/repos/acme/site", []string{"-I"}, "ok"},
		{"/repos/other/site/issues", []string{"-d", `{"title":"x"}`}, "ok"},
		{"/repos/acme/site/issues/1/comments", []string{"-d", `{"body":"x"}`}, "ok"},
		{"/repos/acme/site", []string{"-X", "PATCH", "-d", `{"description":"x"}`}, "ok"},
		{"/repos/other/site", []string{"-X", "PATCH", "-d", `{"description":"x"}`}, denied},
		{"/repos/acme/site", []string{"-X", "DELETE"}, denied},
		{"/repos/acme/site", []string{"-X", "delete"}, "operation_unknown"},
		{"/repos/acme/site", []string{"-H", "X-HTTP-Method-Override: DELETE", "-d", "{}"}, denied},
		{"/repos/acme/site/collaborators/eve", []string{"-X", "PUT", "-d", "{}"}, denied},
		{"/repos/acme%2Fsite/issues", []string{"-d", `{"title":"x"}`}, "ok"}, // the same, read either way
		{"/repos/acme%2Fsite", []string{"-X", "DELETE"}, denied},
		{"/repos/acme%2F..%2Fother/site", []string{"-X", "PATCH", "-d", "{}"}, "bad_request|operation_unknown"},
		{"/graphql", query("{ viewer { login } }"), "ok"},
		{"/graphql", query(`mutation { createIssue(input: {repositoryId: "R_1", title: "x"}) { issue { id } } }`), "ok"},
		{"/graphql", query(`mutation { read: addComment(input: {subjectId: "I_1", body: "x"}) { clientMutationId } }`), "ok"},
		{"/graphql", query(`mutation { viewer: deleteIssue(input: {issueId: "I_1"}) { clientMutationId } }`), denied},
		{"/graphql", query(`mutation { ...F } fragment F on Mutation { deleteIssue(input: {issueId: "I_1"}) { clientMutationId } }`), denied},
		{"/graphql", query(`mutation { addStar(input: {starrableId: "R_1"}) { clientMutationId } }`), denied},
		{"/graphql", query(`mutation { createBranchProtectionRule(input: {repositoryId: "R_1", pattern: "x"}) { clientMutationId } }`), denied}, // REST's is admin
	} {
		for door, to := range w.doorsOfHub(c.path) {
			if got := w.code(slices.Concat(c.args, to)...); !slices.Contains(strings.Split(c.want, "|"), got) {
				t.Errorf("%s: %s %v = %s, want %s", door, c.path, c.args, got, c.want)
			}
		}
	}
	w.nothingGone(t)
}

// nothingGone fails where GitHub was asked to delete something.
func (w *working) nothingGone(t *testing.T) {
	t.Helper()
	if n := w.came("DELETE", "/", "") + w.came("delete", "/", "") + w.came("POST", "/graphql", "deleteIssue"); n > 0 {
		t.Errorf("%d requests that delete reached GitHub", n)
	}
}

// octokitCalls are fifty calls of Octokit, and how each ends.
const octokitCalls = `
ok     repos.get {"owner":"acme","repo":"site"}
ok     repos.listForAuthenticatedUser {}
ok     repos.listBranches {"owner":"acme","repo":"site"}
ok     repos.getContent {"owner":"other","repo":"site","path":"docs/a b.md"}
ok     repos.listCommits {"owner":"acme","repo":"site"}
ok     repos.getLatestRelease {"owner":"acme","repo":"site"}
ok     issues.listForRepo {"owner":"acme","repo":"site"}
ok     issues.get {"owner":"acme","repo":"site","issue_number":1}
ok     issues.listComments {"owner":"acme","repo":"site","issue_number":1}
ok     pulls.list {"owner":"acme","repo":"site"}
ok     pulls.get {"owner":"acme","repo":"site","pull_number":7}
ok     pulls.listFiles {"owner":"acme","repo":"site","pull_number":7}
ok     search.code {"q":"x in:file"}
ok     search.issuesAndPullRequests {"q":"repo:acme/site leak"}
ok     users.getAuthenticated {}
ok     users.getByUsername {"username":"octo"}
ok     orgs.get {"org":"acme"}
ok     gists.list {}
ok     actions.listWorkflowRunsForRepo {"owner":"acme","repo":"site"}
ok     git.getTree {"owner":"acme","repo":"site","tree_sha":"main"}
ok     rateLimit.get {}
ok     issues.create {"owner":"acme","repo":"site","title":"x"}
ok     issues.create {"owner":"other","repo":"site","title":"x"}
ok     issues.createComment {"owner":"acme","repo":"site","issue_number":1,"body":"x"}
ok     repos.createOrUpdateFileContents {"owner":"acme","repo":"site","path":"a.md","message":"x","content":"eA=="}
ok     repos.createRelease {"owner":"acme","repo":"site","tag_name":"v1"}
ok     repos.update {"owner":"acme","repo":"site","description":"x"}
ok     repos.createOrUpdateFileContents {"owner":"acme","repo":"app","path":"a.md","message":"x","content":"eA=="}
ok     repos.createRelease {"owner":"acme","repo":"app","tag_name":"v1"}
ok     repos.update {"owner":"acme","repo":"app","description":"x"}
ok     repos.createOrUpdateFileContents {"owner":"acme","repo":"docs","path":"a.md","message":"x","content":"eA=="}
ok     repos.createRelease {"owner":"acme","repo":"docs","tag_name":"v1"}
ok     repos.update {"owner":"acme","repo":"docs","description":"x"}
ok     graphql.query {"query":"{ viewer { login } }"}
denied issues.update {"owner":"acme","repo":"site","issue_number":1,"state":"closed"}
denied issues.addLabels {"owner":"acme","repo":"site","issue_number":1,"labels":["x"]}
denied pulls.create {"owner":"acme","repo":"site","head":"a","base":"main","title":"x"}
denied pulls.createReview {"owner":"acme","repo":"site","pull_number":7,"event":"APPROVE"}
denied git.createRef {"owner":"acme","repo":"site","ref":"refs/heads/x","sha":"6dcb09b"}
denied gists.create {"files":{"a":{"content":"x"}}}
denied repos.createForAuthenticatedUser {"name":"x"}
denied repos.createRelease {"owner":"other","repo":"site","tag_name":"v1"}
denied repos.delete {"owner":"acme","repo":"site"}
denied repos.deleteFile {"owner":"acme","repo":"site","path":"a.md","message":"x","sha":"6dcb09b"}
denied issues.deleteComment {"owner":"acme","repo":"site","comment_id":1}
denied repos.addCollaborator {"owner":"acme","repo":"site","username":"eve"}
denied orgs.setMembershipForUser {"org":"acme","username":"eve"}
denied actions.createOrUpdateRepoSecret {"owner":"acme","repo":"site","secret_name":"X","encrypted_value":"eA==","key_id":"1"}
denied repos.createWebhook {"owner":"acme","repo":"site","config":{"url":"https://example.com"}}
denied graphql.query {"query":"mutation { deleteIssue(input: {issueId: \"I_1\"}) { clientMutationId } }"}`

func (w *working) octokit(t *testing.T) {
	var calls [][]any
	var want []string
	for line := range strings.Lines(strings.TrimSpace(octokitCalls)) {
		f := strings.SplitN(strings.TrimSpace(line), " ", 2)
		name, parameters, _ := strings.Cut(strings.TrimSpace(f[1]), " ")
		want = append(want, name+" "+map[string]string{"ok": "ok", "denied": "operation_denied"}[f[0]])
		calls = append(calls, []any{name, json.RawMessage(parameters)})
	}
	stdin, err := json.Marshal(calls)
	if err != nil {
		t.Fatal(err)
	}
	script := nodeScript(t, "octokit.mjs")
	for door, env := range map[string][]string{"base URL": {"BASE_URL=" + w.URL + "/github"}, "CONNECT": {"HTTPS_PROXY=" + w.URL, "PROXY_CA=" + w.CA}} {
		r := client{Env: env, Stdin: string(stdin)}.mustRun(t, "node", script)
		var got []string
		if err := json.Unmarshal([]byte(r.Stdout), &got); err != nil || len(got) != len(want) {
			t.Fatalf("%s: %v %v", door, err, r)
		}
		for i, g := range got {
			if name, _, _ := strings.Cut(want[i], " "); name+" "+g != want[i] {
				t.Errorf("%s: %s %v: %s, want %s", door, name, calls[i][1], g, want[i])
			}
		}
	}
	w.nothingGone(t)
}

// gh speaks GraphQL for most of what it does.
func (w *working) gh(t *testing.T) {
	gh := program(t, "gh")
	for _, c := range []struct {
		args []string
		want string // of what it prints
	}{
		{[]string{"api", "user", "--jq", ".login"}, "octo"},
		{[]string{"issue", "list", "-R", "acme/site"}, "A leak"},
		{[]string{"issue", "view", "1", "-R", "acme/site"}, "It drips."},
		{[]string{"pr", "view", "7", "-R", "acme/site", "--json", "title"}, "Mend it"},
		{[]string{"issue", "create", "-R", "acme/site", "-t", "New", "-b", "text"}, "https://github.com/acme/site/issues/1"},
		{[]string{"issue", "comment", "1", "-R", "acme/site", "-b", "text"}, "#issuecomment-1"},
		{[]string{"api", "-X", "POST", "repos/acme/site/issues", "-f", "title=x", "--jq", ".number"}, "4"},
		{[]string{"issue", "delete", "1", "-R", "acme/site", "--confirm"}, "attache: operation_denied"},
		{[]string{"repo", "delete", "acme/site", "--confirm"}, "attache: operation_denied"},
		{[]string{"api", "-X", "DELETE", "repos/acme/site"}, "attache: operation_denied"},
	} {
		r := client{Env: w.proxied}.run(t, gh, c.args...)
		if got := r.Stdout + r.Stderr; !strings.Contains(got, c.want) {
			t.Errorf("gh %v prints %v, want %q", c.args, r, c.want)
		}
	}
	w.nothingGone(t)
}

const (
	merges = 6
	// patience is how long a client may take that waits for a person.
	patience = 6 * time.Minute
)

// held are merges that wait until a person clicks.
func (w *working) held(t *testing.T) {
	chromium, node := program(t, "chromium"), program(t, "node")
	var all sync.WaitGroup
	merging := func(name string, merge func() string) {
		all.Go(func() {
			if got := merge(); got != "ok" {
				t.Errorf("%s: the merge ends with %s", name, got)
			}
		})
	}
	n := 0
	for _, door := range []string{"base URL", "host name", "absolute form", "CONNECT"} {
		n++
		to := w.doorsOfHub(fmt.Sprintf("/repos/acme/site/pulls/%d/merge", n))[door]
		merging("curl, "+door, func() string {
			return w.code(append([]string{"-X", "PUT", "-d", `{"merge_method":"squash"}`}, to...)...)
		})
	}
	script := nodeScript(t, "octokit.mjs")
	merging("octokit", func() string {
		r := client{Env: []string{"BASE_URL=" + w.URL + "/github"}, Stdin: `[["pulls.merge",{"owner":"acme","repo":"site","pull_number":5}]]`, Limit: patience}.run(t, node, script)
		return strings.NewReplacer("[\"ok\"]\n", "ok").Replace(r.Stdout)
	})
	gh := program(t, "gh")
	merging("gh", func() string {
		if r := (client{Env: w.proxied, Limit: patience}).run(t, gh, "pr", "merge", "7", "-R", "acme/site", "--merge"); r.Code != 0 {
			return r.String()
		}
		return "ok"
	})
	patiently(t, "people to be asked", func() bool {
		return len(w.call(t, 200, "GET", "/approvals?state=pending", nil)["items"].([]any)) == merges
	})
	merged := func() int {
		return w.came("PUT", "/repos/acme/site/pulls/", "") + w.came("POST", "/graphql", "mergePullRequest")
	}
	if got := merged(); got > 0 {
		t.Errorf("%d merges reached GitHub before anybody clicked", got)
	}
	cmd := exec.Command(node, nodeScript(t, "approve.mjs"))
	cmd.Dir = os.Getenv("ATTACHE_NODE_DIR")
	cmd.Env = append(os.Environ(), "CHROMIUM="+chromium, "ADMIN="+w.Public, "TOKEN="+w.token, fmt.Sprint("HOW_MANY=", merges))
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "acme/site") || !strings.Contains(string(out), "mergePullRequest") {
		t.Errorf("the person sees %v %s", err, out)
	}
	all.Wait()
	if got := merged(); got != merges {
		t.Errorf("%d merges reached GitHub, want %d", got, merges)
	}
}

// list compares what the audit says with a file.
func (w *working) list(t *testing.T) {
	at := w.admin(t)
	seen := map[string]bool{}
	patiently(t, "the audit", func() bool { // it is written in batches
		r := w.command(append([]string{"audit", "--agent", "research", "--limit", "1000"}, at...)...)
		if r.Code != 0 {
			t.Fatal(r)
		}
		clear(seen)
		for line := range strings.Lines(r.Stdout) {
			if strings.Contains(line, "  query ") && !strings.Contains(line, "  query viewer") {
				continue // what gh reads before it does something differs from release to release
			}
			seen[strings.TrimSpace(auditNoise.ReplaceAllString(line, ""))] = true
		}
		return strings.Count(r.Stdout, "  pulls/merge  ")+strings.Count(r.Stdout, "  mutation mergePullRequest  ") == merges // the last that it did
	})
	var lines []string
	for line := range seen {
		lines = append(lines, line)
	}
	slices.Sort(lines)
	golden(t, "operations.txt", strings.Join(lines, "\n")+"\n")
}

// auditNoise is what differs from run to run in the lines of the audit.
var auditNoise = regexp.MustCompile(`^\S+ \S+ +|  \d+ms|agent research  github:default  |  – .*`)

// admin are the flags by which the command line reaches the API.
func (w *working) admin(t *testing.T) []string {
	file := writeFile(t, filepath.Join(t.TempDir(), "token"), w.token)
	return []string{"--admin", w.Public, "--token-file", file}
}

func (w *working) suggested(t *testing.T) {
	at := w.admin(t)
	r := w.command(append([]string{"grants", "suggest", "--agent", "research"}, at...)...)
	if r.Code != 0 {
		t.Fatal(r)
	}
	want := strings.Replace("grant github {\n\t"+strings.Join(block, "\n\t")+"\n}", " wait 5m", "", 1) // the audit has no waits
	if !strings.Contains(r.Stdout, want) || strings.Count(r.Stdout, "#") > 1 {
		t.Errorf("the suggestion is not the block that was in force: %v", r)
	}
	file := writeFile(t, filepath.Join(t.TempDir(), "suggested"), r.Stdout)
	again := w.command(append([]string{"grants", "replay", file, "--agent", "research"}, at...)...)
	if again.Code != 0 || !strings.Contains(again.Stdout, "of those that were sent 0 would be refused, of those that were refused 0 permitted") {
		t.Errorf("what was suggested is not what was in force: %v", again)
	}
}

// patiently waits for something that begins with several programs.
func patiently(t *testing.T, what string, ready func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !ready(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within two minutes", what)
		}
	}
}
