// Package providers knows what services look like: their connectors, read from
// YAML or from a Caddyfile, compiled, and indexed by host.
//
// A connector is data without secrets: which hosts belong to a service, which
// fields a person is asked for, how a credential is obtained and how it is
// placed on a request. There is no code per service.
package providers

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/providers/operations"
	"github.com/attache-proxy/attache/providers/sign"
	"github.com/attache-proxy/attache/providers/strictyaml"
	"github.com/attache-proxy/attache/providers/usage"
)

// Definition is a connector as it is written down. Parse reads one; Compile
// makes a Connector of it.
type Definition struct {
	// Key names the connector: lower-case letters, digits and hyphens.
	Key string `yaml:"key"`
	// Title is the service's name as people write it.
	Title string `yaml:"title"`
	// Aliases are other names by which people look for it.
	Aliases []string `yaml:"aliases"`
	// Description says in a sentence what it is.
	Description string `yaml:"description"`
	// Category is one of Categories.
	Category string `yaml:"category"`
	// Docs is the vendor's page on authentication.
	Docs string `yaml:"docs"`
	// Checked is the day on which it was last compared with what the vendor says in
	// its documents and its SDKs, or with what others know of it.
	Checked Date `yaml:"checked"`
	// Ends are what the vendor takes away, and when.
	Ends []EndDef `yaml:"ends"`
	// Extends names a connector from which everything comes that is not given here.
	Extends string `yaml:"extends"`
	// Hosts are the hosts that the credential may go to, and no others.
	Hosts []HostDef `yaml:"hosts"`
	// BaseURL is the URL whose origin the base-URL door uses; a template over
	// the account's fields. Default: https and the first exact host.
	BaseURL string `yaml:"base_url"`
	// Environments are the places at which the service is run, one of which an
	// account chooses: production and sandbox, regions, the customer's own.
	Environments EnvironmentDefs `yaml:"environments"`
	// Auth are the ways to connect, in order; the first is the default.
	Auth OptionDefs `yaml:"auth"`
	// Test is a cheap request that proves that a credential works; of every option
	// that has none of its own.
	Test *TestDef `yaml:"test"`
	// Identity says where in the test's answer it stands whose account it is.
	Identity IdentityDef `yaml:"identity"`
	// Access says what counts as reading besides GET, HEAD and OPTIONS.
	Access AccessDef `yaml:"access"`
	// Speaks says where requests are known by their bodies: GraphQL, MCP, JSON-RPC.
	Speaks SpeaksDef `yaml:"speaks"`
	// Usage says where answers tell how many tokens of a language model were used.
	Usage usage.UsageDef `yaml:"usage"`
	// Operations is an OpenAPI document (3.0, 3.1, Swagger 2.0; JSON or YAML) that says
	// which requests there are: a file beside the connector's or below it. By default the
	// table counts that is built in for the connector.
	Operations string `yaml:"operations"`
	// URLSignatures says that services of these hosts take URLs which are signed in
	// their query (object storage). One that is signed with a key other than the
	// account's passes as it is, without a credential. Signers of the kind sigv4
	// imply it.
	URLSignatures bool `yaml:"url_signatures"`
	// Keep lists which of the agent's own Authorization and Cookie pass; by
	// default neither does.
	Keep []string `yaml:"keep"`
	// Inject says where a credential of the client's own may stay; see InjectDef.
	Inject InjectDef `yaml:"inject"`
	// Prefixes are for clients that leave out the beginning of a path, since they
	// take it for a part of the base URL: at the base-URL door the paths listed, and
	// those below them, are taken for those below the prefix: {/v1: [/messages]}. The
	// service must have no such paths itself.
	Prefixes map[string][]string `yaml:"prefixes"`
	// Cookies is pass where agents have cookies of the service: what it sets reaches
	// them, narrowed to the host that was called, and what they send reaches it. By
	// default neither does: a session that a service opens for the credential works
	// without us.
	Cookies string `yaml:"cookies"`
	// Sandbox puts Content-Security-Policy: sandbox on answers at the doors where
	// all services share our own origin, so that a page of one runs no script there;
	// default true.
	Sandbox *bool `yaml:"sandbox"`
	// Headers are set on requests on which the agent did not set them.
	Headers map[string]string `yaml:"headers"`
	// Env are the variables that the service's SDKs read; see Connector.Environ.
	Env map[string]string `yaml:"env"`
	// Scrub replaces echoes of the credential in answers; default true.
	Scrub *bool `yaml:"scrub"`

	// source is the file that the definition came from, for messages.
	source string
	// digest is the SHA-256 of the text.
	digest string
	// described is the document that Operations names, once it was read.
	described *operations.Index
	// tables are itself and what it extends, as far as that is built in.
	tables []string
	// inline says that it was one line of JSON: its line number says nothing.
	inline bool
}

