package schema_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/caddymodule/schema"
)

const good = `key: mine
title: Mine
hosts: [api.mine.example]
auth:
  key:
    type: credentials
    fields: {key: {title: Key, secret: true}}
    sign: bearer
`

// dir writes files into a directory and returns it.
func dir(t *testing.T, files map[string]string) string {
	t.Helper()
	d := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(d, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

// Every mistake is told, with its line.
func TestValidate(t *testing.T) {
	tests := []struct {
		name string
		text string
		want []string // "line: part of the message", in order
	}{
		{"good", good, nil},
		{"unknown key", good + "hostss: [x]\n", []string{`9:1: unknown key "hostss"`}},
		{"two unknown keys", "colour: red\n" + good + "size: 1\n", []string{`1:1: unknown key "colour"`, `10:1: unknown key "size"`}},
		{"unknown key deep down", strings.Replace(good, "secret: true", "secrets: true", 1), []string{`7:32: unknown key "secrets"`}},
		{"no YAML", "key: [\n", []string{"1: "}},
		{"empty", "", []string{"empty"}},
		{"a list", "- a\n", []string{"1: want a mapping"}},
		{"key twice", good + "title: Again\n", []string{"9:1: "}},
		{"no hosts", "key: mine\nauth: {k: {type: credentials, fields: {k: {secret: true}}, sign: bearer}}\n", []string{"1: connector mine: hosts are missing"}},
		{"a bad host", strings.Replace(good, "[api.mine.example]", "\n  - api.mine.example\n  - api example", 1), []string{`5: `}},
		{"a host that is too wide", strings.Replace(good, "[api.mine.example]", "\n  - host: \"*.com\"", 1), []string{`4: `}},
		{"a wrong type", strings.Replace(good, "type: credentials", "type: credential", 1), []string{`6: connector mine: auth option key: type "credential": want`}},
		{"a wrong signer", strings.Replace(good, "sign: bearer", "sign: barer", 1), []string{`8:11: unknown signer "barer"`}},
		{"an unknown field in a template", strings.Replace(good, "sign: bearer", `sign: {header: {X: "{fields.kee}"}}`, 1), []string{`8:25: `}},
		{"a bad pattern", strings.Replace(good, "secret: true", `secret: true, pattern: "["`, 1), []string{`7: `}},
		{"a bad rule", good + "access:\n  read: [post /x]\n", []string{`9: `}},
		{"a test with text for a status", good + "test: {get: /me, expect: ok}\n", []string{`9:26: `}},
		{"extends nothing", "extends: nobody\nkey: mine\n", []string{`1: extends "nobody", which is no connector`}},
		{"extends itself", "key: mine\nextends: mine\n", []string{"circle"}},
		{"extends the catalogue", "key: mine\nextends: github\nhosts: [git.mine.example]\n", nil},
		{"another file name", strings.Replace(good, "key: mine", "key: yours", 1), []string{`1: key is "yours"; the file must be named yours.yaml`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(dir(t, map[string]string{"mine.yaml": tt.text}), "mine.yaml")
			problems, files, err := schema.Validate([]string{file})
			if err != nil || files != 1 {
				t.Fatalf("Validate = %d files, %v", files, err)
			}
			var got []string
			for _, p := range problems {
				got = append(got, strings.TrimPrefix(p.String(), file+":"))
			}
			ok := len(got) == len(tt.want)
			for i := 0; ok && i < len(got); i++ {
				ok = strings.Contains(got[i], tt.want[i]) && (strings.Contains(tt.want[i], ": ") == strings.HasPrefix(got[i], strings.SplitAfter(tt.want[i], ":")[0]))
			}
			if !ok {
				t.Errorf("Validate =\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}

func TestValidateDirectory(t *testing.T) {
	d := dir(t, map[string]string{
		"mine.yaml": good, "mine.yml": good, "bad.yaml": "key: bad\nx: 1\nhosts: [a.example]\nauth: {}\n",
		"child.yaml": "key: child\nextends: mine\n", "notes.txt": "not looked at",
	})
	problems, files, err := schema.Validate([]string{d})
	if err != nil || files != 4 {
		t.Fatalf("Validate = %d files, %v, want 4", files, err)
	}
	var got []string
	for _, p := range problems {
		got = append(got, filepath.Base(p.String()))
	}
	if len(problems) != 2 || !slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, "bad.yaml:2:1: ") }) ||
		!strings.Contains(problems[1].Msg, "is in "+filepath.Join(d, "mine.yaml")) {
		t.Errorf("Validate = %q, want the unknown key of bad.yaml and that mine stands twice", problems)
	}
	for _, missing := range []string{filepath.Join(d, "nothing"), t.TempDir()} {
		if _, _, err := schema.Validate([]string{missing}); err == nil {
			t.Errorf("Validate(%s) = nil, want an error", missing)
		}
	}
}

func TestCatalogHasNoMistakes(t *testing.T) {
	problems, files, err := schema.Validate([]string{catalog})
	if err != nil || files < 100 {
		t.Fatalf("Validate = %d files, %v", files, err)
	}
	for _, p := range problems {
		// What is looked at by us is refused where an operator writes it.
		if strings.HasSuffix(p.File, "/gcp.yaml") && strings.Contains(p.Msg, "everybody can have a name below googleapis.com") {
			continue
		}
		t.Error(p)
	}
}
