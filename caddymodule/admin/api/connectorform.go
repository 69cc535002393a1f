package api

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/attache-proxy/attache/caddymodule/admin/signin"
	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/resolver/problem"
	"github.com/attache-proxy/attache/resolver/vault"
)

// ConnectorForm is a custom connector as a person fills it in. Members that are
// absent stay as they are in an edit.
type ConnectorForm struct {
	Title           *string  `json:"title,omitempty" maxLength:"128"`
	Active          *bool    `json:"active,omitempty" doc:"Default true."`
	Hosts           []string `json:"hosts,omitempty" maxItems:"50" doc:"Where its credentials may go: names, *.example.com, with :port and /prefix. Default: the host of token_url, *.amazonaws.com for aws_iam, storage.googleapis.com for gcs_service_account."`
	WildcardReason  *string  `json:"wildcard_reason,omitempty" maxLength:"512" doc:"Why every name that fits a host with a * belongs to the service itself, and none to another customer of it. Needed with such hosts."`
	BaseURL         *string  `json:"base_url,omitempty"`
	GrantType       *string  `json:"grant_type,omitempty" doc:"client_credentials (default), refresh_token, authorization_code, device_code, gcs_service_account, aws_iam."`
	TokenURL        *string  `json:"token_url,omitempty"`
	AuthorizeURL    *string  `json:"authorize_url,omitempty"`
	DeviceURL       *string  `json:"device_url,omitempty"`
	ContentType     *string  `json:"content_type,omitempty" doc:"Of the token request: application/x-www-form-urlencoded (default) or application/json."`
	Scope           *string  `json:"scope,omitempty" doc:"Separated by spaces."`
	HeaderAsPayload *bool    `json:"header_as_payload,omitempty" doc:"Where the client id and secret go in the token request: false, the default, is its body, true is an Authorization: Basic header."`
	TestPath        *string  `json:"test_path,omitempty" doc:"A path at the base URL, or an https URL at one of the hosts, that answers 200 to a GET with a good credential."`

	ServiceAccountEmail *string `json:"service_account_email,omitempty" format:"email" doc:"For gcs_service_account."`
	ClientID            *string `json:"client_id,omitempty" doc:"For aws_iam: the access key id."`
	// The secrets of the form. They are stored sealed, with the account.
	ClientSecret   *string `json:"client_secret,omitempty" writeOnly:"true" doc:"For aws_iam: the secret access key."`
	RefreshToken   *string `json:"refresh_token,omitempty" writeOnly:"true"`
	ServiceAccount *string `json:"service_account,omitempty" writeOnly:"true" doc:"The JSON key file of a Google service account."`

	Agents       []string `json:"agents,omitempty" maxItems:"1000" doc:"Ids of the agents that may use the account that is made of these credentials."`
	Organisation *string  `json:"organisation,omitempty" doc:"Of that account; default: \"default\"."`

	MCP *string `json:"mcp,omitempty" maxLength:"2048" example:"https://mcp.example.com/mcp" doc:"The URL of a remote MCP server. Instead of the members above: how it authorizes is found out, and a client is registered there, unless client_id says which. An account is made only where agents says for whom; connect it with authorize."`

	Definition *string `json:"definition,omitempty" doc:"The connector as YAML, instead of the members above: the same as a file in the connectors directory."`
}

type NewConnector struct {
	Name string `json:"name,omitempty" minLength:"1" maxLength:"63" doc:"A variable name: letters, digits, _ and -, no spaces. It is the connector's key, in lower case, with - for _. It may be left out where definition says it."`
	ConnectorForm
}

// named is the name, or the key that the definition has.
func (n *NewConnector) named() (string, error) {
	if n.Name != "" || n.Definition == nil {
		return n.Name, nil
	}
	def, err := providers.Parse("definition", []byte(*n.Definition))
	if err != nil {
		return "", badDefinition(err)
	}
	return def.Key, nil
}

