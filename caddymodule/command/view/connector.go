// Package view is how things look on a terminal: connectors, members of JSON objects.
package view

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/sign"
)

// Connector is a connector as `attache connectors` prints it.
type Connector struct {
	Key      string                `json:"key"`
	Title    string                `json:"title,omitempty"`
	Aliases  []string              `json:"aliases,omitempty"`
	About    string                `json:"description,omitempty"`
	Category string                `json:"category,omitempty"`
	Docs     string                `json:"docs,omitempty"`
	Checked  string                `json:"checked,omitempty"`
	Ends     []string              `json:"ends,omitempty"`
	Places   []shownPlace          `json:"environments,omitempty"`
	Source   string                `json:"source"`
	Hosts    []string              `json:"hosts"`
	BaseURL  string                `json:"base_url,omitempty"`
	Options  []shownOption         `json:"options"`
	Test     *shownTest            `json:"test,omitempty"`
	HostSign map[string]*sign.Spec `json:"host_sign,omitempty"`
	Read     []string              `json:"read,omitempty"`
	Env      map[string]string     `json:"env,omitempty"`
}

// shownPlace is an environment.
type shownPlace struct {
	Name    string   `json:"name"`
	Title   string   `json:"title,omitempty"`
	BaseURL string   `json:"base_url,omitempty"`
	Hosts   []string `json:"hosts,omitempty"`
}

type shownOption struct {
	Name      string       `json:"name"`
	Type      string       `json:"type"`
	GrantType string       `json:"grant_type,omitempty"`
	Title     string       `json:"title,omitempty"`
	Help      string       `json:"help,omitempty"`
	KeyPage   string       `json:"key_page,omitempty"`
	Scopes    []string     `json:"scopes,omitempty"`
	ScopeList []shownScope `json:"scope_list,omitempty"`
	Fields    []shownField `json:"fields"`
	Test      *shownTest   `json:"test,omitempty"`
	// Sign is as in the file; absent where it is the type's own, bearer.
	Sign *sign.Spec `json:"sign,omitempty"`
}

type shownScope struct {
	Name   string `json:"name"`
	Allows string `json:"allows"`
}

type shownField struct {
	Name        string   `json:"name"`
	Title       string   `json:"title,omitempty"`
	Description string   `json:"description,omitempty"`
	Secret      bool     `json:"secret"`
	Required    bool     `json:"required"`
	Pattern     string   `json:"pattern,omitempty"`
	Format      string   `json:"format,omitempty"`
	Enum        []string `json:"enum,omitempty"`
	Default     string   `json:"default,omitempty"`
}

type shownTest struct {
	Method string `json:"method"`
	URL    string `json:"url"`
	Expect int    `json:"expect"`
	OK     string `json:"ok,omitempty"`
	None   string `json:"none,omitempty"`
}

func Of(c *providers.Connector) Connector {
	out := Connector{Key: c.Key, Title: c.Title, Category: c.Category, Docs: c.Docs, Source: c.Source,
		Aliases: c.Aliases, About: c.Description, Checked: c.Checked.String(), Test: showTest(c.Test), Read: c.Access.Read, Env: c.Env}
	for i := range c.Ends {
		out.Ends = append(out.Ends, c.Ends[i].String())
	}
	for _, e := range c.Environments {
		p := shownPlace{Name: e.Name, Title: e.Title, BaseURL: e.BaseURL}
		for _, h := range e.Hosts {
			p.Hosts = append(p.Hosts, h.Host)
		}
		out.Places = append(out.Places, p)
	}
	for _, h := range c.Hosts {
		out.Hosts = append(out.Hosts, h.String())
	}
	for _, h := range c.Definition.Hosts {
		if h.Sign == nil {
			continue
		}
		if out.HostSign == nil {
			out.HostSign = map[string]*sign.Spec{}
		}
		out.HostSign[h.Host] = h.Sign
	}
	if c.BaseURL != nil {
		out.BaseURL = c.BaseURL.String()
	}
	for _, o := range c.Options {
		out.Options = append(out.Options, showOption(o))
	}
	return out
}

func showOption(o *providers.Option) shownOption {
	out := shownOption{Name: o.Name, Type: o.Type, Title: o.Title, Help: o.Help, KeyPage: o.KeyPage, Test: showTest(o.Test), Sign: o.Sign, Fields: []shownField{}}
	if o.Type == providers.TypeOAuth2 {
		out.GrantType = cmp.Or(o.OptionDef.OAuth.GrantType, "authorization_code")
		out.Scopes = o.OptionDef.OAuth.Scopes
	}
	for _, scope := range o.ScopeList {
		out.ScopeList = append(out.ScopeList, shownScope{scope.Name, scope.Allows})
	}
	for _, f := range o.Fields {
		out.Fields = append(out.Fields, shownField{f.Name, f.Title, f.Description, f.Secret, !f.Optional && f.Default == "", f.Pattern, f.Format, f.Enum, f.Default})
	}
	return out
}

