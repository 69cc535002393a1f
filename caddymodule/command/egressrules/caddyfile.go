package egressrules

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// Variable is what the block takes from the environment.
type Variable struct {
	Name string
	// Value is what the rules held; empty where they named the variable.
	Value string
}

// Caddyfile is the block of the global option attache that does what the rules say,
// for one agent. No value of a header is in it but those that are plainly no secret.
func Caddyfile(rules []Rule, agent string) (text string, variables []Variable) {
	var b strings.Builder
	var grants []string
	keys := map[string]bool{}
	b.WriteString("attache {\n")
	for _, r := range rules {
		key := keyOf(r.Host)
		for n := 2; keys[key]; n++ {
			key = fmt.Sprintf("%s-%d", keyOf(r.Host), n)
		}
		keys[key] = true
		fmt.Fprintf(&b, "\tconnector %s {\n\t\thosts %s\n", key, r.Host)
		if name, ok := strings.CutPrefix(r.Host, "*."); ok {
			fmt.Fprintf(&b, "\t\twildcard vendor \"the imported rule gives its headers to every name below %s\"\n", name)
		}
		signed := false
		for _, name := range slices.SortedFunc(maps.Keys(r.Headers), foldedOrder) {
			value := r.Headers[name]
			if public.MatchString(name) && !named.MatchString(value) {
				fmt.Fprintf(&b, "\t\theader %s %s\n", name, quoted(value))
				continue
			}
			field := strings.Trim(notWord.ReplaceAllString(strings.ToLower(name), "_"), "_")
			before, secret := split(value)
			v := Variable{Name: variableOf(r.Host, name), Value: secret}
			if n := named.FindStringSubmatch(secret); n != nil {
				v = Variable{Name: n[1] + n[2] + n[3]}
			} else if strings.Contains(secret, "${") || strings.Contains(secret, "{{") {
				v.Value = "" // made of several: whoever sets it puts them together
			}
			fmt.Fprintf(&b, "\t\tfield %s {env.%s}\n\t\tsign header %s %s\n", field, v.Name, name, quoted(before+"{fields."+field+"}"))
			if !slices.Contains(variables, v) {
				variables = append(variables, v)
			}
			signed = true
		}
		b.WriteString("\t}\n")
		if signed {
			grants = append(grants, key)
		}
	}
	tokenName := variableOf("ATTACHE", agent+"_token")
	fmt.Fprintf(&b, "\tagent %s {\n\t\ttoken {env.%s}\n", agent, tokenName)
	for _, key := range grants {
		fmt.Fprintf(&b, "\t\tgrant %s read write\n", key)
	}
	b.WriteString("\t}\n}\n")
	return b.String(), append(variables, Variable{Name: tokenName})
}

var (
	notWord = regexp.MustCompile(`[^a-z0-9]+`)
	// public are headers whose values are no secrets.
	public = regexp.MustCompile(`(?i)^(accept(-.*)?|content-type|user-agent|.*-version|.*-beta)$`)
	// named is a value that names a variable: ${NAME}, {{NAME}}, $NAME.
	named = regexp.MustCompile(`^(?:\$\{(?:env[:.])?([A-Za-z_][A-Za-z0-9_]*)\}|\{\{\s*(?:env\.|secrets?\.)?([A-Za-z_][A-Za-z0-9_]*)\s*\}\}|\$([A-Z_][A-Z0-9_]*))$`)
	// scheme is what stands before a credential in Authorization.
	scheme = regexp.MustCompile(`^(?i)(bearer|basic|token|bot|apikey|key|zoho-oauthtoken|glc) +`)
)

// split takes the scheme off a value: it is no secret. Braces in the rest would be
// placeholders, so it is the variable's as a whole.
func split(value string) (before, secret string) {
	before = scheme.FindString(value)
	return before, value[len(before):]
}

// quoted is a word of a Caddyfile.
func quoted(s string) string {
	if strings.Contains(s, "`") {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
	}
	return "`" + s + "`"
}

func keyOf(host string) string {
	key := strings.Trim(notWord.ReplaceAllString(strings.ToLower(host), "-"), "-")
	if key == "" || key[0] >= '0' && key[0] <= '9' {
		key = "host-" + key
	}
	return key
}

func variableOf(host, name string) string {
	v := strings.Trim(notWord.ReplaceAllString(strings.ToLower(host+"_"+name), "_"), "_")
	if v[0] >= '0' && v[0] <= '9' {
		v = "host_" + v
	}
	return strings.ToUpper(v)
}

func foldedOrder(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) }

// Format is the block as `caddy fmt` writes it.
func Format(text string) string { return string(caddyfile.Format([]byte(text))) }
