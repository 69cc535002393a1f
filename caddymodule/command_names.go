package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/attache-proxy/attache/caddymodule/admin"
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
	var found []admin.Account
	for item, err := range client.List[admin.Account](a.ctx, a.api, client.Path("accounts"), url.Values{"connector": {key}, "name": {name}}) {
		if err != nil {
			return "", err
		}
		found = append(found, item.Value)
	}
	switch len(found) {
	case 0:
		return "", &client.Error{Code: "no_account", Msg: fmt.Sprintf("connector %q has no account %q", key, name), Next: "attache accounts list shows all there are."}
	case 1:
		return found[0].ID, nil
	}
	var which []string
	for _, f := range found {
		which = append(which, fmt.Sprintf("%s (of %s, organisation %s)", f.ID, f.Identifier, f.Organisation))
	}
	return "", &client.Error{Code: "ambiguous", Msg: fmt.Sprintf("there are %d accounts %q; say which by its id", len(found), given),
		Next: client.Printable(strings.Join(which, ", "))}
}

// agentID finds the agent that ID or NAME means.
func (a *asking) agentID(given string) (string, error) {
	if isID(given, "agt_") {
		return given, nil
	}
	if given == "" {
		return "", errors.New("which agent? Give its name or its id (agt_…)")
	}
	var found []admin.Agent
	for item, err := range client.List[admin.Agent](a.ctx, a.api, client.Path("agents"), url.Values{"name": {given}}) {
		if err != nil {
			return "", err
		}
		found = append(found, item.Value)
	}
	switch len(found) {
	case 0:
		return "", &client.Error{Code: "no_agent", Msg: fmt.Sprintf("there is no agent %q", given), Next: "attache agents list shows all there are."}
	case 1:
		return found[0].ID, nil
	}
	var which []string
	for _, f := range found {
		which = append(which, fmt.Sprintf("%s (organisation %s)", f.ID, f.Organisation))
	}
	return "", &client.Error{Code: "ambiguous", Msg: fmt.Sprintf("there are %d agents %q; say which by its id", len(found), given),
		Next: client.Printable(strings.Join(which, ", "))}
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
