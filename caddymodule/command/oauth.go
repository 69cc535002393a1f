package command

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/attache-proxy/attache/caddymodule/admin/api"
	"github.com/attache-proxy/attache/caddymodule/client"
)

var oauthCommand = caddycmd.Command{
	Name:  "oauth",
	Usage: "providers|mode|apps|connect|status|ping|request|token|disconnect|connections",
	Short: "Connects by OAuth: providers, clients, connections",
	Long: `
The same resources as connectors, apps and accounts, as people see them who sign
in at services. A connection is an account: KEY means the connector's account of
that name, the one called default, or its only one; KEY:NAME says which.

Examples:

  attache oauth providers list --json
  attache oauth providers get google-mail --json | jq .managedServiceConfigKey
  attache oauth mode google-mail --set your-own
  attache oauth apps create --connector google-mail --client-id ID --client-secret @secret
  attache oauth connect google-mail --scope https://www.googleapis.com/auth/gmail.send
  attache oauth status google-mail
  attache oauth ping google-mail
  attache oauth request google-mail GET /gmail/v1/users/me/profile
  attache oauth disconnect google-mail

Exit codes: 0, 1 (it failed, or the service refused), 2 (the command line is wrong).
` + howToReach,
	CobraFunc: func(cmd *cobra.Command) {
		group := func(name, short string, subs ...*cobra.Command) *cobra.Command {
			c := &cobra.Command{Use: name, Short: short}
			c.AddCommand(subs...)
			return c
		}
		register, update, remove := connectorCalls[0], connectorCalls[1], connectorCalls[2]
		register.use = "register --name NAME"
		register.short, update.short, remove.short = "Makes a provider of one's own", "Edits a provider of one's own", "Deletes a provider of one's own"
		cmd.AddCommand(
			group("providers", "Services that people sign in to", append([]*cobra.Command{
				apiCommand("list", "Lists them", cobra.NoArgs, func(cmd *cobra.Command) {
					cmd.Flags().String("provider-key", "", "Only this one")
					jsonFlag(cmd)
				}, listProviders),
				apiCommand("get KEY", "Shows one", cobra.ExactArgs(1), jsonFlag, getProvider),
			}, commands([]call{register, update, remove})...)...),
			apiCommand("mode KEY", "Shows or chooses whose OAuth client is used: the operator's (managed) or your own", cobra.ExactArgs(1), func(cmd *cobra.Command) {
				cmd.Flags().String("set", "", "managed, your-own, or auto: your own if there is one, else the operator's")
				jsonFlag(cmd)
			}, oauthMode),
			group("apps", "OAuth clients", commands(appCalls)...),
			apiCommand("connect KEY", "Lets you sign in, as attache connect does", cobra.ExactArgs(1), func(cmd *cobra.Command) {
				connectFlags(cmd)
				cmd.Flags().String("account", "", "The same as --name")
				cmd.Flags().StringArray("scopes", nil, "The same as --scope; several with spaces")
			}, oauthConnect),
			apiCommand("status [KEY]", "Says how connections are", cobra.MaximumNArgs(1), jsonFlag, oauthStatus),
			apiCommand("ping KEY", "Proves that a connection works; fails where it does not", cobra.ExactArgs(1), jsonFlag, func(a *asking, args []string) error {
				id, err := a.connection(args[0])
				if err != nil {
					return err
				}
				return testAccount(a, []string{id})
			}),
			apiCommand("request KEY METHOD PATH", "Sends a request through the proxy and prints the answer; fails where its status is 400 or more", cobra.ExactArgs(3), func(cmd *cobra.Command) {
				f := cmd.Flags()
				f.String("data", "", "The body: text, @FILE, or - for standard input")
				f.String("content-type", "application/json", "Of the body")
				f.StringArray("header", nil, "A header: Name: value (repeatable)")
				f.String("proxy", "", "The proxy's URL, with the agent's token if it needs one (default: ATTACHE_PROXY, else "+defaultProxy+")")
				jsonFlag(cmd)
			}, oauthRequest),
			apiCommand("token KEY", "Prints no token: says why, and what to do instead", cobra.ExactArgs(1), jsonFlag, func(*asking, []string) error {
				return &client.Error{Code: "TOKENS_STAY", Msg: "nothing prints a token: what holds one can leak it",
					Next: "Send the request through the proxy instead: attache oauth request KEY METHOD PATH, or attache exec -- COMMAND."}
			}),
			apiCommand("disconnect KEY", "Ends a connection: its tokens are deleted, here and at the service", cobra.ExactArgs(1), func(cmd *cobra.Command) {
				cmd.Flags().String("reason", "", "Why, for the audit")
				jsonFlag(cmd)
			}, func(a *asking, args []string) error {
				id, err := a.connection(args[0])
				if err != nil {
					return err
				}
				return actOn(a, "revoke", id)
			}),
			group("connections", "Accounts that people signed in to", apiCommand("list", "Lists them", cobra.NoArgs, jsonFlag, oauthStatus)),
		)
	},
}

