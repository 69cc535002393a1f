package resolver

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"

	"github.com/attache-proxy/attache/providers/expr"
	"github.com/attache-proxy/attache/providers/sign"
	"github.com/attache-proxy/attache/resolver/refusal"
	"github.com/attache-proxy/attache/resolver/scrub"
)

// echoes are what to search for in answers to requests that placed the same.
type echoes struct {
	placed []sign.Placed
	set    *scrub.Set
}

// maxEchoes is how many kinds of requests of an account are remembered: a
// connector may place differently at each of its hosts.
const maxEchoes = 4

// echoesOf are what this request placed of secrets. They are made once for all
// requests that place the same.
func (a *Account) echoesOf(in *sign.Input) *scrub.Set {
	var room [6]sign.Placed
	placed := a.secrets(room[:0], in)
	if len(placed) == 0 {
		return nil
	}
	known := a.echoes.Load()
	if known != nil {
		for _, e := range *known {
			if slices.EqualFunc(e.placed, placed, samePlaced) {
				return e.set
			}
		}
	}
	var needles []scrub.Needle
	for _, p := range placed {
		needles = append(needles, a.needles(p, &in.Vars)...)
	}
	e := &echoes{slices.Clone(placed), scrub.New(needles)}
	all := []*echoes{e}
	if known != nil {
		all = append(all, (*known)[:min(len(*known), maxEchoes-1)]...)
	}
	a.echoes.Store(&all)
	return e.set
}

func samePlaced(a, b sign.Placed) bool {
	return a.Text == b.Text && a.Name == b.Name && a.Where == b.Where && a.Lead == b.Lead
}

// secrets are those of in.Placed that are made of a secret and good for more than
// this request. A signature in a query is: whoever has the URL has what it
// allows. Of another signature only what stands in it as it is counts.
func (a *Account) secrets(to []sign.Placed, in *sign.Input) []sign.Placed {
	for _, p := range in.Placed {
		if !slices.ContainsFunc(p.Refs, a.secretRef) {
			continue
		}
		if !p.Request || p.Where == "query" {
			to = append(to, p)
			continue
		}
		for _, ref := range p.Refs {
			if v := in.Value(ref); v != "" && a.secretRef(ref) && strings.Contains(p.Text, v) {
				p.Text = v
				to = append(to, p)
			}
		}
	}
	return to
}

// secretRef reports whether what a template refers to is a secret.
func (a *Account) secretRef(ref string) bool {
	root, name, _ := strings.Cut(ref, ".")
	switch root {
	case "token", "signature":
		return true
	case "fields":
		return a.secretField(name)
	case "app":
		return name != "client_id"
	}
	return false
}

// secretField reports whether a field's value is a secret. Fields that the
// option does not declare are taken for secret.
func (a *Account) secretField(name string) bool {
	for _, f := range a.Option.Fields {
		if f.Name == name {
			return f.Secret
		}
	}
	return true
}

// needles are what to search for because p was placed: its text, and what can be
// read out of it.
func (a *Account) needles(p sign.Placed, v *expr.Vars) []scrub.Needle {
	n := scrub.Needle{Value: p.Text, Lead: p.Lead, Names: []string{p.Name}}
	if word := lastWord(p.Lead); word != "" && !strings.EqualFold(word, "bearer") && !strings.EqualFold(word, "basic") {
		n.Names = append(n.Names, word)
	}
	all := []scrub.Needle{n}
	bits, signature := 0, false
	inside := decodings(p.Text)
	for _, ref := range p.Refs {
		value := v.Value(ref)
		if !a.secretRef(ref) || value == "" {
			signature = signature || ref == "signature"
			continue
		}
		bits += scrub.Bits(value)
		if _, field, ok := strings.Cut(ref, "."); ok && strings.EqualFold(p.Name, "Authorization") {
			all[0].Names = append(all[0].Names, field) // the halves of Basic
		}
		if value != p.Text && slices.ContainsFunc(append(inside, p.Text), func(s string) bool { return strings.Contains(s, value) }) {
			all = append(all, scrub.Needle{Value: value, Names: n.Names})
		}
	}
	if signature {
		return all
	}
	all[0].Bits = max(1, bits) // what is not secret in it is known
	for _, s := range inside {
		for _, each := range all[1:] {
			if strings.Contains(s, each.Value) {
				all = append(all, scrub.Needle{Value: s, Names: n.Names, Bits: max(1, bits)})
				break
			}
		}
	}
	return all
}

// decodings are the texts that a service may read out of a value.
func decodings(v string) (all []string) {
	bare := strings.TrimRight(v, "=")
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if b, err := enc.DecodeString(bare); err == nil {
			all = append(all, string(b))
		}
	}
	if b, err := hex.DecodeString(v); err == nil {
		all = append(all, string(b))
	}
	return all
}

// lastWord is the last run of letters, digits, - and _ in s.
func lastWord(s string) string {
	word := func(r rune) bool {
		return r == '-' || r == '_' || '0' <= r && r <= '9' || 'a' <= r|0x20 && r|0x20 <= 'z'
	}
	s = strings.TrimRightFunc(s, func(r rune) bool { return !word(r) })
	return s[strings.LastIndexFunc(s, func(r rune) bool { return !word(r) })+1:]
}

// search makes an answer safe to pass on: see the package scrub.
func (x *exchange) search(res *http.Response, set *scrub.Set) error {
	o := scrub.Options{Range: scrub.Asked(x.req.Method, x.req.Header), Numbered: strings.Contains(x.req.URL.RawQuery, "partNumber="), Found: &x.call.Outcome.Scrubbed, Blind: &x.call.Outcome.Unsearchable}
	if reserve := x.r.inflate; reserve != nil {
		o.Reserve = func(n int64) (func(), error) { return reserve(x.call, n) }
	}
	err := set.Answer(res, o)
	if err == nil {
		return nil
	}
	_ = res.Body.Close()
	var blind *scrub.Unsearchable
	if !errors.As(err, &blind) {
		return err
	}
	next := "Ask for it in another form, for example without Range or with Accept-Encoding: identity."
	if m := x.req.Method; m != http.MethodGet && m != http.MethodHead {
		next = "The service has answered, so do not repeat the request before you know what it did. " + next
	}
	return &Refusal{Code: "echo_unsearchable", Detail: x.call.Target.Host + " answered, and " + blind.Error(), Next: next + " If the service is trusted not to echo credentials, the operator may say scrub off for the connector."}
}

// watch1xx searches informational answers too. The caller's own trace belongs
// to this request alone, so its hook is wrapped in place: composing traces costs
// more than the rest of a request's decision.
func (x *exchange) watch1xx(out *http.Request, set *scrub.Set) {
	trace := httptrace.ContextClientTrace(out.Context())
	if trace == nil || trace.Got1xxResponse == nil {
		return // nobody sees them
	}
	next := trace.Got1xxResponse
	trace.Got1xxResponse = func(code int, h textproto.MIMEHeader) error {
		x.call.Connector.CleanAnswer(http.Header(h))
		refusal.DropHeaders(http.Header(h))
		if set.Header(http.Header(h)) {
			x.call.Outcome.Scrubbed.Store(true)
		}
		return next(code, h)
	}
}
