// Package record makes rules from what an agent did, and tries rules on it.
package record

import (
	"cmp"
	"strings"

	"github.com/attache-proxy/attache/providers/operations"
	"github.com/attache-proxy/attache/resolver/rule"
)

// Call is calls of one kind, as the audit has them.
type Call struct {
	// Operation is what they did: a name, several joined by rule.And, or empty where
	// they have none. Effect is an operations.Effect, empty where nothing is known.
	Operation, Effect, Resource string
	// Also finds the name by which the connector's table has an operation that another
	// protocol names, as rule.Does has it; nil, and an empty name, where there is none.
	Also         func(name string) string
	Method, Path string
	// Upgraded says that the service switched protocols.
	Upgraded bool
	// Worked says that the service answered below 400.
	Worked bool
	// Code is that of our refusal; empty for what was sent.
	Code string
	// Count is how often, at least 1.
	Count int64
}

// unread reports calls of which it is not known what they did: their body was not read,
// or could not be.
func (c *Call) unread() bool {
	effect, known := c.effect()
	return !known || effect == operations.Unknown && c.Operation == ""
}

// names are the operations of the calls; one without a name where they have none.
func (c *Call) names() []string { return strings.Split(c.Operation, rule.And) }

// also is the other name of one of the operations; empty for none.
func (c *Call) also(name string) string {
	if c.Also == nil || name == "" {
		return ""
	}
	return c.Also(name)
}

// known are the names by which rules are made: those of the connector's table where it
// has the operations.
func (c *Call) known() []string {
	names := c.names()
	for i, name := range names {
		names[i] = cmp.Or(c.also(name), name)
	}
	return names
}

// effect is the gravest of the calls' effects; known is false where nothing is.
func (c *Call) effect() (e operations.Effect, known bool) {
	if c.Effect == "" {
		return operations.Unknown, false
	}
	e, err := operations.ParseEffect(c.Effect)
	return e, err == nil
}

// label is how people read the calls.
func (c *Call) label() string {
	switch {
	case c.Operation == "":
		return c.Method + " " + c.Path
	case c.Resource != "":
		return c.Operation + " on " + c.Resource
	}
	return c.Operation
}

// request is the calls as rules see them. Where the audit does not say what each of
// several operations does, the gravest effect counts for all.
func (c *Call) request() *rule.Request {
	r := &rule.Request{Methods: []string{c.Method}, Path: c.Path, Upgrade: c.Upgraded || c.Operation == "upgrade"}
	effect, known := c.effect()
	if !known {
		r.Why = "what it does was not recorded"
		return r
	}
	for _, name := range c.names() {
		r.Does = append(r.Does, rule.Does{Operation: operations.Operation{Name: name, Effect: effect, Resource: c.Resource}, Also: c.also(name), Unsure: name == ""})
	}
	return r
}

// ruled reports a refusal by rules or scopes, which other rules would change.
func (c *Call) ruled() bool {
	switch c.Code {
	case "operation_denied", "operation_unknown", "not_permitted":
		return true
	}
	return false
}

// Asked is the code of a call about which a person was asked.
const Asked = "approval_pending"

// asked reports calls for which a person was asked.
func (c *Call) asked() bool { return strings.HasPrefix(c.Code, "approval_") }

// isRead reports calls that a rule for reading permits.
func (c *Call) isRead() bool {
	effect, known := c.effect()
	return known && effect == operations.Read && !c.request().Upgrade
}
