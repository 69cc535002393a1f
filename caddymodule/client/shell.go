package client

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// shells print an environment for something to read. To add one: its line here.
var shells = map[string]func(*Environment) string{
	"sh":         func(e *Environment) string { return e.lines("export %s=%s;", "unset %s;", quoteSh) },
	"fish":       func(e *Environment) string { return e.lines("set -gx %s %s;", "set -e %s;", quoteFish) },
	"powershell": func(e *Environment) string { return e.lines("$Env:%s = %s", powershellUnset, quotePowerShell) },
	"dotenv":     func(e *Environment) string { return e.lines("%s=%s", "", quoteDotenv) },
	"json":       (*Environment).json,
}

// Shells lists the names that Print takes.
func Shells() []string { return slices.Sorted(maps.Keys(shells)) }

// powershellUnset is silent about a variable that is not there.
const powershellUnset = "Remove-Item Env:%s -ErrorAction SilentlyContinue"

// Print writes the environment for a shell. Names are such that no shell takes
// them for anything else; values are quoted.
func (e *Environment) Print(shell string) (string, error) {
	print, ok := shells[shell]
	if !ok {
		return "", fmt.Errorf("--shell %s: want one of %s", shell, strings.Join(Shells(), ", "))
	}
	return print(e), nil
}

func (e *Environment) lines(set, unset string, quote func(string) string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(e.Set)) {
		fmt.Fprintf(&b, set+"\n", name, quote(e.Set[name]))
	}
	if unset != "" {
		for _, name := range slices.Sorted(maps.Keys(e.Unset)) {
			fmt.Fprintf(&b, unset+"\n", name)
		}
	}
	return b.String()
}

// json is an object; a variable to be removed is null.
func (e *Environment) json() string {
	out := make(map[string]*string, len(e.Set)+len(e.Unset))
	for name := range e.Unset {
		out[name] = nil
	}
	for name, value := range e.Set {
		out[name] = &value
	}
	text, _ := json.MarshalIndent(out, "", "  ") // strings cannot fail
	return string(text) + "\n"
}

// quoteSh is for POSIX shells: nothing is special inside '…' but the quote
// (POSIX.1 XCU 2.2.2).
func quoteSh(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// quoteFish: inside '…' fish knows \' and \\.
func quoteFish(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'"
}

// quotePowerShell: inside '…' a doubled quote stands for one. PowerShell takes
// typographic quotes for quotes as well.
func quotePowerShell(s string) string {
	return "'" + strings.NewReplacer("'", "''", "\u2018", "\u2018\u2018", "\u2019", "\u2019\u2019", "\u201a", "\u201a\u201a", "\u201b", "\u201b\u201b").Replace(s) + "'"
}

// quoteDotenv leaves plain values bare, since `docker run --env-file` takes
// quotes for part of the value.
func quoteDotenv(s string) string {
	plain := strings.IndexFunc(s, func(r rune) bool {
		return !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("_-./:@%+,=|*[]", r))
	}) < 0
	if plain {
		return s
	}
	if !strings.ContainsAny(s, "'\n\\") {
		return "'" + s + "'"
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "$", `\$`).Replace(s) + `"`
}
