package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/attache-proxy/attache/caddymodule/command/confine"
	"github.com/attache-proxy/attache/caddymodule/config"
	"github.com/attache-proxy/attache/providers/secret"
)

// configFacts is what the commands read of a proxy's configuration. It is
// adapted, not loaded: nothing is opened or started.
type configFacts struct {
	file string
	app  appFacts
	// listeners are those with the attache handler.
	listeners []listenerFacts
	admin     caddy.AdminConfig
	// storageRoot is the file system storage's; empty for Caddy's default.
	storageRoot string
	// secrets are the names of variables that the file, whose text is here, takes values
	// from.
	secrets []string
	text    []byte
}

// appFacts are those of the option attache.
type appFacts struct {
	CA         string                       `json:"ca"`
	Connectors map[string]*config.Connector `json:"connectors"`
	Agents     map[string]*config.Agent     `json:"agents"`
	Vault      *config.Vault                `json:"vault"`
	Key        []string                     `json:"key"`
	LaunchKey  *config.LaunchKey            `json:"launch_key"`
	Audit      config.Audit                 `json:"audit"`
}

// listenerFacts is one listener of the proxy.
type listenerFacts struct {
	address caddy.NetworkAddress
	tls     bool
	agent   string // of the listener itself; may be empty
}

// readConfig reads a Caddyfile or a JSON configuration.
func readConfig(file, adapter string) (*configFacts, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("--config: %w", err)
	}
	adapted := text
	if adapter == "" && filepath.Ext(file) != ".json" {
		adapter = "caddyfile"
	}
	if adapter != "" {
		a := caddyconfig.GetAdapter(adapter)
		if a == nil {
			return nil, fmt.Errorf("--adapter: there is no adapter %q", adapter)
		}
		if adapted, _, err = a.Adapt(text, map[string]any{"filename": file}); err != nil {
			return nil, fmt.Errorf("--config: %w", err)
		}
	}
	facts := &configFacts{file: file, text: text}
	if err := facts.read(adapted); err != nil {
		return nil, fmt.Errorf("--config: %s: %w", file, err)
	}
	facts.secrets = variablesOf(text, adapted)
	return facts, nil
}

// never are the files that no confined command may read.
func (c *configFacts) never() []string {
	all := []string{caddy.AppDataDir()}
	if c != nil {
		all = append(append(all, c.file, c.storageRoot), confine.FilesOf(c.file, c.text)...)
		if v := c.app.Vault; v != nil && v.Driver == "sqlite" {
			place, _ := v.Place()
			all = append(all, place, place+"-wal", place+"-shm", filepath.Join(filepath.Dir(place), "vault.key"))
		}
	}
	return all
}

func (c *configFacts) read(src []byte) error {
	var all struct {
		Admin   *caddy.AdminConfig `json:"admin"`
		Storage struct{ Module, Root string }
		Apps    struct {
			Attache json.RawMessage
			HTTP    struct {
				Servers map[string]struct {
					Listen []string
					Routes json.RawMessage
					TLS    []json.RawMessage `json:"tls_connection_policies"`
				}
			}
		}
	}
	if err := json.Unmarshal(src, &all); err != nil {
		return err
	}
	if len(all.Apps.Attache) == 0 {
		return errors.New("the global option attache is missing; this is no configuration of a proxy")
	}
	if err := json.Unmarshal(all.Apps.Attache, &c.app); err != nil {
		return err
	}
	if all.Admin != nil {
		c.admin = *all.Admin
	}
	c.storageRoot = all.Storage.Root
	for _, name := range slices.Sorted(maps.Keys(all.Apps.HTTP.Servers)) {
		server := all.Apps.HTTP.Servers[name]
		handler, ok := findHandler(server.Routes)
		if !ok {
			continue
		}
		for _, listen := range server.Listen {
			address, err := caddy.ParseNetworkAddress(listen)
			if err != nil {
				return err
			}
			c.listeners = append(c.listeners, listenerFacts{address, len(server.TLS) > 0, handler.Agent})
		}
	}
	return nil
}

// handlerFacts are those of the directive attache.
type handlerFacts struct {
	Agent string `json:"agent"` // of the listener itself; may be empty
}

