package providers

import (
	"errors"
	"fmt"
	"maps"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/attache-proxy/attache/providers/expr"
	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/providers/sign"
	"github.com/attache-proxy/attache/providers/strictyaml"
)

// Types of an option.
const (
	TypeOAuth2      = "oauth2"
	TypeOAuth1      = "oauth1"
	TypeCredentials = "credentials"
	TypeDelegate    = "delegate"
	TypeMCP         = "mcp"
)

func (c *Connector) compileOption(d *OptionDef) (*Option, error) {
	o := &Option{OptionDef: d}
	if !keyShape.MatchString(strings.ReplaceAll(d.Name, "_", "-")) {
		return nil, errors.New("its name must be lower-case letters, digits, hyphens and underscores")
	}
	if err := webPage("help", d.Help); err != nil {
		return nil, err
	}
	if err := webPage("key_page", d.KeyPage); err != nil {
		return nil, err
	}
	switch d.Type {
	case TypeCredentials:
	case TypeOAuth2, TypeOAuth1, TypeMCP:
		spec := d.OAuth
		if d.Type == TypeMCP {
			if err := completeMCP(&spec); err != nil {
				return nil, err
			}
		}
		cfg, err := oauth.Compile(spec)
		if err != nil {
			return nil, err
		}
		o.OAuth = cfg
	case TypeDelegate:
		if d.Via == "" {
			return nil, errors.New("type delegate needs via: the connector whose account is used")
		}
	default:
		return nil, fmt.Errorf("type %q: want oauth2, oauth1, credentials, delegate or mcp", d.Type)
	}
	if err := d.Fields.check(); err != nil {
		return nil, err
	}
	if err := o.compileToken(); err != nil {
		return nil, err
	}
	if err := c.compileSigners(o); err != nil {
		return nil, err
	}
	return o, c.compileEnvironments(o)
}

// compileToken finds what {token} means for a pasted credential.
func (o *Option) compileToken() error {
	if o.Type != TypeCredentials {
		return nil
	}
	src := o.Token
	if src == "" {
		var secrets []string
		for _, f := range o.Fields {
			if f.Secret {
				secrets = append(secrets, f.Name)
			}
		}
		if len(secrets) != 1 {
			return nil // {token} is then not known, and a template with it says so
		}
		src = "{fields." + secrets[0] + "}"
	}
	t, err := expr.Compile(src)
	if err != nil {
		return fmt.Errorf("token: %w", err)
	}
	o.token = t
	return nil
}

// compileSigners makes the option's signer and those of hosts with a placement
// of their own.
func (c *Connector) compileSigners(o *Option) error {
	spec := o.Sign
	if spec == nil {
		if o.Type == TypeCredentials && o.token == nil || o.Type == TypeOAuth1 {
			return errors.New("sign is missing: say where the credential goes, for example sign: bearer")
		}
		spec = &sign.Spec{Bearer: "{token}"}
	}
	var err error
	if o.Signer, err = sign.New(*spec, o.env()); err != nil {
		return strictyaml.Each(err, func(err error) error { return fmt.Errorf("sign: %w", err) })
	}
	for _, h := range c.Hosts {
		if h.sign == nil {
			continue
		}
		s, err := sign.New(*h.sign, o.env())
		if err != nil {
			return fmt.Errorf("sign of host %s: %w", h.Pattern, err)
		}
		if h.signers == nil {
			h.signers = map[string]sign.Signer{}
		}
		h.signers[o.Name] = s
	}
	return nil
}

// env is what the option's templates may name.
func (o *Option) env() sign.Env {
	var e sign.Env
	for _, f := range o.Fields {
		e.Fields = append(e.Fields, f.Name)
		if f.Optional && f.Default == "" {
			e.Optional = append(e.Optional, f.Name)
		}
	}
	if o.OAuth == nil {
		return e
	}
	brings := o.OAuth.Brings()
	for _, name := range slices.Sorted(maps.Keys(brings)) {
		if slices.Contains(e.Fields, name) {
			continue
		}
		e.Fields = append(e.Fields, name)
		if !brings[name] {
			e.Optional = append(e.Optional, name)
		}
	}
	return e
}

// fieldName keeps field names usable in templates.
var fieldName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

func (fs FieldDefs) check() error {
	for _, f := range fs {
		if !fieldName.MatchString(f.Name) {
			return fmt.Errorf("field %q: want lower-case letters, digits and underscores", f.Name)
		}
		if _, err := regexp.Compile(f.Pattern); err != nil {
			return fmt.Errorf("field %s: pattern: %w", f.Name, err)
		}
		for _, value := range append(slices.Clone(f.Examples), f.Default) {
			if value == "" {
				continue
			}
			if err := f.check(value); err != nil {
				return fmt.Errorf("field %s: its own example or default %q %w", f.Name, value, err)
			}
		}
	}
	return nil
}

