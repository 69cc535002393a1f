package command

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/attache-proxy/attache/caddymodule/admin/api"
	"github.com/attache-proxy/attache/caddymodule/client"
)

var connectCommand = caddycmd.Command{
	Name:  "connect",
	Usage: "SERVICE [--option NAME] [--name NAME] [--agent NAME] [--write] [--json]",
	Short: "Connects a service: from nothing to a call that works",
	Long: `
Does all that is needed for an agent to call a service: finds its connector (by
key, name, alias or host, also mistyped), asks for what is missing (secrets
without echo) or opens the browser for you to sign in, tests the credentials,
stores them, lets the agent use them, and prints a call that works now. Done
again, it replaces the credentials.

The proxy must run (attache run). In scripts, give what would be asked for as
options; nothing is asked for where nobody sits at a terminal.

Examples:

  attache connect github
  attache connect openai --write
  attache connect github --option token --field token=@github.token --json
  attache connect zendesk --option oauth --field subdomain=acme --client-id ID --client-secret @secret --no-open
  attache connect github --name work --agent research --scope repo
` + howToReach,
	CobraFunc: func(cmd *cobra.Command) {
		made := apiCommand("", "", cobra.ExactArgs(1), connectFlags, connectService)
		cmd.Flags().AddFlagSet(made.Flags())
		cmd.Args, cmd.RunE = made.Args, made.RunE
	},
}

func connectFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.String("option", "", "Which of the connector's ways to connect (default: the first that needs nothing more)")
	f.String("name", "", "What the account is called (default: default)")
	fieldFlag(cmd)
	f.String("client-id", "", "The OAuth client to sign in through, where none is stored yet")
	f.String("client-secret", "", "Its secret: @FILE, or - for standard input")
	f.StringArray("scope", nil, "A scope beyond the connector's own (repeatable)")
	f.String("agent", "", "Who may use it: ID or NAME (default: the proxy's own agent)")
	f.Bool("write", false, "For writing too, not for reading alone")
	f.Bool("no-grant", false, "Let no agent use it yet")
	f.Bool("no-test", false, "Store the credentials untested")
	f.Bool("no-open", false, "Open no browser, print the address alone")
	f.String("proxy", "", "The proxy's URL (default: ATTACHE_PROXY, else "+defaultProxy+")")
	jsonFlag(cmd)
}

// connected is what --json prints.
type connected struct {
	Connector string `json:"connector"`
	Account   string `json:"account_id"`
	Name      string `json:"name"`
	State     string `json:"state"`
	Who       string `json:"who,omitempty"`
	Agent     string `json:"agent,omitempty"`
	Grant     string `json:"grant_id,omitempty"`
	// Proved says that a call through the proxy was answered as it should be.
	Proved bool   `json:"proved"`
	Call   string `json:"call,omitempty"`
}

func connectService(a *asking, args []string) error {
	key, err := a.meant(args[0])
	if err != nil {
		return err
	}
	o, err := a.wayToConnect(key)
	if err != nil {
		return err
	}
	values, err := a.given(o)
	if err == nil {
		err = a.complete(o, values, func(string) bool { return false })
	}
	if err != nil {
		return err
	}
	var x api.Account
	if o.Flow == "credentials" {
		x, err = a.store(key, o, values)
	} else {
		x, err = a.signIn(key, o, values)
	}
	if err != nil {
		return err
	}
	out := connected{Connector: x.Connector, Account: x.ID, Name: x.Name, State: x.State, Who: whoThere(x)}
	if !a.on("json") {
		who := out.Who
		if who != "" {
			who = " as " + who
		}
		a.remark("%s:%s is %s%s", x.Connector, x.Name, x.State, who)
	}
	if err := a.letUse(&out); err != nil {
		return err
	}
	a.proveCall(&out)
	if a.on("json") {
		return PrintJSON(a.cmd, out)
	}
	if out.Proved {
		a.remark("A call through the proxy works. This one does, without a credential:")
	} else if out.Call != "" {
		a.remark("This calls it through the proxy, without a credential:")
	}
	if out.Call != "" {
		a.print("%s", out.Call)
	}
	return nil
}

// meant finds the connector's key: what was given, or what is most like it.
func (a *asking) meant(word string) (string, error) {
	word = strings.TrimSpace(word)
	if word == "" {
		return "", errors.New("which service? Such as attache connect github")
	}
	if _, err := a.api.Do(a.ctx, http.MethodGet, client.Path("connectors", word), nil, nil); err == nil {
		return word, nil
	} else if e := (*client.Error)(nil); !errors.As(err, &e) || e.Code != "CONNECTOR_NOT_FOUND" {
		return "", err
	}
	page, err := client.Ask[struct{ Items []api.Connector }](a.ctx, a.api, http.MethodGet, client.Path("connectors"), url.Values{"q": {word}, "limit": {"6"}}, nil)
	if err != nil {
		return "", err
	}
	found := page.Value.Items
	same := func(c api.Connector) bool {
		names := append([]string{c.Key, c.Title}, c.Aliases...)
		return slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(name, word) })
	}
	switch {
	case len(found) == 0:
		return "", &client.Error{Code: "CONNECTOR_NOT_FOUND", Msg: fmt.Sprintf("there is no connector %q, nor one like it", word),
			Next: "attache connectors list shows the built-in ones; a remote MCP server needs none: attache connectors mcp URL."}
	case len(found) == 1 || same(found[0]) && !same(found[1]):
		a.remark("%s is %s (%s)", word, found[0].Title, found[0].Key)
		return found[0].Key, nil
	}
	var keys []string
	for _, c := range found {
		keys = append(keys, c.Key)
	}
	return "", &client.Error{Code: "CONNECTOR_NOT_FOUND", Msg: fmt.Sprintf("there is no connector %q", word), Next: "Perhaps one of these is meant: " + strings.Join(keys, ", ") + "."}
}