// HostDef is one entry of hosts: a pattern alone, or with a port, a path prefix
// and a placement of its own.
type HostDef struct {
	// Host is exact (api.github.com), a template over the account's fields
	// ({fields.subdomain}.zendesk.com; where customers have names, it must be one)
	// or a wildcard (*.twilio.com: one or more labels; s3.*.amazonaws.com: no dot).
	// It may carry a port and a path prefix: host.example:8443/v2/.
	// With http:// in front, plain HTTP to it is allowed.
	Host string `yaml:"host"`
	// Wildcard must be given for a host with a *. vendor: every name below is the
	// vendor's own, and no program of a customer's answers there. signed: the
	// secret is not sent, and the signature covers the host.
	Wildcard string `yaml:"wildcard"`
	// Reason says why that is so.
	Reason string `yaml:"reason"`
	// Labels is a regular expression that what stands for the last * must match,
	// as a whole: [a-z]{2}-[a-z]+-[0-9] for a region.
	Labels string `yaml:"labels"`
	// Port other than 443 (or 80 where plain HTTP is allowed); a port in the
	// account's field wins over it.
	Port string `yaml:"port"`
	// Path is the prefix that a path must have; empty means every path.
	Path string `yaml:"path"`
	// Sign places the credential differently on this host.
	Sign *sign.Spec `yaml:"sign"`

	environment string // that it belongs to; empty for all
}

// UnmarshalYAML reads a pattern alone or the long form.
func (h *HostDef) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		return n.Decode(&h.Host)
	}
	type plain HostDef
	return strictyaml.Decode(n, (*plain)(h))
}

// OptionDef is one way to connect an account.
type OptionDef struct {
	// Name is the key under auth.
	Name string `yaml:"-"`
	// Type is oauth2, oauth1, credentials, delegate or mcp.
	Type  string `yaml:"type"`
	Title string `yaml:"title"`
	// Help is where a person gets the credential.
	Help string `yaml:"help"`
	// Fields is what a person is asked for.
	Fields FieldDefs `yaml:"fields"`
	// KeyDirectory says that the public half of the field private_key stands in the
	// directory by which services check our signatures.
	KeyDirectory bool `yaml:"key_directory"`
	// KeyPage is the page on which a person makes the key or registers the app.
	KeyPage string `yaml:"key_page"`
	// Test replaces the connector's test for accounts of this option, and Identity
	// then says whose account it is.
	Test     *TestDef    `yaml:"test"`
	Identity IdentityDef `yaml:"identity"`
	// ScopeList are the scopes to choose from, each with what it allows.
	ScopeList ScopeDefs `yaml:"scope_list"`
	// Token is what {token} means for type credentials; default: the only secret field.
	Token string `yaml:"token"`
	// Sign places the credential; default bearer for oauth2 and mcp.
	Sign *sign.Spec `yaml:"sign"`
	// Via is the connector whose account is used, for type delegate.
	Via string `yaml:"via"`
	// OAuth says how a token is obtained, for type oauth2 and oauth1.
	OAuth oauth.Spec `yaml:",inline"`
}

// OptionDefs are options in the order of the file.
type OptionDefs []OptionDef

// UnmarshalYAML reads a mapping and keeps its order.
func (os *OptionDefs) UnmarshalYAML(n *yaml.Node) error {
	pairs, err := strictyaml.Pairs(n)
	if err != nil {
		return err
	}
	var errs []error
	for _, p := range pairs {
		o := OptionDef{Name: p.Key.Value}
		errs = append(errs, strictyaml.Decode(p.Value, &o))
		*os = append(*os, o)
	}
	return errors.Join(errs...)
}

