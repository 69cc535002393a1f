package integration_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

// checkRefusal calls curl and wants an answer of the proxy itself: RFC 9457,
// with the code in a header, too, and a next step in words.
func checkRefusal(t *testing.T, a *attache, args []string, status int, code string) {
	t.Helper()
	r := client{}.run(t, "curl", append([]string{"-sS", "-i", "--max-time", "20", "--suppress-connect-headers"}, args...)...)
	all := answers(strings.Replace(r.Stdout, "HTTP/2 ", "HTTP/2.0 ", 1))
	if len(all) == 0 {
		t.Fatalf("no answer: %v", r)
	}
	checkProblem(t, all[0], status, code)
}

// checkProblem is checkRefusal for an answer that is there already.
func checkProblem(t *testing.T, res *http.Response, status int, code string) {
	t.Helper()
	text, _ := io.ReadAll(res.Body)
	if res.StatusCode != status || res.Header.Get("Attache-Error") != code {
		t.Errorf("answer = %s, Attache-Error %q, want %d %s\n%s", res.Status, res.Header.Get("Attache-Error"), status, code, text)
	}
	if got := res.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type = %q, want application/problem+json", got)
	}
	var problem struct {
		Type, Title, Code, Detail, Next string
		Status                          int
	}
	if err := json.Unmarshal(text, &problem); err != nil {
		t.Fatalf("the refusal is no JSON: %v: %s", err, text)
	}
	if problem.Code != code || problem.Status != status || problem.Title == "" || problem.Detail == "" || problem.Next == "" || problem.Type == "" {
		t.Errorf("refusal = %+v, want code %s, status %d, and a title, detail, type and next step", problem, code, status)
	}
}
