package command

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/attache-proxy/attache/caddymodule/admin/api"
	"github.com/attache-proxy/attache/caddymodule/client"
	"github.com/attache-proxy/attache/resolver/vault"
)

// isID reports whether people gave an id: one of the vault's, or of what the
// configuration file declares.
func isID(s, prefix string) bool {
	return strings.HasPrefix(s, prefix) || strings.HasPrefix(s, vault.FileAgent)
}

// accountID finds the account that ID or CONNECTOR:NAME means. The name may hold
// colons, a connector's key does not.
func (a *asking) accountID(given string) (string, error) {
	if isID(given, "acc_") {
		return given, nil
	}
	key, name, ok := strings.Cut(given, ":")
	if !ok || key == "" || name == "" {
		return "", fmt.Errorf("account %q: want its id (acc_…) or CONNECTOR:NAME, as `attache accounts list` shows them", given)
	}
	q := url.Values{"connector": {key}, "name": {name}}
	return theOne(a, "account", given, q, fmt.Sprintf("connector %q has no account %q", key, name), func(x api.Account) (id, which string) {
		return x.ID, fmt.Sprintf("%s (of %s, organisation %s)", x.ID, x.Identifier, x.Organisation)
	})
}

// agentID finds the agent that ID or NAME means.
func (a *asking) agentID(given string) (string, error) {
	if isID(given, "agt_") {
		return given, nil
	}
	if given == "" {
		return "", errors.New("which agent? Give its name or its id (agt_…)")
	}
	return theOne(a, "agent", given, url.Values{"name": {given}}, fmt.Sprintf("there is no agent %q", given), func(x api.Agent) (id, which string) {
		return x.ID, fmt.Sprintf("%s (organisation %s)", x.ID, x.Organisation)
	})
}

// theOne is the id of the one account or agent that a list has for q. Of each, tell
// gives the id, and what sets it apart from others of its name.
func theOne[T any](a *asking, noun, given string, q url.Values, none string, tell func(T) (id, which string)) (string, error) {
	var ids, which []string
	for item, err := range client.List[T](a.ctx, a.api, client.Path(noun+"s"), q) {
		if err != nil {
			return "", err
		}
		id, apart := tell(item.Value)
		ids, which = append(ids, id), append(which, apart)
	}
	switch len(ids) {
	case 0:
		return "", &client.Error{Code: "no_" + noun, Msg: none, Next: "attache " + noun + "s list shows all there are."}
	case 1:
		return ids[0], nil
	}
	return "", &client.Error{Code: "ambiguous", Msg: fmt.Sprintf("there are %d %ss %q; say which by its id", len(ids), noun, given),
		Next: client.Printable(strings.Join(which, ", "))}
}

// account reads the account that ID or CONNECTOR:NAME means.
func (a *asking) account(given string) (item client.Item[api.Account], err error) {
	id, err := a.accountID(given)
	if err != nil {
		return item, err
	}
	return client.Ask[api.Account](a.ctx, a.api, http.MethodGet, client.Path("accounts", id), nil, nil)
}

// name is what people call an account or an agent. What is there no more, or not
// for this token, is called by its id. Each is asked for once.
func (a *asking) name(noun, id string) string {
	if file, ok := strings.CutPrefix(id, vault.FileAgent); ok || id == "" {
		return file
	}
	if known, ok := a.names[id]; ok {
		return known
	}
	name := id
	item, err := client.Ask[struct{ Connector, Name string }](a.ctx, a.api, http.MethodGet, client.Path(noun, id), nil, nil)
	if err == nil {
		name = item.Value.Name
		if item.Value.Connector != "" {
			name = item.Value.Connector + ":" + name
		}
	}
	a.names[id] = name
	return name
}
