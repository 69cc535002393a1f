package sign_test

import (
	"strings"
	"testing"

	"github.com/attache-proxy/attache/providers/sign"
)

// A Spec may be made by hand, and then nobody read it as YAML before.
func TestUnknownKind(t *testing.T) {
	_, err := sign.New(sign.Spec{Kinds: []sign.Kind{{Name: "sigv5"}}}, sign.Env{})
	if err == nil || !strings.Contains(err.Error(), `"sigv5"`) || !strings.Contains(err.Error(), "sigv4") {
		t.Errorf("New = %v, want an error that names the kind, and those that there are", err)
	}
}
