package resolver

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/resolver/denial"
)

// claims lists what a request may be for: the connector that the door named, or
// those of the agent's organisation that claim the host, most specific first.
// None means that the host is nobody's.
func (r *Resolver) claims(dst []providers.Entry, ask Ask) ([]providers.Entry, error) {
	x, organisation := r.Index(), ask.Agent.organisation()
	if ask.Connector == "" {
		return x.Lookup(dst, organisation, ask.Target.Host, ask.Target.Port, ask.Path), nil
	}
	c, ok := x.For(organisation, ask.Connector)
	if !ok {
		return nil, &Refusal{Code: "unknown_connector",
			Detail: fmt.Sprintf("there is no connector %q here", ask.Connector),
			Next:   "Ask GET /.well-known/attache which connectors you may use."}
	}
	return append(dst, providers.Entry{Connector: c}), nil
}

// NamesBelow is Connector.NamesBelow of the connector that an agent calls by key.
func (r *Resolver) NamesBelow(agent *Agent, key string) bool {
	c, ok := r.Index().For(agent.organisation(), key)
	return ok && c.NamesBelow()
}

// offer is a granted account, and the claim through which it would be used.
type offer struct {
	Granted
	claim providers.Entry
	// fits says that the account's credential may go to the host that was asked for.
	fits bool
}

// goesBy reports whether an agent's word means the account: its name, its id, or
// connector:name.
func (o *offer) goesBy(word string) bool {
	if o.Account.Name == word || o.Account.ID == word {
		return true
	}
	key, name, ok := strings.Cut(word, ":")
	return ok && o.claim.Connector.Key == key && o.Account.Name == name
}

// choose finds the one account: by the agent's word, else by the most specific
// claim for which it has a grant and the account's host fits, there the default
// one, else the only one.
func (r *Resolver) choose(ctx context.Context, call *Call, ask Ask, claims []providers.Entry) (Granted, error) {
	var few [4]offer
	offers, err := r.offers(ctx, few[:0], ask, claims)
	if err != nil {
		return Granted{}, err
	}
	if len(offers) == 0 {
		return Granted{}, notGranted(call, ask, claims)
	}
	all := offers
	if ask.Account != "" {
		if offers = meant(all, ask.Account); len(offers) == 0 {
			return Granted{}, &Refusal{Code: "account_unknown", Accounts: names(all),
				Detail: fmt.Sprintf("agent %s has no account %q of %s", ask.Agent.Name, ask.Account, keys(claims)),
				Next:   "Choose one of: " + quoteNames(names(all)) + "."}
		}
	}
	offers = best(offers)
	o, ok := theOne(offers)
	if !ok {
		call.Connector, call.Host = offers[0].claim.Connector, offers[0].claim.Host
		return Granted{}, &Refusal{Code: "account_ambiguous", Accounts: names(offers),
			Detail: fmt.Sprintf("agent %s has several accounts of %s: %s", ask.Agent.Name, keysOf(offers), quoteNames(names(offers))),
			Next:   "Send the header Attache-Account with one of these names."}
	}
	call.Connector, call.Host, call.Account, call.mayPresign = o.claim.Connector, o.claim.Host, o.Account, o.Presign
	if r.needsConfinement(ask.Agent, &o.Granted) {
		return Granted{}, denial.Unconfined(ask.Agent.Name, call.Connector.Key, o.Account.Name, ask.Agent.Run != nil)
	}
	return o.Granted, nil
}

// needsConfinement reports a grant for confined runs in which the agent does not call.
func (r *Resolver) needsConfinement(a *Agent, g *Granted) bool {
	return (g.Confined || r.confined) && !a.Run.Confines()
}

// offers lists the accounts that the agent was granted, in the order of claims.
func (r *Resolver) offers(ctx context.Context, dst []offer, ask Ask, claims []providers.Entry) ([]offer, error) {
	for _, claim := range claims {
		granted, err := r.directory.Granted(ctx, ask.Agent, claim.Connector.Key)
		if err != nil {
			return nil, vaultAway(err)
		}
		for _, g := range granted {
			fits := claim.Host == nil || claim.Host.Allows(ask.Target.Host, ask.Target.Port, g.Account.hostVars())
			dst = append(dst, offer{g, claim, fits})
		}
	}
	return dst, nil
}

