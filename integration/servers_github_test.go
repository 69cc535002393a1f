package integration_test

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

// gitHub speaks enough of GitHub's REST and GraphQL APIs for octokit and gh: the user,
// issues with pages in the Link header, a new issue; a document of GraphQL gets what it
// asks for of gitHubData, and any other request an answer of the kind that its method has
// (https://docs.github.com/en/rest). origin is how clients reach it; the links
// to further pages start with it.
func gitHub(token, origin string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /user", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusOK, map[string]any{"login": "octo", "id": 1})
	})
	mux.HandleFunc("GET /repos/{owner}/{repo}/issues", func(w http.ResponseWriter, r *http.Request) {
		page, _ := strconv.Atoi(r.URL.Query().Get("page"))
		page = max(page, 1)
		if page < 3 {
			w.Header().Set("Link", fmt.Sprintf(`<%s%s?page=%d>; rel="next", <%s%s?page=3>; rel="last"`,
				origin, r.URL.Path, page+1, origin, r.URL.Path))
		}
		answer(w, http.StatusOK, []any{map[string]any{"number": page, "title": fmt.Sprintf("issue %d", page)}})
	})
	mux.HandleFunc("POST /repos/{owner}/{repo}/issues", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusCreated, map[string]any{"number": 4, "title": decode(r)["title"]})
	})
	mux.HandleFunc("POST /graphql", func(w http.ResponseWriter, r *http.Request) {
		body := decode(r)
		query, _ := body["query"].(string)
		data, err := projected(query, gitHubData)
		if err != nil {
			answer(w, http.StatusOK, map[string]any{"errors": []any{map[string]any{"message": err.Error()}}})
			return
		}
		answer(w, http.StatusOK, map[string]any{"data": data})
	})
	mux.HandleFunc("PUT /repos/{owner}/{repo}/pulls/{number}/merge", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusOK, map[string]any{"merged": true, "message": "Pull Request successfully merged", "sha": "6dcb09b5b57875f334f61aebed695e2e4193db5e"})
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodPost:
			answer(w, http.StatusCreated, map[string]any{"id": 1})
		case http.MethodDelete:
			w.WriteHeader(http.StatusNoContent)
		default:
			answer(w, http.StatusOK, map[string]any{"id": 1, "path": r.URL.Path})
		}
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !bearer(token)(r) && !header("Authorization", "token "+token)(r) { // octokit sends the latter
			answer(w, http.StatusUnauthorized, map[string]any{"message": "Bad credentials"})
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// projected is what a document's selections take of data, which has a value for each
// field by its name, whatever its arguments are.
func projected(query string, data map[string]any) (map[string]any, error) {
	doc, err := parser.ParseQuery(&ast.Source{Input: query})
	if err != nil {
		return nil, err
	}
	if len(doc.Operations) != 1 {
		return nil, fmt.Errorf("there are %d operations, want one", len(doc.Operations))
	}
	out := map[string]any{}
	project(doc, doc.Operations[0].SelectionSet, data, out)
	return out, nil
}

func project(doc *ast.QueryDocument, set ast.SelectionSet, from, to map[string]any) {
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			to[s.Alias] = projectValue(doc, s.SelectionSet, from[s.Name])
		case *ast.InlineFragment:
			project(doc, s.SelectionSet, from, to)
		case *ast.FragmentSpread:
			project(doc, doc.Fragments.ForName(s.Name).SelectionSet, from, to)
		}
	}
}

func projectValue(doc *ast.QueryDocument, set ast.SelectionSet, from any) any {
	switch v := from.(type) {
	case map[string]any:
		out := map[string]any{}
		project(doc, set, v, out)
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = projectValue(doc, set, v[i])
		}
		return out
	}
	return from
}

// gitHubData are the fields that gh asks for.
var gitHubData = func() map[string]any {
	octo := map[string]any{"login": "octo", "id": "U_1", "name": "Octo", "__typename": "User"}
	none := map[string]any{"totalCount": 0, "nodes": []any{}, "pageInfo": map[string]any{"hasNextPage": false, "endCursor": ""}}
	issue := map[string]any{"__typename": "Issue", "id": "I_1", "number": 1, "title": "A leak", "body": "It drips.", "state": "OPEN", "url": "https://github.com/acme/site/issues/1",
		"createdAt": "2026-11-01T00:00:00Z", "updatedAt": "2026-11-01T00:00:00Z", "author": octo, "labels": none, "assignees": none, "comments": none, "reactionGroups": []any{}, "projectCards": none, "milestone": nil}
	pull := map[string]any{"__typename": "PullRequest", "id": "PR_7", "number": 7, "title": "Mend it", "body": "", "state": "OPEN", "isDraft": false, "mergeable": "MERGEABLE", "mergeStateStatus": "CLEAN", "url": "https://github.com/acme/site/pull/7",
		"headRefName": "mend", "baseRefName": "main", "headRefOid": "6dcb09b5b57875f334f61aebed695e2e4193db5e", "isCrossRepository": false, "headRepositoryOwner": octo, "headRepository": map[string]any{"id": "R_1", "name": "site"}, "author": octo,
		"autoMergeRequest": nil, "isInMergeQueue": false, "isMergeQueueEnabled": false, "viewerMergeHeadlineText": "Merge", "viewerMergeBodyText": ""}
	list := func(one map[string]any) map[string]any {
		return map[string]any{"totalCount": 1, "nodes": []any{one}, "pageInfo": map[string]any{"hasNextPage": false, "endCursor": ""}}
	}
	repository := map[string]any{"id": "R_1", "name": "site", "nameWithOwner": "acme/site", "description": "The site", "url": "https://github.com/acme/site", "owner": map[string]any{"id": "O_1", "login": "acme"}, "hasIssuesEnabled": true, "isPrivate": false, "isArchived": false, "viewerPermission": "ADMIN",
		"defaultBranchRef": map[string]any{"name": "main"}, "mergeCommitAllowed": true, "squashMergeAllowed": true, "rebaseMergeAllowed": true, "deleteBranchOnMerge": false, "parent": nil,
		"issue": issue, "issueOrPullRequest": issue, "pullRequest": pull, "issues": list(issue), "pullRequests": list(pull), "labels": none, "issueTemplates": []any{}, "assignableUsers": none}
	return map[string]any{
		"viewer": octo, "repository": repository, "node": pull, "user": octo,
		"createIssue":      map[string]any{"issue": issue},
		"addComment":       map[string]any{"commentEdge": map[string]any{"node": map[string]any{"url": "https://github.com/acme/site/issues/1#issuecomment-1"}}},
		"mergePullRequest": map[string]any{"clientMutationId": "", "pullRequest": pull},
		"deleteIssue":      map[string]any{"clientMutationId": "", "repository": repository},
	}
}()
