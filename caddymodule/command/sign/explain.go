package sign

import (
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/expr"
	"github.com/attache-proxy/attache/providers/sign"
)

// explanation is what --explain prints: each step, in its order, without secrets.
type explanation struct {
	steps  []expr.Step
	secret map[string]string // what it is → its value
}

// listen makes a signer tell its steps.
func listen(in *sign.Input, o *providers.Option) *explanation {
	x := &explanation{secret: map[string]string{}}
	for name, v := range in.Cred.Fields {
		open := slices.ContainsFunc([]providers.FieldDef(o.Fields), func(f providers.FieldDef) bool { return f.Name == name && !f.Secret })
		if !open && name != "client_id" { // which is public
			x.secret["fields."+name] = v.Reveal()
		}
	}
	for name, v := range in.App {
		if name != "client_id" {
			x.secret["app."+name] = v.Reveal()
		}
	}
	in.Explain = func(st expr.Step) { x.steps = append(x.steps, st) }
	return x
}

// print writes the steps to the notes. Keys are lengths; what was used as a key, and
// every secret in the forms in which schemes write one, is replaced in the texts.
func (x *explanation) print(s *signing, in *sign.Input) {
	x.secret["token"] = in.Cred.Token.Reveal()
	for _, st := range x.steps {
		if len(st.Key) > 0 {
			x.secret["a key"+from(st)] = string(st.Key)
		}
	}
	for _, st := range x.steps {
		head := "explain: " + st.What
		if st.Name != "" {
			head += " " + st.Name
		}
		if len(st.Key) > 0 {
			head += fmt.Sprintf(", with a key of %d bytes%s", len(st.Key), from(st))
		}
		text, why := x.clean(st)
		switch {
		case why != "":
			fmt.Fprintf(s.notes, "%s: %d bytes, not shown: %s\n", head, len(st.Text), why)
		case st.Text == "" && len(st.Key) > 0:
			fmt.Fprintln(s.notes, head)
		case strings.ContainsAny(text, "\n\r"):
			fmt.Fprintf(s.notes, "%s, %d bytes:\n\t%s\n", head, len(st.Text), strings.ReplaceAll(shown(text), "\n", "\n\t"))
		default:
			fmt.Fprintf(s.notes, "%s: %s\n", head, shown(text))
		}
	}
}

// from names what a key is made of.
func from(st expr.Step) string {
	if len(st.KeyRefs) == 0 {
		return ""
	}
	return " from " + strings.Join(slices.Compact(slices.Sorted(slices.Values(st.KeyRefs))), ", ")
}

// clean is a step's text without secrets; why is not empty where that is not sure.
func (x *explanation) clean(st expr.Step) (text, why string) {
	for _, ref := range st.Opaque {
		if x.secret[ref] != "" {
			return "", "it holds " + ref + " in another form"
		}
	}
	type part struct{ value, name string }
	var parts []part
	for name, v := range x.secret {
		for _, form := range forms(v) {
			if strings.Contains(st.Text, form) {
				if len(form) < 4 {
					return "", "it may hold " + name + ", which is too short to be found"
				}
				parts = append(parts, part{form, name})
			}
		}
	}
	slices.SortFunc(parts, func(a, b part) int { return cmp.Or(len(b.value)-len(a.value), strings.Compare(a.name, b.name)) })
	text = st.Text
	for _, p := range parts {
		text = strings.ReplaceAll(text, p.value, fmt.Sprintf("[%s, %d bytes]", p.name, len(p.value)))
	}
	return text, ""
}

// forms are how a secret may stand in a text.
func forms(v string) []string {
	if v == "" {
		return nil
	}
	b := []byte(v)
	all := []string{v, strings.ToLower(v), strings.ToUpper(v), hex.EncodeToString(b), strings.ToUpper(hex.EncodeToString(b)),
		base64.StdEncoding.EncodeToString(b), base64.RawStdEncoding.EncodeToString(b), base64.URLEncoding.EncodeToString(b), base64.RawURLEncoding.EncodeToString(b),
		url.QueryEscape(v), url.PathEscape(v), expr.Percent(v), expr.Percent(expr.Percent(v))}
	slices.Sort(all)
	return slices.Compact(all)
}

// shown makes what is no text visible; NUL and the like stand in some schemes.
func shown(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r == '\n' || r >= ' ' && r != 0x7f && r != 0xfffd {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, "\\x%02x", r)
		}
	}
	return b.String()
}
