package providers

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/attache-proxy/attache/providers/expr"
	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/providers/sign"
	"github.com/attache-proxy/attache/providers/strictyaml"
	"github.com/attache-proxy/attache/providers/usage"
)

// Connector is a compiled definition, ready for use by many requests at once.
type Connector struct {
	*Definition
	// Source is where the connector was written: a file, or the Caddyfile's.
	Source  string
	Hosts   []*Host
	Options []*Option
	BaseURL *expr.Template
	// Scrub says whether echoes of the credential are replaced in answers.
	Scrub bool
	// Sandbox says whether answers at our own origin are sandboxed.
	Sandbox bool
	// Removes are the headers that are taken off every request first.
	Removes []string
	// KeyHeaders are the headers in which SDKs send the service's key, beside
	// Authorization: those that the signers write.
	KeyHeaders []string
	// KeyParameters are the parameters of a query in which they send it.
	KeyParameters []string
	// MetaPrefixes begin the answer's headers that hold people's own metadata,
	// whose names the service writes in lower case and SDKs show: X-Amz-Meta-.
	MetaPrefixes []string
	// ByPath says that paths decide: some host has a path prefix.
	ByPath bool
	// baseURLs are by environment.
	baseURLs map[string]*expr.Template
	// templates says that some host is a template, or belongs to an environment.
	templates bool
	// TakesSignedURLs is URLSignatures, or that a signer implies it.
	TakesSignedURLs bool
	access          access
	spoken          []spoken
	usage           *usage.Spec
	usageAt         []*PathPattern // POST there; nil means whatever does not read
	leaves          []*PathPattern // where a client's own credential may stay
}

// Option is a compiled way to connect.
type Option struct {
	*OptionDef
	// Signer places the credential where the host has no placement of its own.
	Signer sign.Signer
	// OAuth obtains tokens; nil for type credentials and delegate.
	OAuth *oauth.Config
	// token is what {token} means for type credentials.
	token *expr.Template
	// environments are the option in each environment, also in in.
	environments map[string]*Option
	in           *EnvironmentDef
	// inHost are the fields that stand in the connector's hosts.
	inHost map[string]hostUse
}

// keyShape keeps keys usable as a DNS label and as a path segment.
var keyShape = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// Compile checks a definition and makes a Connector of it.
func Compile(d *Definition) (*Connector, error) {
	full, err := d.withEnvironments()
	c := &Connector{Definition: full, Source: d.source, Scrub: d.Scrub == nil || *d.Scrub, Sandbox: d.Sandbox == nil || *d.Sandbox}
	if err == nil {
		err = c.compile()
	}
	if err != nil {
		return nil, d.mistakes(err, "connector "+cmp.Or(d.Key, "without key")+": ")
	}
	return c, nil
}

func (c *Connector) compile() error {
	var errs []error
	if !keyShape.MatchString(c.Key) {
		errs = append(errs, fmt.Errorf("key %q: want lower-case letters, digits and hyphens, at most 63", c.Key))
	}
	errs = append(errs, webPage("docs", c.Docs), c.checkAbout(), c.checkDescribed())
	if len(c.Definition.Hosts) == 0 {
		errs = append(errs, fmt.Errorf("hosts are missing: name at least one host that the credential may go to"))
	}
	for _, hd := range c.Definition.Hosts {
		h, err := compileHost(hd)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if h.Environment = hd.environment; h.Environment != "" {
			h.byDefault = c.Environments[0].Name
		}
		c.Hosts = append(c.Hosts, h)
		c.ByPath = c.ByPath || h.Path != "/"
		c.templates = c.templates || h.template != nil || h.Environment != ""
	}
	for i := range c.Auth {
		o, err := c.compileOption(&c.Auth[i])
		if err != nil {
			errs = append(errs, strictyaml.Each(err, func(err error) error { return fmt.Errorf("auth option %s: %w", c.Auth[i].Name, err) }))
			continue
		}
		c.Options = append(c.Options, o)
	}
	if err := errors.Join(errs...); err != nil { // what follows would complain of what is missing by that
		return err
	}
	if err := c.checkHosts(); err != nil {
		return err
	}
	c.TakesSignedURLs = c.URLSignatures
	c.findKeyHeaders()
	if err := c.compileBaseURL(); err != nil {
		return err
	}
	if err := c.compileKeep(); err != nil {
		return err
	}
	if err := c.checkPrefixes(); err != nil {
		return err
	}
	if err := c.compileInject(); err != nil {
		return err
	}
	if err := c.compileSpeaks(); err != nil {
		return err
	}
	if err := c.compileUsage(); err != nil {
		return err
	}
	return c.compileAccess()
}

// webPage refuses a link for people that is no https one: it stands in pages and
// terminals.
func webPage(key, s string) error {
	if s == "" {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return fmt.Errorf("%s: want an https URL", key)
	}
	return nil
}