// wayToConnect chooses an option: that of --option, else the first that needs no
// OAuth client, or whose client is stored.
func (a *asking) wayToConnect(key string) (*connectOption, error) {
	if name := a.flag("option"); name != "" {
		return a.option(key, name)
	}
	item, err := client.Ask[struct{ Options []connectOption }](a.ctx, a.api, http.MethodGet, client.Path("connectors", key, "metadata"), nil, nil)
	if err != nil {
		return nil, err
	}
	options := item.Value.Options
	if len(options) == 0 {
		return nil, fmt.Errorf("connector %s has no way to connect", key)
	}
	chosen := 0
	if a.flag("client-id") != "" {
		chosen = max(slices.IndexFunc(options, func(o connectOption) bool { return o.Flow != "credentials" }), 0)
	} else if options[0].Flow != "credentials" {
		if app, err := a.hasApp(key); err != nil {
			return nil, err
		} else if !app {
			chosen = max(slices.IndexFunc(options, func(o connectOption) bool { return o.Flow == "credentials" }), 0)
		}
	}
	if len(options) > 1 {
		var others []string
		for i, o := range options {
			if i != chosen {
				others = append(others, o.Name)
			}
		}
		a.remark("By option %s; others: --option %s", options[chosen].Name, strings.Join(others, "|"))
	}
	return &options[chosen], nil
}

// hasApp reports whether there is an OAuth client for a connector.
func (a *asking) hasApp(key string) (bool, error) {
	item, err := client.Ask[struct {
		AppID string `json:"app_id"`
	}](a.ctx, a.api, http.MethodGet, client.Path("connectors", key, "app-mode"), nil, nil)
	return item.Value.AppID != "", err
}

// known is the account of this name that is there already; nil where there is none.
func (a *asking) known(key string) (*api.Account, error) {
	name := cmp.Or(a.flag("name"), "default")
	for item, err := range client.List[api.Account](a.ctx, a.api, client.Path("accounts"), url.Values{"connector": {key}, "name": {name}}) {
		switch {
		case err != nil:
			return nil, err
		case item.Value.ReadOnly:
			return nil, fmt.Errorf("%s:%s is declared in the Caddyfile; edit it there, or give this one another --name", key, name)
		}
		return &item.Value, nil
	}
	return nil, nil
}

// store makes the account with its credentials, or gives those to the one that is
// there.
func (a *asking) store(key string, o *connectOption, values map[string]string) (api.Account, error) {
	x, err := a.known(key)
	if err != nil {
		return api.Account{}, err
	}
	var test *bool
	if a.on("no-test") {
		test = new(bool)
	}
	if x != nil {
		item, err := client.Ask[api.Account](a.ctx, a.api, http.MethodPut, client.Path("accounts", x.ID, "credentials"), nil, struct {
			Option      string            `json:"option,omitempty"`
			Credentials map[string]string `json:"credentials"`
			Test        *bool             `json:"test,omitempty"`
		}{o.Name, values, test})
		return item.Value, err
	}
	item, err := client.Ask[api.Account](a.ctx, a.api, http.MethodPost, client.Path("accounts"), nil,
		api.NewAccount{Connector: key, Option: o.Name, Name: a.flag("name"), Credentials: values, Test: test})
	return item.Value, err
}

// signIn lets the person sign in at the service, through an OAuth client that is
// stored first where it is missing.
func (a *asking) signIn(key string, o *connectOption, values map[string]string) (api.Account, error) {
	if err := a.app(key); err != nil {
		return api.Account{}, err
	}
	x, err := a.known(key)
	if err != nil {
		return api.Account{}, err
	}
	if x == nil {
		item, err := client.Ask[api.Account](a.ctx, a.api, http.MethodPost, client.Path("accounts"), nil, api.NewAccount{Connector: key, Option: o.Name, Name: a.flag("name")})
		if err != nil {
			return api.Account{}, err
		}
		x = &item.Value
	}
	item, err := client.Ask[api.Authorization](a.ctx, a.api, http.MethodPost, client.Path("accounts", x.ID, "authorize"), nil,
		api.Authorize{Option: o.Name, Fields: values, AdditionalScopes: a.flags("scope")})
	if err != nil {
		return api.Account{}, err
	}
	t := item.Value
	if t.UserCode != "" {
		a.remark("Open %s and enter %s", t.VerificationURI, t.UserCode)
		a.openBrowser(cmp.Or(t.VerificationURIComplete, t.VerificationURI))
	} else {
		a.remark("Open this in a browser; it works once:\n%s", t.AuthorizationURL)
		a.openBrowser(t.AuthorizationURL)
	}
	if err := a.await(*x, t); err != nil {
		return api.Account{}, err
	}
	done, err := client.Ask[api.Account](a.ctx, a.api, http.MethodGet, client.Path("accounts", x.ID), nil, nil)
	return done.Value, err
}

