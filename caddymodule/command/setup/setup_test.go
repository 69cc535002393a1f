package setup

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var env = map[string]string{"HTTPS_PROXY": "http://127.0.0.1:8080", "NODE_EXTRA_CA_CERTS": "/c/ca.pem", "ANTHROPIC_BASE_URL": "http://127.0.0.1:8080/anthropic",
	"ANTHROPIC_API_KEY": "attache", "OPENAI_BASE_URL": "http://127.0.0.1:8080/openai/v1", "GEMINI_API_KEY": "attache", "UNRELATED": "x"}

// Do and Undo, over settings of every kind: what was there before is there again.
func TestThereAndBack(t *testing.T) {
	settings := map[string][]string{
		"claude":   {"", "{}", `{"model": "opus", "env": {"HTTPS_PROXY": "http://mine:3128", "FOO": "1"}, "hooks": {"z": 1, "a": [1, 2]}}`},
		"opencode": {"", `{"$schema": "https://opencode.ai/config.json", "provider": {"openai": {"options": {"timeout": 3}}}}`},
		"codex":    {"", "model = \"gpt-5\"\n[projects.\"/x\"]\ntrust_level = \"trusted\"\n", "model = \"x\""},
		"gemini":   {"", "FOO=bar\n"},
	}
	for _, p := range Programs {
		for _, before := range settings[p.Name] {
			home, notes := t.TempDir(), t.TempDir()
			file := p.File(home)
			if before != "" {
				_ = os.MkdirAll(filepath.Dir(file), 0o700)
				if err := os.WriteFile(file, []byte(before), 0o640); err != nil {
					t.Fatal(err)
				}
			}
			var first string
			for range 2 { // twice is once
				if err := p.Do(home, notes, env); err != nil {
					t.Fatalf("%s over %q: %v", p.Name, before, err)
				}
				b, _ := os.ReadFile(file)
				if first == "" {
					first = string(b)
				}
				if string(b) != first && !(p.members != nil && same(t, first, string(b))) || !strings.Contains(first, "127.0.0.1:8080") || strings.Contains(first, "UNRELATED") {
					t.Errorf("%s over %q:\n%s\nand again\n%s", p.Name, before, first, b)
				}
			}
			if err := p.Undo(home, notes); err != nil {
				t.Fatalf("%s over %q: undo: %v", p.Name, before, err)
			}
			after, err := os.ReadFile(file)
			switch {
			case before == "":
				if !os.IsNotExist(err) {
					t.Errorf("%s: a file is left: %q", p.Name, after)
				}
			case p.members != nil:
				if !same(t, before, string(after)) {
					t.Errorf("%s: %s became %s", p.Name, before, after)
				}
			case strings.TrimSpace(string(after)) != strings.TrimSpace(before):
				t.Errorf("%s: %q became %q", p.Name, before, after)
			}
			if info, err := os.Stat(file); err == nil && info.Mode().Perm() != 0o640 {
				t.Errorf("%s: its mode became %v", p.Name, info.Mode())
			}
			if err := p.Undo(home, notes); err != ErrNothing {
				t.Errorf("%s: undo again: %v", p.Name, err)
			}
		}
	}
}

func same(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return false
	}
	left, _ := json.Marshal(x)
	right, _ := json.Marshal(y)
	return string(left) == string(right)
}

// The order of somebody's settings stays, and what they changed after Do stays too.
func TestSettingsStayTheirs(t *testing.T) {
	p, _ := Find("claude")
	home, notes := t.TempDir(), t.TempDir()
	_ = os.MkdirAll(filepath.Dir(p.File(home)), 0o700)
	if err := os.WriteFile(p.File(home), []byte(`{"z":1,"a":2}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := p.Do(home, notes, env); err != nil {
		t.Fatal(err)
	}
	b, _ := os.ReadFile(p.File(home))
	if z, a := strings.Index(string(b), `"z"`), strings.Index(string(b), `"a"`); z < 0 || a < z {
		t.Errorf("the order changed: %s", b)
	}
	changed := strings.Replace(string(b), "http://127.0.0.1:8080\"", "http://theirs:1\"", 1)
	if err := os.WriteFile(p.File(home), []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := p.Undo(home, notes); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(p.File(home)); !strings.Contains(string(b), "http://theirs:1") || strings.Contains(string(b), "NODE_EXTRA") {
		t.Errorf("after undo: %s", b)
	}
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct{ program, before, says string }{
		"no JSON":               {"claude", "{// mine\n}", "--print says"},
		"not an object":         {"claude", "[]", "no JSON object"},
		"twice the same":        {"claude", `{"env":1,"env":2}`, "stands twice"},
		"a member is no object": {"claude", `{"env":"x"}`, "env: it is no JSON object"},
		"their own provider":    {"codex", "model_provider = \"azure\"\n", "has \"model_provider"},
	} {
		p, _ := Find(c.program)
		home := t.TempDir()
		_ = os.MkdirAll(filepath.Dir(p.File(home)), 0o700)
		_ = os.WriteFile(p.File(home), []byte(c.before), 0o600)
		err := p.Do(home, t.TempDir(), env)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
		if b, _ := os.ReadFile(p.File(home)); string(b) != c.before {
			t.Errorf("%s: the file became %q", name, b)
		}
	}
	if _, err := Find("emacs"); err == nil || !strings.Contains(err.Error(), "claude, codex") {
		t.Errorf("emacs: %v", err)
	}
	p, _ := Find("opencode")
	if err := p.Do(t.TempDir(), t.TempDir(), map[string]string{"HTTPS_PROXY": "x"}); err == nil || !strings.Contains(err.Error(), "attache connect") {
		t.Errorf("nothing to set: %v", err)
	}
}