// provider is a connector, and the operator's OAuth client for it.
type provider struct {
	api.Connector
	ProviderKey string `json:"providerKey"`
	// Managed is the id of the operator's client; null where there is none.
	Managed *string `json:"managedServiceConfigKey"`
}

// signsIn reports whether people sign in at a service, by one of its ways at least.
func signsIn(c api.Connector) bool {
	return slices.ContainsFunc(c.Options, func(o api.ConnectorOption) bool { return o.Flow != "credentials" })
}

// managed are the operator's OAuth clients that are in use, by connector.
func (a *asking) managed() (map[string]string, error) {
	out := map[string]string{}
	for item, err := range client.List[api.App](a.ctx, a.api, client.Path("apps"), url.Values{"mode": {"managed"}}) {
		if err != nil {
			return nil, err
		}
		if item.Value.Active && out[item.Value.Connector] == "" {
			out[item.Value.Connector] = item.Value.ID
		}
	}
	return out, nil
}

func providerOf(c api.Connector, managed map[string]string) provider {
	p := provider{Connector: c, ProviderKey: c.Key}
	if id := managed[c.Key]; id != "" {
		p.Managed = &id
	}
	return p
}

func listProviders(a *asking, _ []string) error {
	apps, err := a.managed()
	if err != nil {
		return err
	}
	only, found := a.flag("provider-key"), []provider{}
	for item, err := range client.List[api.Connector](a.ctx, a.api, client.Path("connectors"), nil) {
		if err != nil {
			return err
		}
		if c := item.Value; signsIn(c) && (only == "" || strings.EqualFold(c.Key, only)) {
			found = append(found, providerOf(c, apps))
		}
	}
	if only != "" && len(found) == 0 {
		return &client.Error{Code: "CONNECTOR_NOT_FOUND", Msg: fmt.Sprintf("there is no provider %q at which people sign in", only), Next: "attache oauth providers list shows them all."}
	}
	if a.on("json") {
		return PrintJSON(a.cmd, map[string]any{"items": found})
	}
	for _, p := range found {
		mode := "your own client"
		if p.Managed != nil {
			mode = "managed"
		}
		a.print("%-28s %-32s %s", p.Key, client.Printable(p.Title), mode)
	}
	return nil
}

func getProvider(a *asking, args []string) error {
	apps, err := a.managed()
	if err != nil {
		return err
	}
	item, err := client.Ask[api.Connector](a.ctx, a.api, http.MethodGet, client.Path("connectors", args[0]), nil, nil)
	if err != nil {
		return orAnother(err, args[0])
	}
	p := providerOf(item.Value, apps)
	if a.on("json") {
		return PrintJSON(a.cmd, p)
	}
	a.printFacts([][2]string{{"key", p.Key}, {"title", p.Title}, {"state", p.State}, {"docs", p.Docs}, {"hosts", strings.Join(p.Hosts, " ")}, {"managed", cmp.Or(apps[p.Key], "no: bring your own client (attache oauth apps create)")}})
	return nil
}

