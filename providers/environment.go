package providers

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/attache-proxy/attache/providers/expr"
	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/providers/strictyaml"
)

// EnvironmentField is the field with which an account says which environment of
// the service it belongs to. A connector with environments has it in every option.
const EnvironmentField = "environment"

// EnvironmentDef is one of the places at which a service is run: production or a
// sandbox, a region, the customer's own machine. An account belongs to one, and its
// credential goes to no host of another.
type EnvironmentDef struct {
	// Name is the key under environments: what an account says.
	Name  string `yaml:"-"`
	Title string `yaml:"title"`
	// Fields are asked for beside the option's, of accounts in this environment.
	Fields FieldDefs `yaml:"fields"`
	// Hosts belong to this environment alone; those of the connector to all.
	Hosts []HostDef `yaml:"hosts"`
	// BaseURL is the connector's in this environment. Default: https and the first
	// exact host of the environment, else the connector's.
	BaseURL string `yaml:"base_url"`
	// The URLs replace those of every option that has one of that name.
	AuthorizeURL string `yaml:"authorize_url"`
	TokenURL     string `yaml:"token_url"`
	RefreshURL   string `yaml:"refresh_url"`
	RevokeURL    string `yaml:"revoke_url"`
	DeviceURL    string `yaml:"device_url"`
	// Test replaces the test of the connector and its options.
	Test *TestDef `yaml:"test"`
}

// EnvironmentDefs are environments in the order of the file; the first is the
// default.
type EnvironmentDefs []EnvironmentDef

// UnmarshalYAML reads a mapping and keeps its order.
func (es *EnvironmentDefs) UnmarshalYAML(n *yaml.Node) error {
	pairs, err := strictyaml.Pairs(n)
	if err != nil {
		return err
	}
	for _, p := range pairs {
		e := EnvironmentDef{Name: p.Key.Value}
		if err := strictyaml.Decode(p.Value, &e); err != nil {
			return err
		}
		if err := es.admits(&e); err != nil {
			return strictyaml.Errorf(p.Key, "environment %s: %v", e.Name, err)
		}
		*es = append(*es, e)
	}
	if len(*es) == 1 {
		return strictyaml.Errorf(n, "environments: one alone is no choice; write its hosts and base_url as the connector's")
	}
	return nil
}

// admits checks an environment against those before it.
func (es EnvironmentDefs) admits(e *EnvironmentDef) error {
	if !keyShape.MatchString(strings.ReplaceAll(e.Name, "_", "-")) {
		return errors.New("its name must be lower-case letters, digits, hyphens and underscores")
	}
	if len(e.Hosts) == 0 && e.BaseURL == "" {
		return errors.New("want hosts or a base_url: nothing tells it from the others")
	}
	for _, other := range es {
		for _, a := range e.Hosts {
			if slices.ContainsFunc(other.Hosts, func(b HostDef) bool { return a.overlaps(b) }) {
				return fmt.Errorf("host %s is in environment %s too; a host that several share stands in the connector's hosts", a.Host, other.Name)
			}
		}
		if e.BaseURL != "" && e.BaseURL == other.BaseURL {
			return fmt.Errorf("has the base_url of environment %s", other.Name)
		}
	}
	return nil
}

// overlaps reports whether two entries are for one host and one path of it.
func (h HostDef) overlaps(o HostDef) bool {
	a, errA := compileHost(h)
	b, errB := compileHost(o)
	if errA != nil || errB != nil || a.Port != b.Port {
		return false // told where the hosts are compiled
	}
	if a.exact() && b.exact() || a.Pattern == b.Pattern {
		return a.Pattern == b.Pattern && (a.fitsPath(b.Path) || b.fitsPath(a.Path))
	}
	return a.exact() && b.template == nil && b.matches(a.Pattern) || b.exact() && a.template == nil && a.matches(b.Pattern)
}

// withEnvironments is the definition with what its environments add: their hosts,
// and in every option the field by which an account chooses and the fields that
// one of them asks for.
func (d *Definition) withEnvironments() (*Definition, error) {
	if len(d.Environments) == 0 {
		return d, nil
	}
	out := *d
	out.Hosts = slices.Clone(d.Hosts)
	choose := FieldDef{Name: EnvironmentField, Title: "Environment", Default: d.Environments[0].Name}
	var titles []string
	var more FieldDefs
	for _, e := range d.Environments {
		choose.Enum = append(choose.Enum, e.Name)
		if e.Title != "" {
			titles = append(titles, e.Name+": "+e.Title)
		}
		for _, h := range e.Hosts {
			if slices.ContainsFunc(d.Hosts, func(common HostDef) bool { return h.overlaps(common) }) {
				return nil, fmt.Errorf("environment %s: host %s is among the connector's hosts too, which every environment reaches", e.Name, h.Host)
			}
			h.environment = e.Name
			out.Hosts = append(out.Hosts, h)
		}
		for _, f := range e.Fields {
			if slices.ContainsFunc(more, func(known FieldDef) bool { return known.Name == f.Name }) {
				continue // two environments may ask for a host alike
			}
			f.Optional = true
			f.Description = strings.TrimPrefix(f.Description+"; for environment "+cmp.Or(e.Title, e.Name), "; ")
			more = append(more, f)
		}
	}
	choose.Description = strings.Join(titles, "; ")
	out.Auth = slices.Clone(d.Auth)
	for i := range out.Auth {
		o := &out.Auth[i]
		if o.Type == TypeDelegate {
			continue
		}
		fields := append(FieldDefs{choose}, more...)
		for _, f := range o.Fields {
			if slices.ContainsFunc(fields, func(known FieldDef) bool { return known.Name == f.Name }) {
				return nil, fmt.Errorf("auth option %s: field %s is one that environments ask for", o.Name, f.Name)
			}
		}
		o.Fields = append(fields, o.Fields...)
	}
	return &out, nil
}