// app stores the OAuth client of --client-id, or asks for one where none is stored.
func (a *asking) app(key string) error {
	id, secret := a.flag("client-id"), a.flag("client-secret")
	if id == "" {
		there, err := a.hasApp(key)
		if err != nil || there {
			return err
		}
		item, err := client.Ask[struct {
			RedirectURI string `json:"redirect_uri"`
		}](a.ctx, a.api, http.MethodGet, client.Path("connectors", key, "app-mode"), nil, nil)
		if err != nil {
			return err
		}
		if !term.IsTerminal(int(os.Stdin.Fd())) {
			return &client.Error{Code: "APP_REQUIRED", Msg: "there is no OAuth client for " + key + " yet",
				Next: "Register one at the service, with the redirect URI " + item.Value.RedirectURI + ", and give --client-id ID --client-secret @FILE."}
		}
		a.remark("There is no OAuth client for %s yet. Register one at the service, with the redirect URI %s", key, item.Value.RedirectURI)
		if id, err = a.ask("client_id", connectField{Title: "Client ID"}); err != nil {
			return err
		}
		if secret, err = a.ask("client_secret", connectField{Title: "Client secret", Secret: true}); err != nil {
			return err
		}
	} else if secret != "" {
		var err error
		if secret, err = secretOf("client-secret", secret); err != nil {
			return err
		}
	}
	body := map[string]any{"connector": key, "mode": "own", "client_id": id}
	if secret != "" {
		body["secrets"] = map[string]string{"client_secret": secret}
	}
	_, err := a.api.Do(a.ctx, http.MethodPost, client.Path("apps"), nil, body)
	if e := (*client.Error)(nil); errors.As(err, &e) && e.Code == "APP_EXISTS" {
		return &client.Error{Code: e.Code, Err: err, Msg: "there is an OAuth client for " + key + " already", Next: "Leave out --client-id to use it, or edit it: attache apps update ID."}
	}
	return err
}

// secretOf reads a secret that an option names: from a file, or standard input.
func secretOf(option, value string) (string, error) {
	file, isFile := strings.CutPrefix(value, "@")
	switch {
	case isFile:
		text, err := readField(os.Open(file))
		if err != nil {
			return "", fmt.Errorf("--%s: %w", option, err)
		}
		return text, nil
	case value == "-":
		return readField(os.Stdin, nil)
	}
	return "", fmt.Errorf("--%s is a secret, and others see the options of a command; give a file (@FILE) or standard input (-)", option)
}

// letUse grants the account to the agent of --agent, or to the proxy's own.
func (a *asking) letUse(out *connected) error {
	if a.on("no-grant") {
		return nil
	}
	agent := a.flag("agent")
	if agent == "" {
		about, err := a.aboutProxy()
		if err != nil {
			a.remark("No agent may use it yet: %v. Say who: attache grants create --agent NAME --account %s", err, out.Account)
			return nil
		}
		agent = about
	}
	id, err := a.agentID(agent)
	if err != nil {
		return err
	}
	scopes := []string{"read"}
	if a.on("write") {
		scopes = append(scopes, "write")
	}
	item, err := client.Ask[api.Grant](a.ctx, a.api, http.MethodPost, client.Path("agents", id, "grants"), nil, map[string]any{"account_id": out.Account, "scopes": scopes})
	out.Agent, out.Grant = agent, item.Value.ID
	if e := (*client.Error)(nil); errors.As(err, &e) && e.Code == "GRANT_EXISTS" {
		return a.widen(id, scopes, out)
	}
	if err == nil && !a.on("json") {
		more := ""
		if !a.on("write") {
			more = ", for reading (--write: for all)"
		}
		a.remark("agent %s may use it%s", agent, more)
	}
	return err
}

// widen gives a grant that is there the scopes that are asked for too.
func (a *asking) widen(agent string, scopes []string, out *connected) error {
	for item, err := range client.List[api.Grant](a.ctx, a.api, client.Path("agents", agent, "grants"), nil) {
		if err != nil {
			return err
		}
		g := item.Value
		if g.AccountID != out.Account || g.ReadOnly {
			continue
		}
		out.Grant = g.ID
		for _, s := range scopes {
			if !slices.Contains(g.Scopes, s) {
				_, err := a.api.Do(a.ctx, http.MethodPatch, client.Path("agents", agent, "grants", g.ID), nil, map[string]any{"scopes": append(g.Scopes, s)})
				return err
			}
		}
	}
	return nil
}