func oauthMode(a *asking, args []string) error {
	path := client.Path("connectors", args[0], "app-mode")
	method, body := http.MethodGet, any(nil)
	switch set := a.flag("set"); set {
	case "":
		if a.cmd.Flags().Changed("set") {
			return errors.New("--set is empty; want managed, your-own or auto")
		}
	case "your-own", "your_own", "own":
		method, body = http.MethodPut, map[string]string{"mode": "own"}
	case "managed", "auto":
		method, body = http.MethodPut, map[string]string{"mode": set}
	default:
		return fmt.Errorf("--set %q: want managed, your-own or auto", set)
	}
	item, err := client.Ask[struct {
		Mode        string `json:"mode"`
		AppID       string `json:"app_id,omitempty"`
		RedirectURI string `json:"redirect_uri"`
	}](a.ctx, a.api, method, path, nil, body)
	if err != nil {
		return orAnother(err, args[0])
	}
	apps, err := a.managed()
	if err != nil {
		return err
	}
	x := item.Value
	uses := ""
	if x.AppID != "" {
		if uses = "your-own"; apps[args[0]] == x.AppID {
			uses = "managed"
		}
	}
	if x.Mode == "own" {
		x.Mode = "your-own"
	}
	if a.on("json") {
		return PrintJSON(a.cmd, map[string]any{"mode": x.Mode, "uses": uses, "app_id": x.AppID, "redirect_uri": x.RedirectURI})
	}
	a.printFacts([][2]string{{"mode", x.Mode}, {"uses", cmp.Or(uses, "no client yet: attache oauth apps create --connector "+args[0])}, {"redirect URI", x.RedirectURI}})
	return nil
}

func oauthConnect(a *asking, args []string) error {
	f := a.cmd.Flags()
	if name := a.flag("account"); name != "" {
		_ = f.Set("name", name)
	}
	for _, several := range a.flags("scopes") {
		for _, one := range strings.Fields(several) {
			_ = f.Set("scope", one)
		}
	}
	key, err := a.meant(args[0])
	if err != nil {
		return err
	}
	if a.flag("option") == "" {
		item, err := client.Ask[struct{ Options []connectOption }](a.ctx, a.api, http.MethodGet, client.Path("connectors", key, "metadata"), nil, nil)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(item.Value.Options, func(o connectOption) bool { return o.Flow != "credentials" })
		if i < 0 {
			return &client.Error{Code: "NO_OAUTH", Msg: "nobody signs in at " + key + ": it takes a key", Next: "attache connect " + key + " asks for it."}
		}
		_ = f.Set("option", item.Value.Options[i].Name)
	}
	return connectService(a, []string{key})
}

// connection is the account that KEY or KEY:NAME means.
func (a *asking) connection(given string) (string, error) {
	if isID(given, "acc_") || strings.Contains(given, ":") {
		return a.accountID(given)
	}
	var ids, names []string
	for item, err := range client.List[api.Account](a.ctx, a.api, client.Path("accounts"), url.Values{"connector": {given}}) {
		if err != nil {
			return "", err
		}
		if item.Value.Name == "default" {
			return item.Value.ID, nil
		}
		ids, names = append(ids, item.Value.ID), append(names, given+":"+item.Value.Name)
	}
	switch len(ids) {
	case 0:
		return "", &client.Error{Code: "ACCOUNT_NOT_FOUND", Msg: "nothing is connected to " + given, Next: "attache oauth connect " + given + " does it."}
	case 1:
		return ids[0], nil
	}
	return "", &client.Error{Code: "ambiguous", Msg: given + " has several accounts, and none is called default", Next: "Say which: " + strings.Join(names, ", ") + "."}
}