// environment is the one that an account's values name; nil where the connector
// has none.
func (c *Connector) environment(chosen string) *EnvironmentDef {
	if len(c.Environments) == 0 {
		return nil
	}
	i := slices.IndexFunc(c.Environments, func(e EnvironmentDef) bool { return e.Name == chosen })
	return &c.Environments[max(i, 0)]
}

// inEnvironment reports whether the host is one of the account's environment. An
// account that names none is in the default one.
func (h *Host) inEnvironment(v *expr.Vars) bool {
	if h.Environment == "" {
		return true
	}
	chosen := ""
	if v != nil {
		chosen = v.Value("fields." + EnvironmentField)
	}
	return cmp.Or(chosen, h.byDefault) == h.Environment
}

// For is the option as it is in the environment that the fields name: with that
// one's URLs for OAuth. What is connected and tested goes through it.
func (o *Option) For(fields secret.Values) *Option {
	if in, ok := o.environments[fields.Get(EnvironmentField).Reveal()]; ok {
		return in
	}
	return o
}

// Asks reports whether a field must be given where the others are these: because
// the option asks for it, or the environment that they name does.
func (o *Option) Asks(f *FieldDef, fields secret.Values) bool {
	if in := o.For(fields).in; in != nil {
		if i := slices.IndexFunc(in.Fields, func(own FieldDef) bool { return own.Name == f.Name }); i >= 0 {
			return !in.Fields[i].Optional && f.Default == ""
		}
	}
	return !f.Optional && f.Default == ""
}

// compileEnvironments makes the option's variants, of which the first is the
// option itself.
func (c *Connector) compileEnvironments(o *Option) error {
	for i := range c.Environments {
		e := &c.Environments[i]
		in := o
		if i > 0 {
			clone := *o
			in = &clone
		}
		in.in = e
		if o.OAuth != nil && e.urls() {
			spec := o.OptionDef.OAuth
			for _, u := range []struct {
				to   *string
				from string
			}{{&spec.AuthorizeURL, e.AuthorizeURL}, {&spec.TokenURL, e.TokenURL}, {&spec.RefreshURL, e.RefreshURL}, {&spec.RevokeURL, e.RevokeURL}, {&spec.DeviceURL, e.DeviceURL}} {
				if *u.to != "" && u.from != "" {
					*u.to = u.from
				}
			}
			cfg, err := oauth.Compile(spec)
			if err != nil {
				return fmt.Errorf("environment %s: %w", e.Name, err)
			}
			in.OAuth = cfg
		}
		if i == 0 {
			o.environments = map[string]*Option{}
		}
		o.environments[e.Name] = in
	}
	for _, in := range o.environments {
		in.environments = o.environments
	}
	return nil
}

func (e *EnvironmentDef) urls() bool {
	return e.AuthorizeURL+e.TokenURL+e.RefreshURL+e.RevokeURL+e.DeviceURL != ""
}

// checkEnvironment finds what the chosen environment asks for and the values lack,
// and what is for another one.
func (o *Option) checkEnvironment(values secret.Values) error {
	in := o.For(values).in
	if in == nil {
		return nil
	}
	var errs []error
	for _, f := range in.Fields {
		if values.Get(f.Name).IsZero() && !f.Optional && f.Default == "" {
			errs = append(errs, fmt.Errorf("field %s is missing, which environment %s asks for", f.Name, in.Name))
		}
	}
	for _, other := range o.environments {
		for _, f := range other.in.Fields {
			asked := slices.ContainsFunc(in.Fields, func(own FieldDef) bool { return own.Name == f.Name })
			if !asked && !values.Get(f.Name).IsZero() && f.Default == "" {
				errs = append(errs, fmt.Errorf("field %s is for environment %s, and %s is %s", f.Name, other.in.Name, EnvironmentField, in.Name))
			}
		}
	}
	return errors.Join(errs...)
}
