package operation

import (
	"errors"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/attache-proxy/attache/providers/operations"
	"github.com/attache-proxy/attache/providers/printable"
	"github.com/attache-proxy/attache/resolver/rule"
	"github.com/attache-proxy/attache/resolver/rule/condition"
)

// mcpReads are the methods of MCP that read: what a client has to send before it can
// call a tool, and what lists and reads. (Model Context Protocol, 2025-11-25.)
var mcpReads = map[string]bool{
	"initialize": true, "ping": true, "tools/list": true, "resources/list": true, "resources/templates/list": true, "resources/read": true,
	"resources/subscribe": true, "resources/unsubscribe": true, "prompts/list": true, "prompts/get": true, "completion/complete": true, "logging/setLevel": true,
	"server/discover": true, "tasks/get": true, "tasks/list": true, "tasks/result": true, "subscriptions/listen": true,
	"notifications/initialized": true, "notifications/cancelled": true, "notifications/progress": true, "notifications/roots/list_changed": true,
}

// jsonRPC reads a message of JSON-RPC 2.0, or a batch of them.
func (h *Head) jsonRPC(kind string, body []byte, mcp bool) ([]rule.Does, string) {
	if kind != "application/json" && kind != "application/json-rpc" && kind != "application/jsonrequest" {
		return nil, whyTypes
	}
	var does []rule.Does
	err := each(body, func(d *jsontext.Decoder) error {
		m := message{d: d, mcp: mcp, keeps: h.Keeps}
		if err := object(d, messageMembers, m.member); err != nil {
			return err
		}
		one, err := m.does()
		does = append(does, one)
		return err
	})
	if err != nil {
		return nil, err.Error()
	}
	return does, ""
}

var messageMembers = []string{"method", "params", "result", "error", "jsonrpc", "id"}

// message is one of JSON-RPC.
type message struct {
	d         *jsontext.Decoder
	mcp       bool
	method    string
	hasMethod bool
	outcomes  int       // results and errors
	targets   [2]string // by their names
	badParams error
	// keeps says that args is wanted: params of JSON-RPC, their arguments in MCP.
	keeps bool
	args  *condition.Document
}

// targets are what methods of MCP name in their params.
var targets = []string{"name", "uri"}

func (m *message) member(at int) (err error) {
	switch messageMembers[at] {
	case "method":
		m.method, m.hasMethod, err = text(m.d)
		if !m.hasMethod || m.method == "" || !clean(m.method) || strings.Contains(m.method, " ") || m.mcp && resembles(m.method) {
			err = errors.New("a message of its body has no one method")
		}
		return err
	case "params":
		if m.mcp && m.d.PeekKind() == '{' {
			return m.params()
		}
		if m.keeps && !m.mcp {
			return m.keep()
		}
	case "result", "error":
		m.outcomes++
	}
	if m.d.SkipValue() != nil {
		return errJSON
	}
	return nil
}

// argument is the member of params that has arguments.
var argument = []string{"arguments"}

// keep keeps the next value as what is called with.
func (m *message) keep() error {
	v, err := m.d.ReadValue()
	if err != nil {
		return errJSON
	}
	if m.args = (&condition.Document{JSON: v.Clone()}); v.Kind() == 'n' {
		m.args = &condition.Document{Empty: true}
	}
	return nil
}

// params reads the names in params. What is wrong with them matters only where the
// method, which may come behind them, goes by one.
func (m *message) params() error {
	if _, err := m.d.ReadToken(); err != nil {
		return errJSON
	}
	for m.d.PeekKind() != '}' {
		t, err := m.d.ReadToken()
		if err != nil || t.Kind() != '"' {
			return errJSON
		}
		if m.keeps {
			switch at, err := which(t.String(), argument); {
			case err != nil:
				m.args = &condition.Document{Why: err.Error()}
			case at == 0 && m.args == nil:
				if err := m.keep(); err != nil {
					return err
				}
				continue
			}
		}
		at, err := which(t.String(), targets)
		if err != nil {
			m.badParams = err
		}
		if at < 0 {
			if m.d.SkipValue() != nil {
				return errJSON
			}
			continue
		}
		if m.targets[at], _, err = text(m.d); err != nil {
			return err
		}
	}
	if _, err := m.d.ReadToken(); err != nil {
		return errJSON
	}
	return nil
}

func (m *message) does() (d rule.Does, err error) {
	if d.Args = m.args; m.keeps && m.args == nil {
		d.Args = &condition.Document{Empty: true}
	}
	switch {
	case !m.hasMethod && m.mcp && m.outcomes == 1:
		return one("response", operations.Write)[0], nil // to what the server asked of the client
	case !m.hasMethod, m.outcomes > 0:
		return d, errors.New("a message of its body has no one method")
	}
	d.Name, d.Effect = m.method, deletes(m.method, operations.Write)
	if !m.mcp {
		return d, nil
	}
	if mcpReads[m.method] {
		d.Effect = operations.Read
	}
	member, ok := goesBy[m.method]
	if !ok {
		return d, nil
	}
	name := m.targets[member]
	if m.badParams != nil || name == "" || !clean(name) {
		return d, errors.New("its " + m.method + " names nothing, or more than one thing")
	}
	if targets[member] == "uri" {
		d.Resource = name
		return d, nil
	}
	d.Name += " " + name
	if m.method == "tools/call" {
		d.Effect = deletes(name, operations.Write)
	}
	return d, nil
}

// resembles reports a method that is one of MCP's but for case, which a careless server
// may take for it.
func resembles(method string) bool {
	for known := range mcpReads {
		if method != known && strings.EqualFold(method, known) {
			return true
		}
	}
	return method != "tools/call" && strings.EqualFold(method, "tools/call")
}

// Offered is what it would be to use what an MCP server offers: method is tools/call,
// prompts/get or resources/read.
func Offered(method, name string) (does rule.Does, ok bool) {
	m := message{mcp: true, method: method, hasMethod: true}
	m.targets[goesBy[method]] = name
	does, err := m.does()
	return does, err == nil
}

// goesBy is which of targets a method is of.
var goesBy = map[string]int{"tools/call": 0, "prompts/get": 0, "resources/read": 1, "resources/subscribe": 1, "resources/unsubscribe": 1}

// clean reports a name without space at its ends and without characters that nobody sees:
// they make another name of one that a rule denies.
func clean(name string) bool {
	return strings.TrimSpace(name) == name && !strings.ContainsFunc(name, func(r rune) bool { return printable.Unseen(r) || r == 0x7f })
}