func notGranted(call *Call, ask Ask, claims []providers.Entry) error {
	if !slices.ContainsFunc(claims, func(e providers.Entry) bool { return ask.Agent.MayUse(e.Connector.Key) }) {
		return &Refusal{Code: "not_permitted",
			Detail: fmt.Sprintf("agent %s may only use the connectors of its allow list, which %s (%s) is not on", ask.Agent.Name, keys(claims), call.where()),
			Next:   "Do not repeat this request. Ask the operator to add " + claims[0].Connector.Key + " to the agent's allow list: PUT /api/v1/agents/" + ask.Agent.ID + "/connectors."}
	}
	return &Refusal{Code: "not_permitted",
		Detail: fmt.Sprintf("agent %s has no grant for %s (%s)", ask.Agent.Name, keys(claims), call.where()),
		Next:   "Do not repeat this request. Ask the operator for: grant " + claims[0].Connector.Key + " read."}
}

// meant keeps the offers that the agent's word means: an account, or all of a
// connector.
func meant(offers []offer, word string) []offer {
	var out []offer
	for _, o := range offers {
		if o.goesBy(word) {
			out = append(out, o)
		}
	}
	if out != nil {
		return out
	}
	for _, o := range offers {
		if o.claim.Host != nil && o.claim.Connector.Key == word {
			out = append(out, o)
		}
	}
	return out
}

// best keeps the offers of the most specific claim whose accounts' hosts fit.
// Where none does, all of the first claim are left: then settle refuses.
func best(offers []offer) []offer {
	first := slices.IndexFunc(offers, func(o offer) bool { return o.fits })
	if first < 0 {
		return among(offers, offers[0], false)
	}
	return among(offers, offers[first], true)
}

// among keeps the offers whose claim is as specific as that of one of them.
func among(offers []offer, of offer, fits bool) []offer {
	if len(offers) == 1 {
		return offers
	}
	var out []offer
	for _, o := range offers {
		same := o.claim.Connector == of.claim.Connector && o.claim.Host == of.claim.Host
		if o.fits == fits && (same || o.claim.Host != nil && of.claim.Host != nil && o.claim.AsSpecific(of.claim)) {
			out = append(out, o)
		}
	}
	return out
}

// theOne is the only offer, or the only one that is a default.
func theOne(offers []offer) (offer, bool) {
	if len(offers) == 1 {
		return offers[0], true
	}
	var found offer
	n := 0
	for _, o := range offers {
		if o.Account.Default {
			found, n = o, n+1
		}
	}
	return found, n == 1
}

// names are how an agent may call the offers; with the connector where there
// are several.
func names(offers []offer) []string {
	several := strings.Contains(keysOf(offers), " and ")
	var ns []string
	for _, o := range offers {
		name := o.Account.Name
		if several {
			name = o.claim.Connector.Key + ":" + name
		}
		if !slices.Contains(ns, name) {
			ns = append(ns, name)
		}
	}
	return ns
}

func keysOf(offers []offer) string {
	claims := make([]providers.Entry, len(offers))
	for i := range offers {
		claims[i] = offers[i].claim
	}
	return keys(claims)
}

// keys names the connectors of claims: "connector a", "connectors a and b".
func keys(claims []providers.Entry) string {
	var ks []string
	for _, e := range claims {
		if !slices.Contains(ks, e.Connector.Key) {
			ks = append(ks, e.Connector.Key)
		}
	}
	if len(ks) == 1 {
		return "connector " + ks[0]
	}
	return "connectors " + strings.Join(ks[:len(ks)-1], ", ") + " and " + ks[len(ks)-1]
}

// where names what was asked for, for messages.
func (call *Call) where() string {
	if call.Target.Host == "" {
		return "named in the URL"
	}
	return "host " + call.Target.Host
}
