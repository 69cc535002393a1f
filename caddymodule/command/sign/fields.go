package sign

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/providers/sign"
)

// values reads --fields.
func (s *signing) values() (map[string]string, error) {
	raw, err := s.slurp(s.fields)
	if err != nil {
		return nil, err
	}
	var all map[string]any
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&all); err != nil {
		at := dec.InputOffset()
		if wrong, ok := errors.AsType[*json.SyntaxError](err); ok {
			at = wrong.Offset
		}
		line := 1 + bytes.Count(raw[:min(int(at), len(raw))], []byte("\n"))
		return nil, fmt.Errorf("--fields %s:%d: want a JSON object of field names and values", s.fields, line)
	}
	out := make(map[string]string, len(all))
	for name, v := range all {
		switch v := v.(type) {
		case nil:
		case string:
			if v != "" {
				out[name] = v
			}
		case map[string]any, []any: // a service account's key file
			text, err := json.Marshal(v)
			if err != nil {
				return nil, err
			}
			out[name] = string(text)
		default:
			out[name] = fmt.Sprint(v)
		}
	}
	return out, nil
}

// fillFromHost adds the fields that stand in the name of the request's host.
func fillFromHost(given map[string]string, c *providers.Connector, host string) {
	for _, h := range c.Hosts {
		for name, v := range h.FieldsOf(host) {
			if given[name] == "" {
				given[name] = v
			}
		}
	}
}

// choose is the option of --option, or the first of those that lack the fewest
// fields, know the most of the given ones, and know most by their own names.
func (s *signing) choose(c *providers.Connector, given map[string]string) (*providers.Option, error) {
	if s.option != "" || len(c.Options) < 2 {
		o, ok := c.Option(s.option)
		if !ok {
			return nil, fmt.Errorf("connector %s has no option %q; it has: %s", c.Key, s.option, c.OptionNames())
		}
		return o, nil
	}
	var best *providers.Option
	var bestLacks, bestKnows, bestExact int
	for _, o := range c.Options {
		named := nameFields(o, given)
		lacks, knows, exact := 0, 0, 0
		for _, f := range o.Fields {
			switch _, ok := named[f.Name]; {
			case ok:
				knows++
				if _, same := given[f.Name]; same {
					exact++
				}
			case !f.Optional && f.Default == "":
				lacks++
			}
		}
		if o.Type != providers.TypeCredentials {
			switch {
			case mints(o): // a token is made from the fields
			case has(named, "token", "access_token"):
				knows++
			default:
				lacks++
			}
		}
		better := cmp.Or(cmp.Compare(bestLacks, lacks), cmp.Compare(knows, bestKnows), cmp.Compare(exact, bestExact))
		if best == nil || better > 0 {
			best, bestLacks, bestKnows, bestExact = o, lacks, knows, exact
		}
	}
	if best != c.Options[0] {
		s.note("the option is %s, by its fields", best.Name)
	}
	return best, nil
}

func has(m map[string]string, names ...string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return m[n] != "" })
}

// kindsOfName are words for the same, as vendors' pages use them.
var kindsOfName = [][]string{
	{"api_key", "key", "apikey", "access_key", "access_key_id", "ak", "app_key", "application_key", "client_id", "public_key", "consumer_key", "ikey", "secret_id", "key_id", "key_name", "id", "username", "user", "login", "app_id", "partner_id"},
	{"api_secret", "secret", "secret_key", "secret_access_key", "access_key_secret", "sk", "app_secret", "application_secret", "client_secret", "consumer_secret", "shared_secret", "private_key", "skey", "password", "account_key", "master_key", "partner_key", "salt", "signing_key", "terminal_password"},
	{"token", "access_token", "session_token", "security_token", "sts_token", "session", "oauth_token", "session_key"},
	{"passphrase", "memo", "password"},
}