// FieldDef is one value that a person is asked for. The words are JSON Schema's.
type FieldDef struct {
	Name        string `yaml:"-"`
	Title       string `yaml:"title"`
	Description string `yaml:"description"`
	Secret      bool   `yaml:"secret"`
	Pattern     string `yaml:"pattern"`
	// Format is email, uri, url, or host: a name or an address, with a port where
	// it is not 443.
	Format string   `yaml:"format"`
	Enum   []string `yaml:"enum"`
	// Examples are values that the vendor's documents show. They must be admitted.
	Examples []string `yaml:"examples"`
	Default  string   `yaml:"default"`
	Optional bool     `yaml:"optional"`
}

// FieldDefs are fields in the order of the file.
type FieldDefs []FieldDef

// UnmarshalYAML reads a mapping and keeps its order.
func (fs *FieldDefs) UnmarshalYAML(n *yaml.Node) error {
	pairs, err := strictyaml.Pairs(n)
	if err != nil {
		return err
	}
	var errs []error
	for _, p := range pairs {
		f := FieldDef{Name: p.Key.Value}
		errs = append(errs, strictyaml.Decode(p.Value, &f))
		*fs = append(*fs, f)
	}
	return errors.Join(errs...)
}

// IdentityDef holds paths into the test's answer.
type IdentityDef struct {
	ID    string `yaml:"id"`
	Label string `yaml:"label"`
	Email string `yaml:"email"`
}

// UnmarshalYAML refuses unknown keys.
func (i *IdentityDef) UnmarshalYAML(n *yaml.Node) error {
	type plain IdentityDef
	return strictyaml.Decode(n, (*plain)(i))
}

// AccessDef lists requests as "METHOD /path/pattern?parameter=value". In paths
// and values * is any run of characters, in paths within one segment; ** is any
// number of segments. GET means HEAD as well, the method * is any.
type AccessDef struct {
	// Read is what counts as reading besides GET, HEAD and OPTIONS. Upgrades
	// (WebSocket) count only where a line with GET lists their path.
	Read []string `yaml:"read"`
	// Write is what does not, whatever else is said: services take some writes by GET.
	Write []string `yaml:"write"`
	// OnlyListed says that GET does not mean reading here: some services take
	// writes by GET. Then only what is listed is reading.
	OnlyListed bool `yaml:"only_listed"`
	// Query are parameters of the query that name what is done, each with the
	// values that read: {Action: ["Describe*", "Get*", "!GetSessionToken"]}. With
	// ! in front a value does not, though another fits. A request that names
	// another is writing; one without the parameter is judged by the rest.
	Query map[string][]string `yaml:"query"`
	// Header is the same for headers: {X-TC-Action: ["Describe*"]}.
	Header map[string][]string `yaml:"header"`
	// MethodQuery are parameters of the query by which the service lets a method
	// be overridden, beside those that are always looked for (_method and the
	// like). They count where they name an HTTP method.
	MethodQuery []string `yaml:"method_query"`
}

// UnmarshalYAML refuses unknown keys.
func (a *AccessDef) UnmarshalYAML(n *yaml.Node) error {
	type plain AccessDef
	return strictyaml.Decode(n, (*plain)(a))
}

const (
	// maxDefinition bounds a connector, which is read and compiled by every
	// replica. The largest built in has 9 KiB.
	maxDefinition = 64 << 10
	// maxExpressions bounds what stands in its values with braces: to compile a
	// KiB of it takes up to 25 ms and 2 MiB.
	maxExpressions = 16 << 10
	// maxNodes bounds what aliases may make of it.
	maxNodes = 16 << 10
)

// Parse reads one connector from YAML (or JSON, which is YAML). The name is
// that of the file and stands in messages.
func Parse(name string, src []byte) (*Definition, error) {
	d, err := parse(name, src)
	if err == nil {
		err = errors.Join(d.checkEnv(), d.checkOwners())
	}
	if err != nil {
		return nil, err
	}
	return d, nil
}