var variableName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]*$`)

// keyOf makes a connector's key of its name.
func keyOf(name string) (string, error) {
	if !variableName.MatchString(name) {
		return "", problem.New(http.StatusUnprocessableEntity, "INVALID_INPUT", "The name must be a variable name: letters, digits, _ and -, beginning with a letter, no spaces.").
			At("body.name", "is no variable name")
	}
	return strings.Trim(strings.ReplaceAll(strings.ToLower(name), "_", "-"), "-"), nil
}

// formKeys are the members of a form that are kept and shown. Secrets are not.
const (
	formDefault = "default" // the name of the account that is made
	formAccount = "account_id"
	formApp     = "app_id"
)

// over puts what was sent over a form that was stored.
func (f *ConnectorForm) over(stored map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range stored {
		out[k] = v
	}
	put := func(key string, p *string) {
		if p != nil {
			out[key] = *p
		}
	}
	put("title", f.Title)
	put("base_url", f.BaseURL)
	put("wildcard_reason", f.WildcardReason)
	put("grant_type", f.GrantType)
	put("token_url", f.TokenURL)
	put("authorize_url", f.AuthorizeURL)
	put("device_url", f.DeviceURL)
	put("content_type", f.ContentType)
	put("scope", f.Scope)
	put("test_path", f.TestPath)
	put("service_account_email", f.ServiceAccountEmail)
	put("client_id", f.ClientID)
	put(formMCP, f.MCP)
	if f.HeaderAsPayload != nil {
		out["header_as_payload"] = *f.HeaderAsPayload
	}
	if f.Hosts != nil {
		hosts := make([]any, len(f.Hosts))
		for i, h := range f.Hosts {
			hosts[i] = h
		}
		out["hosts"] = hosts
	}
	return out
}

func text(form map[string]any, key string) string {
	s, _ := form[key].(string)
	return s
}

// usualHosts are where credentials of a grant type go, if nothing else is said.
var usualHosts = map[string]string{"gcs_service_account": "storage.googleapis.com", "aws_iam": "*.amazonaws.com"}

// nameHosts fills in hosts that were not named: the token endpoint's own, since
// who gave a token may see it again. A form of YAML has none.
func nameHosts(form map[string]any) {
	if hosts, _ := form["hosts"].([]any); len(hosts) > 0 {
		return
	}
	host := usualHosts[text(form, "grant_type")]
	if u, err := url.Parse(text(form, "token_url")); err == nil && host == "" {
		host = u.Host
	}
	if host != "" {
		form["hosts"] = []any{host}
	}
}

// definitionOf writes a form as the YAML of a connector.
func definitionOf(key string, form map[string]any) (string, error) {
	nameHosts(form)
	hosts, _ := form["hosts"].([]any)
	if len(hosts) == 0 {
		return "", problem.New(http.StatusUnprocessableEntity, "INVALID_INPUT", "hosts is missing: name the hosts that the credential may go to.").At("body.hosts", "is missing")
	}
	grant := cmp.Or(text(form, "grant_type"), "client_credentials")
	if !slices.Contains(formGrants, grant) {
		return "", problem.New(http.StatusUnprocessableEntity, "INVALID_CONNECTOR", "A form has the grant_type "+strings.Join(formGrants, ", ")+". Write other connectors as YAML, in definition.").At("body.grant_type", "is none that a form has")
	}
	option := map[string]any{"type": providers.TypeOAuth2, "grant_type": grant, "title": "OAuth 2.0"}
	for _, k := range []string{"token_url", "authorize_url", "device_url", "content_type"} {
		if v := text(form, k); v != "" {
			option[k] = v
		}
	}
	if payload, ok := form["header_as_payload"].(bool); ok && payload {
		option["header_as_payload"] = true
	}
	if scopes := strings.Fields(text(form, "scope")); len(scopes) > 0 {
		option["scopes"] = scopes
	}
	if fields := formFields[grant]; fields != nil {
		option["fields"] = fields
	}
	if grant == "aws_iam" {
		option["sign"] = "sigv4"
	}
	hosts, err := withReasons(hosts, text(form, "wildcard_reason"), grant)
	if err != nil {
		return "", err
	}
	def := map[string]any{"key": key, "title": cmp.Or(text(form, "title"), key), "hosts": hosts, "auth": map[string]any{"oauth": option}}
	if v := text(form, "base_url"); v != "" {
		def["base_url"] = v
	}
	if v := text(form, "test_path"); v != "" {
		if !strings.HasPrefix(v, "https://") && !strings.HasPrefix(v, "/") || strings.HasPrefix(v, "//") {
			return "", problem.New(http.StatusUnprocessableEntity, "INVALID_INPUT", "test_path must be a path at the connector's base URL, such as /v1/me, or an https URL at one of its hosts.").At("body.test_path", "must begin with one /, or with https://")
		}
		def["test"] = map[string]any{"get": v, "expect": 200}
	}
	out, err := yaml.Marshal(def)
	return string(out), err
}

// withReasons says of hosts with a * why the credential may go to every name.
func withReasons(hosts []any, reason, grant string) ([]any, error) {
	kind := providers.WildcardVendor
	if grant == "aws_iam" {
		kind, reason = providers.WildcardSigned, cmp.Or(reason, "The secret key is not sent: the signature is over the host and the request.")
	}
	out := slices.Clone(hosts)
	for i, h := range hosts {
		name, _ := h.(string)
		if !strings.Contains(name, "*") {
			continue
		}
		if reason == "" {
			return nil, problem.New(http.StatusUnprocessableEntity, "INVALID_INPUT", "The credential goes to every name that fits "+name+": say in wildcard_reason why all of them belong to the service itself, and none to another customer of it.").
				At("body.wildcard_reason", "is missing")
		}
		out[i] = map[string]any{"host": name, "wildcard": kind, "reason": reason}
	}
	return out, nil
}

// formGrants are the grant types for which a form has all that is needed.
var formGrants = []string{"client_credentials", "refresh_token", "authorization_code", "device_code", "gcs_service_account", "aws_iam"}

// formFields are the fields of an account by grant type. What belongs to the
// OAuth client is the app's.
var formFields = map[string]map[string]any{
	"refresh_token": {"refresh_token": map[string]any{"title": "Refresh token", "secret": true, "optional": true}},
	"gcs_service_account": {
		"service_account":       map[string]any{"title": "Key file (JSON)", "secret": true, "optional": true},
		"service_account_email": map[string]any{"title": "Service account e-mail", "format": "email", "optional": true},
	},
	"aws_iam": {
		"access_key_id":     map[string]any{"title": "Access key id"},
		"secret_access_key": map[string]any{"title": "Secret access key", "secret": true},
		"session_token":     map[string]any{"title": "Session token", "secret": true, "optional": true},
		"region":            map[string]any{"title": "Region", "optional": true},
	},
}

// check compiles a definition and refuses what the API may not do: the key is
// not chosen twice, and plain HTTP is allowed by the configuration file alone.
func (a *API) check(key, source string) (*providers.Connector, error) {
	def, err := providers.Parse("definition", []byte(source))
	if err != nil {
		return nil, badDefinition(err)
	}
	if def.Key != key {
		return nil, badDefinition(fmt.Errorf("its key is %q; it must be %q", def.Key, key))
	}
	con, err := a.c.Catalogue.Check(def)
	if err != nil {
		return nil, badDefinition(err)
	}
	for _, h := range con.Hosts {
		if err := a.c.Egress.CheckName(h.Pattern); err != nil {
			return nil, badDefinition(fmt.Errorf("the host %s: %w; the operator may name it with allow_address", h.Pattern, err))
		}
		if h.PlainHTTP && !a.c.Egress.Names(h.Pattern) {
			return nil, badDefinition(fmt.Errorf("the host %s: plain HTTP is allowed only in the configuration file, and to addresses that it names with allow_address", h.Pattern))
		}
	}
	return con, nil
}

func badDefinition(err error) error {
	return problem.New(http.StatusUnprocessableEntity, "INVALID_CONNECTOR", problem.Sentence(err.Error()))
}

// stateOf is the state of a connector that compiles.
func stateOf(active *bool, before string) string {
	switch {
	case active == nil && before != "":
		return before
	case active == nil || *active:
		return "active"
	}
	return "inactive"
}

// everybodys refuses callers who see one organisation: hosts are matched for all.
func everybodys(c *signin.Caller) error {
	if c.Organisation() != vault.All {
		return problem.New(http.StatusForbidden, "INVALID_PERMISSIONS", "A connector's hosts are matched for every organisation, so that only a token for all of them edits connectors.")
	}
	return nil
}