func oauthStatus(a *asking, args []string) error {
	q := url.Values{}
	if len(args) > 0 {
		key, name, named := strings.Cut(args[0], ":")
		q.Set("connector", key)
		if named {
			q.Set("name", name)
		}
	}
	options := map[string]map[string]string{} // flows by connector and option
	all := client.List[api.Account](a.ctx, a.api, client.Path("accounts"), q)
	only := func(yield func(client.Item[api.Account], error) bool) {
		for item, err := range all {
			if err == nil && len(args) == 0 && !a.signedIn(item.Value, options) {
				continue
			}
			if !yield(item, err) {
				return
			}
		}
	}
	return printList(a, only, "ID|CONNECTION|STATE|AT SERVICE|SCOPES|TOKEN UNTIL", func(x api.Account) []string {
		return []string{x.ID, x.Connector + ":" + x.Name, shownState(x), whoThere(x), strings.Join(x.Scopes, " "), shownTime(x.ExpiresAt)}
	})
}

// signedIn reports whether an account is one that a person signs in to. What cannot be
// told is one.
func (a *asking) signedIn(x api.Account, known map[string]map[string]string) bool {
	if known[x.Connector] == nil {
		known[x.Connector] = map[string]string{}
		item, err := client.Ask[api.Connector](a.ctx, a.api, http.MethodGet, client.Path("connectors", x.Connector), nil, nil)
		if err == nil {
			for _, o := range item.Value.Options {
				known[x.Connector][o.Name] = o.Flow
			}
		}
	}
	return known[x.Connector][x.Option] != "credentials"
}

// maxAnswer bounds what oauth request prints.
const maxAnswer = 64 << 20

func oauthRequest(a *asking, args []string) error {
	key, method, path := args[0], strings.ToUpper(strings.TrimSpace(args[1])), strings.TrimSpace(args[2])
	if !strings.HasPrefix(path, "/") {
		return fmt.Errorf("the path is %q; want one that begins with /, without the host", path)
	}
	to, user, token, err := parseProxy(cmp.Or(a.flag("proxy"), os.Getenv("ATTACHE_PROXY"), defaultProxy))
	if err != nil {
		return err
	}
	var body io.Reader
	if data := a.flag("data"); data != "" {
		text, err := content(data)
		if err != nil {
			return fmt.Errorf("--data: %w", err)
		}
		body = bytes.NewReader(text)
	}
	connector, account, _ := strings.Cut(key, ":")
	req, err := http.NewRequestWithContext(a.ctx, method, to.String()+"/"+url.PathEscape(connector)+path, body)
	if err != nil {
		return fmt.Errorf("that is no request: %w", errors.Unwrap(err))
	}
	if account != "" {
		req.Header.Set("Attache-Account", account)
	}
	if body != nil {
		req.Header.Set("Content-Type", a.flag("content-type"))
	}
	for _, line := range a.flags("header") {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return errors.New("--header: want Name: value")
		}
		req.Header.Set(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	if !token.IsZero() {
		req.SetBasicAuth(user, token.Reveal())
	}
	plain := &http.Client{Timeout: 10 * time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Transport: &http.Transport{}}
	res, err := plain.Do(req)
	if err != nil {
		return &client.Error{Code: "unreachable", Err: err, Msg: "no proxy answers at " + to.String(), Next: "Start it (attache run), or say where it is: --proxy URL or ATTACHE_PROXY=URL."}
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return err
	}
	if a.on("json") {
		out := map[string]any{"status": res.StatusCode, "headers": res.Header}
		if json.Valid(text) {
			out["body"] = json.RawMessage(text)
		} else {
			out["body"] = string(text)
		}
		err = PrintJSON(a.cmd, out)
	} else {
		_, err = a.cmd.OutOrStdout().Write(text)
	}
	if err == nil && res.StatusCode >= 400 {
		a.remark("%s", cmp.Or(strings.TrimSpace(res.Status+" "+res.Header.Get("Attache-Error")), "failed"))
		return exitCode(1)
	}
	return err
}
