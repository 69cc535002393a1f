package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/attache-proxy/attache/providers/secret"
)

const canary = "canary-4f1d"

// holder keeps a Value where fmt cannot call its methods.
type holder struct{ hidden secret.Value }

func TestValueNeverPrints(t *testing.T) {
	v := secret.New(canary)
	cred := secret.Credential{Token: v, Fields: secret.Values{"api_key": v}}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+"\n", v)
		fmt.Fprintf(&out, verb+"\n", &v)
		fmt.Fprintf(&out, verb+"\n", cred)
		fmt.Fprintf(&out, verb+"\n", holder{v})
		fmt.Fprintf(&out, verb+"\n", []any{v, map[string]secret.Value{"k": v}})
	}
	if err := json.NewEncoder(&out).Encode(cred); err != nil {
		t.Fatal(err)
	}
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v, "cred", cred)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v, "cred", cred)
	core := zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(&out), zap.DebugLevel)
	zap.New(core).Info("x", zap.Any("v", v), zap.Any("cred", cred), zap.Stringer("s", v), zap.Reflect("r", cred))
	if s := out.String(); strings.Contains(s, canary) || strings.Contains(s, fmt.Sprintf("%x", canary)) {
		t.Errorf("a printed form holds the secret:\n%s", s)
	}
	if v.Reveal() != canary {
		t.Errorf("Reveal() = %q, want %q", v.Reveal(), canary)
	}
}

func TestZeroValue(t *testing.T) {
	var v secret.Value
	if !v.IsZero() || v.Reveal() != "" || !v.Equal(secret.New("")) {
		t.Errorf("the zero Value is not the empty secret")
	}
	if secret.New("a").Equal(secret.New("b")) {
		t.Errorf("different secrets are Equal")
	}
}