// oauth1Names are a person's words for what the option's app and token hold.
var oauth1Names = map[string]string{
	"consumer_key": "client_id", "consumer_secret": "client_secret", "client_id": "client_id", "client_secret": "client_secret",
	"token": "token", "access_token": "token", "token_secret": "token_secret", "access_token_secret": "token_secret",
}

// nameFields gives values their field's name where vendors' pages use a shorter,
// longer or other one (secret for api_secret), if only one field can be meant.
func nameFields(o *providers.Option, given map[string]string) map[string]string {
	named := maps.Clone(given)
	if o.Type == providers.TypeOAuth1 {
		for name, v := range given {
			if ours, ok := oauth1Names[strings.TrimPrefix(name, "oauth_")]; ok {
				delete(named, name)
				named[ours] = v
			}
		}
		return named
	}
	rename := func(fits func(field, name string) bool) {
		for _, name := range slices.Sorted(maps.Keys(named)) {
			if o.HasField(name) {
				continue
			}
			plain := strings.ToLower(strings.ReplaceAll(name, "-", "_"))
			var meant []string
			for _, f := range o.Fields {
				if _, ok := named[f.Name]; !ok && fits(f.Name, plain) {
					meant = append(meant, f.Name)
				}
			}
			if len(meant) == 1 {
				named[meant[0]] = named[name]
				delete(named, name)
			}
		}
	}
	rename(func(field, name string) bool {
		return strings.ReplaceAll(field, "_", "") == strings.ReplaceAll(name, "_", "")
	})
	rename(func(field, name string) bool {
		return strings.HasSuffix(field, "_"+name) || strings.HasSuffix(name, "_"+field)
	})
	for _, words := range kindsOfName {
		rename(func(field, name string) bool { return slices.Contains(words, field) && slices.Contains(words, name) })
	}
	return named
}

// fill makes the credential. What is no field of the option is the app's, or
// the token.
func (s *signing) fill(in *sign.Input, o *providers.Option, given map[string]string) error {
	named := nameFields(o, given)
	fields, app := secret.Values{}, secret.Values{}
	var token secret.Value
	for name, v := range named {
		val := secret.New(v)
		fields[name] = val
		switch {
		case o.HasField(name):
			if _, ok := given[name]; !ok {
				s.note("taken for the field %s: a value with another name", name)
			}
		case name == "token" || name == "access_token":
			token = val
		default:
			app[name] = val
			if o.Type == providers.TypeCredentials {
				s.note("option %s has no field %s; it has: %s", o.Name, name, o.FieldNames())
			}
		}
	}
	for _, f := range o.Fields {
		if fields.Get(f.Name).IsZero() && f.Default != "" {
			fields[f.Name] = secret.New(f.Default)
		}
	}
	cred, err := o.Credential(fields)
	if err != nil {
		in.Cred = &secret.Credential{Fields: fields}
		return s.explain(err, o, in)
	}
	if !token.IsZero() {
		cred.Token = token
	}
	in.Cred, in.App = cred, app
	return nil
}

// mints reports whether the option's token is made here, without the service.
func mints(o *providers.Option) bool { return o.OAuth != nil && o.OAuth.GrantType() == "jwt" }

// mint makes the token of an option that signs its own.
func (s *signing) mint(o *providers.Option, in *sign.Input) error {
	if !in.Cred.Token.IsZero() || o.OAuth == nil {
		return nil
	}
	if !mints(o) {
		if o.Type == providers.TypeOAuth2 {
			return fmt.Errorf("--fields %s: option %s gets its token from the service: give one as token", s.fields, o.Name)
		}
		return nil
	}
	t, err := o.OAuth.Token(context.Background(), oauth.Request{
		HTTP: offline{}, App: in.App, Fields: in.Cred.Fields, Account: in.Account, Now: func() time.Time { return in.Now },
	})
	if err != nil {
		return s.explain(err, o, in)
	}
	in.Cred.Token = t.Credential.Token
	return nil
}

// offline refuses to send anything.
type offline struct{}

func (offline) Do(*http.Request) (*http.Response, error) {
	return nil, errors.New("attache sign sends nothing")
}