func (c *Connector) findKeyHeaders() {
	add := func(s sign.Signer) {
		c.TakesSignedURLs = c.TakesSignedURLs || sign.SignsURLs(s)
		for _, name := range s.Places().Query {
			if !slices.Contains(c.KeyParameters, name) {
				c.KeyParameters = append(c.KeyParameters, name)
			}
		}
		for _, name := range s.Places().Headers {
			if name == "Authorization" || slices.Contains(c.KeyHeaders, name) {
				continue
			}
			c.KeyHeaders = append(c.KeyHeaders, name)
			if name == "X-Amz-Date" || name == "X-Goog-Date" {
				c.MetaPrefixes = append(c.MetaPrefixes, strings.TrimSuffix(name, "Date")+"Meta-")
			}
		}
	}
	for _, o := range c.Options {
		add(o.Signer)
	}
	for _, h := range c.Hosts {
		for _, s := range h.signers {
			add(s)
		}
	}
}

func (c *Connector) compileBaseURL() error {
	var err error
	if c.BaseURL, err = c.baseURL(c.Definition.BaseURL, ""); err != nil || len(c.Environments) == 0 {
		return err
	}
	c.baseURLs = map[string]*expr.Template{}
	for _, e := range c.Environments {
		src := e.BaseURL
		if src == "" && len(e.Hosts) == 0 {
			src = c.Definition.BaseURL
		}
		if c.baseURLs[e.Name], err = c.baseURL(src, e.Name); err != nil {
			return fmt.Errorf("environment %s: %w", e.Name, err)
		}
	}
	c.BaseURL = c.baseURLs[c.Environments[0].Name]
	return nil
}

// baseURL compiles the URL of an environment, or that of its first host; nil
// where there is none.
func (c *Connector) baseURL(src, environment string) (*expr.Template, error) {
	if src == "" {
		if src = c.defaultBaseURL(environment); src == "" {
			return nil, nil
		}
	}
	u, err := url.Parse(fieldInHost.ReplaceAllString(src, "1")) // a field may be the port
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return nil, fmt.Errorf("base_url %q: want an absolute https URL", src)
	}
	t, err := expr.Compile(src)
	if err != nil {
		return nil, fmt.Errorf("base_url: %w", err)
	}
	for _, o := range c.Options {
		for _, ref := range t.Refs() {
			name, ok := strings.CutPrefix(ref, "fields.")
			if ok && o.Type != TypeDelegate && !slices.Contains(o.env().Fields, name) {
				return nil, fmt.Errorf("base_url needs {%s}, and auth option %s does not ask for the field %s", ref, o.Name, name)
			}
		}
	}
	return t, nil
}

// defaultBaseURL is that of the first host of an environment that is exact or a
// template.
func (c *Connector) defaultBaseURL(environment string) string {
	for _, h := range c.Hosts {
		if h.Environment != environment {
			continue
		}
		if h.exact() || h.template != nil && !h.wild() {
			host := h.Pattern
			if h.template == nil && strings.Contains(host, ":") {
				host = "[" + host + "]"
			}
			if h.port != nil {
				host += ":" + h.port.String()
			} else if h.Port != "" {
				host += ":" + h.Port
			}
			if h.PlainHTTP {
				return "http://" + host
			}
			return "https://" + host
		}
	}
	return ""
}

// Option returns the option with that name; the empty name is the default one.
func (c *Connector) Option(name string) (*Option, bool) {
	if name == "" && len(c.Options) > 0 {
		return c.Options[0], true
	}
	i := slices.IndexFunc(c.Options, func(o *Option) bool { return o.Name == name })
	if i < 0 {
		return nil, false
	}
	return c.Options[i], true
}

// OptionNames lists the options, for messages.
func (c *Connector) OptionNames() string {
	var ns []string
	for _, o := range c.Options {
		ns = append(ns, o.Name)
	}
	return strings.Join(ns, ", ")
}

// SignerFor is the placement for an option on a host.
func (c *Connector) SignerFor(o *Option, h *Host) sign.Signer {
	if h != nil && h.signers != nil {
		return h.signers[o.Name]
	}
	return o.Signer
}

// Origin is the scheme and host of the base URL for an account's fields.
func (c *Connector) Origin(v *expr.Vars) (*url.URL, error) {
	base := c.BaseURL
	if v != nil && len(c.baseURLs) > 0 {
		base = c.baseURLs[c.environment(v.Value("fields."+EnvironmentField)).Name]
	}
	if base == nil {
		return nil, fmt.Errorf("connector %s has no base_url; call it by its host name through the proxy", c.Key)
	}
	s, err := base.Eval(v)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(s)
	if err != nil {
		return nil, fmt.Errorf("connector %s: base_url is no URL for this account", c.Key)
	}
	return u, nil
}

// Credential is what a pasted credential places: its fields, and the token
// that the option names.
func (o *Option) Credential(fields secret.Values) (*secret.Credential, error) {
	cred := &secret.Credential{Fields: fields}
	if o.token == nil {
		return cred, nil
	}
	s, err := o.token.Eval(&expr.Vars{Cred: cred})
	if err != nil {
		return nil, err
	}
	cred.Token = secret.New(s)
	return cred, nil
}
