package observation

import (
	"strings"
	"testing"

	"github.com/attache-proxy/attache/providers/secret"
)

// TestNoTokenIsTold: what an agent presented stands nowhere in what is told of its
// requests, wherever its client put it.
func TestNoTokenIsTold(t *testing.T) {
	const token = "att_0123456789abcdef0123456789abcdef"
	e := Observation{
		Token: secret.New(token), Method: "GET", Host: token + ".example",
		Path: "/bot" + token + "/getMe/" + token, Operation: "tools/call " + token, Resource: token + strings.Repeat("x", 2*MaxText),
	}
	e.Bound()
	for name, text := range map[string]string{"host": e.Host, "path": e.Path, "operation": e.Operation, "resource": e.Resource} {
		if strings.Contains(text, token) || !strings.Contains(text, "[token]") || len(text) > MaxText {
			t.Errorf("the %s is told as %q", name, text)
		}
	}
	e = Observation{Path: "/a"} // an agent that is known by its listener presents nothing
	if e.Bound(); e.Path != "/a" {
		t.Errorf("a path is told as %q", e.Path)
	}
}