// Validate checks an account's values against the option's fields and fills in
// defaults. Errors name the field, never its value.
func (o *Option) Validate(values secret.Values) (secret.Values, error) {
	out := make(secret.Values, len(values))
	var errs []error
	for _, f := range o.Fields {
		v, err := CleanKey(values.Get(f.Name))
		if err != nil {
			errs = append(errs, fmt.Errorf("field %s %w", f.Name, err))
			continue
		}
		if v.IsZero() && f.Default != "" {
			v = secret.New(f.Default)
		}
		if v.IsZero() {
			if !f.Optional {
				errs = append(errs, fmt.Errorf("field %s is missing", f.Name))
			}
			continue
		}
		text, err := o.check(&f, v.Reveal())
		if err != nil {
			errs = append(errs, fmt.Errorf("field %s %w", f.Name, err))
		} else if text != v.Reveal() {
			v = secret.New(text)
		}
		out[f.Name] = v
	}
	for name := range values {
		if !slices.ContainsFunc(o.Fields, func(f FieldDef) bool { return f.Name == name }) {
			known := "this way to authenticate asks for no fields"
			if len(o.Fields) > 0 {
				known = "known here: " + strings.Join(o.fieldNames(), ", ")
			}
			errs = append(errs, fmt.Errorf("field %s is not known; %s", name, known))
		}
	}
	if len(errs) == 0 {
		errs = append(errs, o.checkEnvironment(out))
	}
	return out, errors.Join(errs...)
}

// CleanKey takes the white space off that comes along when keys are pasted or
// read from files, and refuses one with a line break or another control character
// inside: no header can hold it. Keys that are files (PEM, JSON) have lines.
func CleanKey(v secret.Value) (secret.Value, error) {
	text := strings.TrimFunc(v.Reveal(), func(r rune) bool { return unicode.IsSpace(r) || r == '\ufeff' || r == '\u200b' })
	if !strings.HasPrefix(text, "-----BEGIN ") && !strings.HasPrefix(text, "{") && !strings.HasPrefix(text, "[") && !strings.HasPrefix(text, "<") {
		for _, r := range text {
			switch {
			case r == '\n' || r == '\r' || r == '\u0085' || r == '\u2028' || r == '\u2029':
				return secret.Value{}, errors.New("has a line break inside; give the key alone, in one line")
			case r < ' ' && r != '\t' || r == 0x7f:
				return secret.Value{}, errors.New("has a control character inside; give the key alone")
			}
		}
	}
	if text == v.Reveal() {
		return v, nil
	}
	return secret.New(text), nil
}

func (o *Option) fieldNames() []string {
	var ns []string
	for _, f := range o.Fields {
		ns = append(ns, f.Name)
	}
	return ns
}

// check tests one value and brings a host to its normal form.
func (o *Option) check(f *FieldDef, v string) (string, error) {
	use, inHost := o.inHost[f.Name]
	if f.Format == FormatHost {
		use.whole, inHost = true, true
	}
	if inHost {
		var err error
		if v, err = use.normal(f, v); err != nil {
			return v, err
		}
	}
	return v, f.check(v)
}

// check tests one value. The message must not hold it: it may be a secret.
func (f *FieldDef) check(v string) error {
	if f.Pattern != "" {
		if ok, _ := regexp.MatchString(f.Pattern, v); !ok {
			return fmt.Errorf("does not match the pattern %s", f.Pattern)
		}
	}
	if len(f.Enum) > 0 && !slices.Contains(f.Enum, v) {
		return fmt.Errorf("must be one of %s", strings.Join(f.Enum, ", "))
	}
	switch f.Format {
	case "email":
		if _, err := mail.ParseAddress(v); err != nil {
			return errors.New("is no e-mail address")
		}
	case "uri", "url":
		if u, err := url.Parse(v); err != nil || u.Host == "" {
			return errors.New("is no URL")
		}
	}
	return nil
}

// HasField reports whether the option asks for a field of that name.
func (o *Option) HasField(name string) bool { return slices.Contains(o.fieldNames(), name) }

// SecretField reports whether a field's value is a secret. Fields that the option
// does not declare are taken for secret.
func (o *Option) SecretField(name string) bool {
	for _, f := range o.Fields {
		if f.Name == name {
			return f.Secret
		}
	}
	return true
}

// FieldNames lists the fields, for messages.
func (o *Option) FieldNames() string { return strings.Join(o.fieldNames(), ", ") }
