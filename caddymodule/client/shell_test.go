package client_test

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/caddymodule/client"
)

// awkward are values that a careless shell would do something with.
var awkward = map[string]string{
	"A_PLAIN":    "http://127.0.0.1:8080",
	"B_SPACE":    "a b  c",
	"C_SINGLE":   "it's",
	"D_DOUBLE":   `say "hi"`,
	"E_DOLLAR":   "$HOME ${HOME} $(echo pwned) `echo pwned`",
	"F_BACK":     `back\slash\\`,
	"G_LINE":     "one\ntwo",
	"H_HASH":     "a #b; c && d | e > f",
	"I_BANG":     "!history * ? [x] ~",
	"J_EMPTY":    "",
	"K_QUOTES":   "'' \u2018typographic\u2019 '\"'",
	"L_TRAILING": `ends with \`,
	"M_UNICODE":  "Attaché",
}

// TestPrintForShells lets each shell read what is written for it.
func TestPrintForShells(t *testing.T) {
	e := &client.Environment{Set: awkward, Unset: map[string]string{"GONE": "", "NEVER_SET": ""}}
	shells := []struct{ shell, program, before, after string }{
		{"sh", "sh", "GONE=1; export GONE;", `for n in NAMES; do eval "printf '%s=%s\0' $n \"\$$n\""; done; printf 'GONE=%s\0' "${GONE-unset}"`},
		{"sh", "bash", "GONE=1; export GONE;", `for n in NAMES; do printf '%s=%s\0' $n "${!n}"; done; printf 'GONE=%s\0' "${GONE-unset}"`},
		{"sh", "zsh", "GONE=1; export GONE;", `for n in NAMES; do printf '%s=%s\0' $n "${(P)n}"; done; printf 'GONE=%s\0' "${GONE-unset}"`},
		{"fish", "fish", "set -gx GONE 1;", `for n in NAMES; printf '%s=%s\0' $n "$$n"; end; set -q GONE; or set GONE unset; printf 'GONE=%s\0' "$GONE"`},
		{"powershell", "pwsh", "$Env:GONE='1'", `foreach ($n in 'NAMES'.Split(' ')) { [Console]::Write($n + '=' + [Environment]::GetEnvironmentVariable($n) + [char]0) }; $g = $Env:GONE; if ($null -eq $g) { $g = 'unset' }; [Console]::Write('GONE=' + $g + [char]0)`},
	}
	var names []string
	for name := range awkward {
		names = append(names, name)
	}
	for _, tt := range shells {
		t.Run(tt.program, func(t *testing.T) {
			path, err := exec.LookPath(tt.program)
			if err != nil && tt.program == "pwsh" {
				return // in no Debian package; TestPrintQuotes holds its form
			}
			if err != nil {
				t.Skip("no " + tt.program)
			}
			text, err := e.Print(tt.shell)
			if err != nil {
				t.Fatal(err)
			}
			script := tt.before + "\n" + text + "\n" + strings.ReplaceAll(tt.after, "NAMES", strings.Join(names, " "))
			cmd := exec.Command(path, "-c", script)
			cmd.Dir = t.TempDir()
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%s: %v\n%s", tt.program, err, script)
			}
			got := map[string]string{}
			for line := range strings.SplitSeq(string(out), "\x00") {
				name, value, _ := strings.Cut(line, "=")
				got[name] = value
			}
			for name, want := range awkward {
				if got[name] != want {
					t.Errorf("%s: %s = %q, want %q", tt.program, name, got[name], want)
				}
			}
			if got["GONE"] != "unset" {
				t.Errorf("%s: GONE = %q, want it unset", tt.program, got["GONE"])
			}
			if files, _ := filepath.Glob(cmd.Dir + "/*"); len(files) > 0 {
				t.Errorf("%s wrote %q: a value was taken for a redirection", tt.program, files)
			}
		})
	}
}

// Quoting as it must be, also where the shell is not installed.
func TestPrintQuotes(t *testing.T) {
	tests := []struct{ shell, value, want string }{
		{"sh", "it's", `export V='it'\''s';`},
		{"sh", "$x `y`", "export V='$x `y`';"},
		{"fish", `it's \ $x`, `set -gx V 'it\'s \\ $x';`},
		{"powershell", "it's $x `n", "$Env:V = 'it''s $x `n'"},
		{"powershell", "\u2019", "$Env:V = '\u2019\u2019'"},
		{"dotenv", "http://a:b@127.0.0.1:8080", "V=http://a:b@127.0.0.1:8080"},
		{"dotenv", "a b # c", "V='a b # c'"},
		{"dotenv", "it's $x", `V="it's \$x"`},
		{"dotenv", "a\nb", `V="a\nb"`},
		{"dotenv", "", "V="},
	}
	for _, tt := range tests {
		e := &client.Environment{Set: map[string]string{"V": tt.value}}
		got, err := e.Print(tt.shell)
		if err != nil || strings.TrimSuffix(got, "\n") != tt.want {
			t.Errorf("Print(%s) of %q = %q, %v, want %q", tt.shell, tt.value, got, err, tt.want)
		}
	}
}

func TestPrintJSON(t *testing.T) {
	e := &client.Environment{Set: awkward, Unset: map[string]string{"GONE": ""}}
	text, err := e.Print("json")
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]*string
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	for name, want := range awkward {
		if got[name] == nil || *got[name] != want {
			t.Errorf("%s = %v, want %q", name, got[name], want)
		}
	}
	if v, ok := got["GONE"]; !ok || v != nil {
		t.Errorf("GONE = %v, %t, want null", v, ok)
	}
}

func TestPrintUnknownShell(t *testing.T) {
	_, err := new(client.Environment).Print("tcsh")
	if err == nil || !strings.Contains(err.Error(), "dotenv, fish, json, powershell, sh") {
		t.Errorf("Print(tcsh) = %v, want an error that lists the shells", err)
	}
}