func showTest(t *providers.TestDef) *shownTest {
	switch {
	case t == nil:
		return nil
	case t.None != "":
		return &shownTest{None: t.None}
	case t.Get != "":
		return &shownTest{Method: "GET", URL: t.Get, Expect: t.Status(), OK: t.OK}
	}
	return &shownTest{Method: "POST", URL: t.Post, Expect: t.Status(), OK: t.OK}
}

// text is the test for people.
func (t *shownTest) text() string {
	if t.None != "" {
		return "none: " + t.None
	}
	s := fmt.Sprintf("%s %s → %d", t.Method, t.URL, t.Expect)
	if t.OK != "" {
		s += " and " + t.OK
	}
	return s
}

func (c Connector) OptionNames() string {
	var names []string
	for _, o := range c.Options {
		names = append(names, o.Name)
	}
	return strings.Join(names, ", ")
}

// text is the connector for people.
func (c Connector) Text() string {
	var b strings.Builder
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%-10s %s\n", name, value)
		}
	}
	line("key", c.Key)
	line("title", c.Title)
	line("about", c.About)
	line("also", strings.Join(c.Aliases, ", "))
	line("category", c.Category)
	line("checked", c.Checked)
	for _, end := range c.Ends {
		line("ends", end)
	}
	line("docs", c.Docs)
	line("hosts", strings.Join(c.Hosts, " "))
	line("base URL", c.BaseURL)
	for _, p := range c.Places {
		line("at", strings.TrimSpace(p.Name+": "+p.Title+" "+cmp.Or(p.BaseURL, strings.Join(p.Hosts, " "))))
	}
	line("door", "http://127.0.0.1:8080/"+c.Key)
	if c.Test != nil {
		line("test", c.Test.text())
	}
	line("read", strings.Join(c.Read, ", "))
	for _, name := range slices.Sorted(maps.Keys(c.Env)) {
		line("env", name+"="+c.Env[name])
	}
	for _, o := range c.Options {
		b.WriteString("\n" + o.text(c.Key))
	}
	return b.String()
}

func (o shownOption) text(key string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "option %s: %s", o.Name, cmp.Or(o.Title, o.Type))
	if o.GrantType != "" {
		fmt.Fprintf(&b, " (OAuth %s)", o.GrantType)
	}
	b.WriteString("\n")
	if o.Help != "" {
		fmt.Fprintf(&b, "  where to get it: %s\n", o.Help)
	}
	if o.KeyPage != "" {
		fmt.Fprintf(&b, "  where to make it: %s\n", o.KeyPage)
	}
	if len(o.Scopes) > 0 {
		fmt.Fprintf(&b, "  scopes: %s\n", strings.Join(o.Scopes, " "))
	}
	for _, scope := range o.ScopeList {
		fmt.Fprintf(&b, "    %s: %s\n", scope.Name, scope.Allows)
	}
	for _, f := range o.Fields {
		fmt.Fprintf(&b, "  %-20s %s\n", f.Name, f.text())
	}
	if o.inCaddyfile() {
		b.WriteString(o.snippet(key))
	}
	return b.String()
}

func (f shownField) text() string {
	words := []string{f.Title}
	if f.Secret {
		words = append(words, "secret")
	}
	if !f.Required {
		words = append(words, "optional")
	}
	if f.Default != "" {
		words = append(words, "default "+f.Default)
	}
	if len(f.Enum) > 0 {
		words = append(words, "one of "+strings.Join(f.Enum, ", "))
	}
	if f.Description != "" {
		words = append(words, f.Description)
	}
	return strings.Join(slices.DeleteFunc(words, func(s string) bool { return s == "" }), "; ")
}

// inCaddyfile reports whether nobody has to sign in: then the account can
// stand in the Caddyfile.
func (o shownOption) inCaddyfile() bool {
	switch o.Type {
	case providers.TypeCredentials:
		return true
	case providers.TypeOAuth2:
		return o.GrantType != "authorization_code" && o.GrantType != "device_code"
	}
	return false
}

// clientValues are what the OAuth client must bring, by grant type.
var clientValues = map[string][]string{
	"client_credentials": {"client_id", "client_secret"},
	"refresh_token":      {"client_id", "client_secret"},
	"github_app":         {"client_id", "private_key"},
}

// snippet is an account in the Caddyfile.
func (o shownOption) snippet(key string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "  in the Caddyfile:\n    connector %s {\n      use %s {\n", key, o.Name)
	names := []string{}
	for _, f := range o.Fields {
		if f.Required {
			names = append(names, f.Name)
		}
	}
	for _, name := range clientValues[o.GrantType] {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, name := range names {
		fmt.Fprintf(&b, "        %s {env.%s_%s}\n", name, variable(key), variable(name))
	}
	b.WriteString("      }\n    }\n")
	return b.String()
}

// variable makes a name for the environment.
func variable(s string) string { return strings.ToUpper(strings.ReplaceAll(s, "-", "_")) }