// findHandler looks for the attache handler anywhere in a server's routes.
func findHandler(routes json.RawMessage) (h handlerFacts, found bool) {
	var list []json.RawMessage
	if json.Unmarshal(routes, &list) == nil {
		for _, item := range list {
			if h, found = findHandler(item); found {
				return h, true
			}
		}
		return h, false
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(routes, &object) != nil {
		return h, false
	}
	if string(object["handler"]) == `"attache"` {
		return h, json.Unmarshal(routes, &h) == nil
	}
	for _, key := range slices.Sorted(maps.Keys(object)) {
		if h, found = findHandler(object[key]); found {
			return h, true
		}
	}
	return h, false
}

// proxyURL is where an agent of this machine reaches the proxy: the listener
// whose own agent it is; for nobody in particular one that has an agent of its
// own and so wants no token; else the first. Caddy does not keep the order of
// the file.
func (c *configFacts) proxyURL(agent string) (string, error) {
	tcp := slices.DeleteFunc(slices.Clone(c.listeners), func(l listenerFacts) bool { return l.address.IsUnixNetwork() })
	if len(tcp) == 0 {
		return "", fmt.Errorf("--config: %s has no listener with attache on TCP, and proxy variables know nothing else; say where the proxy is: --proxy URL", c.file)
	}
	i := slices.IndexFunc(tcp, func(l listenerFacts) bool { return l.agent != "" && (agent == "" || agent == l.agent) })
	return tcp[max(i, 0)].url(), nil
}

func (l listenerFacts) url() string {
	host := l.address.Host
	if host == "" || host == "0.0.0.0" || host == "::" {
		host = "127.0.0.1"
	}
	scheme := "http"
	if l.tls {
		scheme = "https"
	}
	return scheme + "://" + net.JoinHostPort(host, fmt.Sprint(l.address.StartPort))
}

// token resolves the token of an agent, or of the only one that has any. A
// listener's own agent needs none.
func (c *configFacts) token(name string) (secret.Value, error) {
	if name == "" {
		if slices.ContainsFunc(c.listeners, func(l listenerFacts) bool { return l.agent != "" }) {
			return secret.Value{}, nil
		}
		var names []string
		for _, n := range slices.Sorted(maps.Keys(c.app.Agents)) {
			if len(c.app.Agents[n].Tokens) > 0 {
				names = append(names, n)
			}
		}
		switch len(names) {
		case 0:
			return secret.Value{}, nil
		case 1:
			name = names[0]
		default:
			return secret.Value{}, fmt.Errorf("--config: %s has several agents; choose one: --agent %s", c.file, strings.Join(names, "|"))
		}
	}
	agent, ok := c.app.Agents[name]
	if !ok && c.app.Vault != nil {
		return secret.Value{}, nil // an agent of the vault: its token is in no file
	}
	if !ok {
		return secret.Value{}, fmt.Errorf("--config: %s has no agent %s; it has: %s", c.file, name, config.Known(c.app.Agents))
	}
	if len(agent.Tokens) == 0 {
		return secret.Value{}, nil
	}
	v, err := config.Resolve(map[string]string{"token": agent.Tokens[0]})
	if err != nil {
		return secret.Value{}, fmt.Errorf("--config: %s: agent %s: %w", c.file, name, err)
	}
	return v["token"], nil
}

// ordinary are variables that configurations use and every command needs.
var ordinary = []string{"HOME", "PATH", "USER", "LOGNAME", "SHELL", "PWD", "TMPDIR", "LANG", "TERM", "TZ", "HOST", "HOSTNAME", "PORT", "DOMAIN", "UID",
	"XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR", "APPDATA", "LOCALAPPDATA", "USERPROFILE", "SYSTEMROOT", "TEMP", "TMP"}

var (
	envPlaceholder = regexp.MustCompile(`\{env\.([A-Za-z_][A-Za-z0-9_]*)\}`)
	envPaste       = regexp.MustCompile(`\{\$([A-Za-z_][A-Za-z0-9_]*)`)
)

// variablesOf lists the variables that a configuration takes values from: by
// placeholder, or pasted in by the Caddyfile's {$NAME}.
func variablesOf(texts ...[]byte) (names []string) {
	for _, text := range texts {
		for _, shape := range []*regexp.Regexp{envPlaceholder, envPaste} {
			for _, m := range shape.FindAllSubmatch(text, -1) {
				if name := string(m[1]); !slices.Contains(ordinary, strings.ToUpper(name)) && !slices.Contains(names, name) {
					names = append(names, name)
				}
			}
		}
	}
	slices.Sort(names)
	return names
}
