package start

import (
	"encoding/json"
	"maps"
	"net"
	"slices"
	"strconv"

	"github.com/caddyserver/caddy/v2"

	"github.com/attache-proxy/attache/caddymodule/config"
)

// facts are what the first lines say of a configuration.
type facts struct {
	addresses []caddy.NetworkAddress // of every listener
	proxy     string                 // where the proxy is; empty where it is on no TCP port of ours
	agent     string                 // whose its requests are without a token
	office    string                 // where attache_admin is
	demo      bool                   // there is a connector demo
	vault     *config.Vault
	keys      []string
	ownLog    bool   // the configuration says where the log goes
	log       string // the file that has the log instead of the terminal
}

// read takes them out of a configuration in JSON. What it does not understand it
// leaves out: Caddy reads the same next, and says what is wrong.
func read(conf []byte) *facts {
	var all struct {
		Logging struct {
			Logs map[string]struct{ Writer json.RawMessage }
		}
		Apps struct {
			Attache struct {
				Vault      *config.Vault
				Key        []string
				Connectors map[string]json.RawMessage
			}
			HTTP struct {
				Servers map[string]struct {
					Listen []string
					Routes json.RawMessage
					TLS    []json.RawMessage `json:"tls_connection_policies"`
				}
			}
		}
	}
	f := &facts{}
	if json.Unmarshal(conf, &all) != nil {
		return f
	}
	f.vault, f.keys = all.Apps.Attache.Vault, all.Apps.Attache.Key
	_, f.demo = all.Apps.Attache.Connectors["demo"]
	f.ownLog = len(all.Logging.Logs["default"].Writer) > 0
	servers := all.Apps.HTTP.Servers
	for _, name := range slices.Sorted(maps.Keys(servers)) {
		s := servers[name]
		for _, listen := range s.Listen {
			text, err := caddy.NewReplacer().ReplaceOrErr(listen, true, true)
			if err != nil {
				continue
			}
			at, err := caddy.ParseNetworkAddress(text)
			if err != nil {
				continue
			}
			f.addresses = append(f.addresses, at)
			url := urlOf(at, len(s.TLS) > 0)
			if agent, ok := handlerOf(s.Routes, "attache"); ok && (f.proxy == "" || agent != "" && f.agent == "") {
				f.proxy, f.agent = url, agent
			}
			if _, ok := handlerOf(s.Routes, "attache_admin"); ok && f.office == "" {
				f.office = url
			}
		}
	}
	return f
}

// urlOf is where an address is reached from this machine; empty for a socket.
func urlOf(at caddy.NetworkAddress, tls bool) string {
	if at.IsUnixNetwork() || at.IsFdNetwork() {
		return ""
	}
	host := at.Host
	if host == "" || host == "0.0.0.0" || host == "::" {
		host = "127.0.0.1"
	}
	scheme := "http"
	if tls {
		scheme = "https"
	}
	return scheme + "://" + net.JoinHostPort(host, strconv.Itoa(int(at.StartPort)))
}

// handlerOf looks for a handler anywhere in routes, and for the agent it names.
func handlerOf(routes json.RawMessage, name string) (agent string, found bool) {
	var list []json.RawMessage
	if json.Unmarshal(routes, &list) == nil {
		for _, item := range list {
			if agent, found = handlerOf(item, name); found {
				return agent, true
			}
		}
		return "", false
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(routes, &object) != nil {
		return "", false
	}
	if string(object["handler"]) == strconv.Quote(name) {
		_ = json.Unmarshal(object["agent"], &agent)
		return agent, true
	}
	for _, key := range slices.Sorted(maps.Keys(object)) {
		if agent, found = handlerOf(object[key], name); found {
			return agent, true
		}
	}
	return "", false
}
