package integration_test

import (
	"fmt"
	"net/http"
	"strconv"
)

// gitHub speaks enough of GitHub's REST and GraphQL APIs for octokit: the user,
// issues with pages in the Link header, a new issue, a query
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
		answer(w, http.StatusOK, map[string]any{"data": map[string]any{"viewer": map[string]any{"login": "octo"}}})
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !bearer(token)(r) && !header("Authorization", "token "+token)(r) { // octokit sends the latter
			answer(w, http.StatusUnauthorized, map[string]any{"message": "Bad credentials"})
			return
		}
		mux.ServeHTTP(w, r)
	})
}