func parse(name string, src []byte) (*Definition, error) {
	if len(src) > maxDefinition {
		return nil, fmt.Errorf("%s: a connector has at most %d KiB", name, maxDefinition>>10)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(src, &doc); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(doc.Content) == 0 {
		return nil, fmt.Errorf("%s: the file is empty; a connector needs at least key, hosts and auth", name)
	}
	left := maxExpressions
	if n := tooMuch(&doc, &left); n != nil {
		return nil, fmt.Errorf("%s: line %d: the expressions and aliases of a connector have at most %d KiB together", name, n.Line, maxExpressions>>10)
	}
	sum := sha256.Sum256(src)
	d := &Definition{source: name, digest: hex.EncodeToString(sum[:]), inline: !bytes.Contains(src, []byte("\n"))}
	plain, err := strictyaml.Plain(doc.Content[0], maxNodes)
	if err == nil {
		err = strictyaml.Decode(plain, d)
	}
	if err != nil {
		return nil, d.mistakes(err, "")
	}
	d.clean()
	return d, nil
}

// checkEnv is for definitions that are not built in: those say which names are
// allowed.
func (d *Definition) checkEnv() error {
	for _, variable := range slices.Sorted(maps.Keys(d.Env)) {
		if err := CheckEnv(variable, d.Env[variable]); err != nil {
			return fmt.Errorf("%s: %w", d.source, err)
		}
	}
	return nil
}

// tooMuch returns the value with which the expressions below n outgrow what is
// left of their length. An alias counts as well: aliases of aliases make a short
// file endless.
func tooMuch(n *yaml.Node, left *int) *yaml.Node {
	switch {
	case n.Kind == yaml.ScalarNode && strings.Contains(n.Value, "{"):
		*left -= len(n.Value)
	case n.Kind == yaml.AliasNode:
		*left -= 32
	}
	if *left < 0 {
		return n
	}
	for _, child := range n.Content {
		if bad := tooMuch(child, left); bad != nil {
			return bad
		}
	}
	if n.Kind == yaml.AliasNode {
		return tooMuch(n.Alias, left)
	}
	return nil
}

// Digest tells one text of a definition from another; empty where there was none.
func (d *Definition) Digest() string { return d.digest }

// mistakes says of each mistake in which file it is, and where: FILE:LINE:COLUMN,
// which editors go to. Texts that are no files have lines, but for a single one.
func (d *Definition) mistakes(err error, about string) error {
	source := cmp.Or(d.source, "(no file)")
	file := strings.HasSuffix(source, ".yaml") || strings.HasSuffix(source, ".yml")
	return strictyaml.Each(err, func(err error) error {
		e, ok := errors.AsType[*strictyaml.Error](err)
		switch {
		case !ok || !file && !d.inline:
			return fmt.Errorf("%s: %s%w", source, about, err)
		case !file:
			return &mistake{source + ": " + about + strings.ReplaceAll(err.Error(), "line 1: ", ""), err}
		}
		where := fmt.Sprintf("%s:%d", source, e.Line)
		if e.Column > 0 {
			where += fmt.Sprintf(":%d", e.Column)
		}
		return &mistake{where + ": " + about + strings.Replace(err.Error(), fmt.Sprintf("line %d: ", e.Line), "", 1), err}
	})
}

// mistake is an error with its place in front.
type mistake struct {
	text string
	err  error
}

func (m *mistake) Error() string { return m.text }
func (m *mistake) Unwrap() error { return m.err }

// AllowHTTP lets the definition name http:// token endpoints: an operator
// wrote it, and plain HTTP must be allowed by name.
func (d *Definition) AllowHTTP() {
	d.Auth = slices.Clone(d.Auth) // it may be the catalogue's
	for i := range d.Auth {
		d.Auth[i].OAuth.AllowHTTP = true
	}
}

// AllowHTTPTo is AllowHTTP for those options all of whose http:// endpoints are
// on hosts that named reports: of the API's connectors the operator named only
// addresses.
func (d *Definition) AllowHTTPTo(named func(host string) bool) {
	d.Auth = slices.Clone(d.Auth)
	for i := range d.Auth {
		hosts, known := d.Auth[i].OAuth.PlainHosts()
		d.Auth[i].OAuth.AllowHTTP = known && len(hosts) > 0 && !slices.ContainsFunc(hosts, func(h string) bool { return !named(h) })
	}
}
