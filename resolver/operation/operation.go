// Package operation reads from a request what it does: from the connector's table of
// operations, and where a protocol has one method for everything, from the body.
//
// It fails closed. What is read is what the service is sent, and only where every reader
// sees the same in it; of anything else the operation is not known, and says why.
package operation

import (
	"net/http"
	"slices"
	"strings"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/operations"
	"github.com/attache-proxy/attache/providers/sign/sigv4"
	"github.com/attache-proxy/attache/resolver/rule"
	"github.com/attache-proxy/attache/resolver/rule/condition"
)

// MaxBody is up to what length a body is read, as it is sent and as it was before it
// was compressed.
const MaxBody = 64 << 10

// Head is the head of a request.
type Head struct {
	providers.Does
	Connector *providers.Connector
	// Host is the service's, in lower case; OnBase says that it is that of the connector's
	// base URL.
	Host   string
	OnBase bool
	// Table is the connector's; nil where it has none.
	Table operations.Table
	// Keeps says that the rules have conditions: what is in the body is kept for them.
	Keeps bool
}

// Of reads a request's head. More says that its body has to be read as well, by With.
func Of(h *Head) (r rule.Request, more bool) {
	r = rule.Request{Methods: h.Methods, Path: h.Path, Upgrade: h.Upgrade, Query: h.Query}
	if !h.Body {
		r.Body = &condition.Document{Empty: true}
	}
	if _, err := providers.NormalPath(h.Path); err != nil && h.Path != "*" {
		r.Unclear, r.Why = true, "its path can be read in different ways: "+err.Error()
		return r, false
	}
	if lowered(h.Methods) {
		r.Why = "its method is not in capitals"
		return r, false
	}
	if h.Upgrade {
		effect := operations.Unknown
		if h.Connector.Reads(h.Does) {
			effect = operations.Read
		}
		r.Does = one("upgrade", effect)
		return r, false
	}
	if h.Connector.Spoken(h.Host, h.Path) != providers.Plain {
		return spoken(h, r)
	}
	if h.nearlySpoken() {
		r.Unclear, r.Why = true, "its path is nearly one at which a protocol is spoken, and services may take it for that"
		return r, false
	}
	if h.Connector.NamesActions() && !h.isStore() {
		return h.action(r)
	}
	r.Does = h.byPath()
	return r, false
}

// SpeaksRPC reports a request at a path where JSON-RPC, or MCP, is spoken.
func (h *Head) SpeaksRPC() bool {
	protocol := h.Connector.Spoken(h.Host, h.Path)
	return protocol == providers.MCP || protocol == providers.JSONRPC
}

// nearlySpoken reports what would be reading, but for a service that takes its path for one
// at which a protocol is spoken.
func (h *Head) nearlySpoken() bool {
	return (h.Body || h.Query != "") && h.Connector.Reads(h.Does) && h.Connector.SpokenNear(h.Host, h.Path)
}

// Spoken reports a request of a protocol whose body, or query, says what it does.
func (h *Head) Spoken() bool {
	switch h.Connector.Spoken(h.Host, h.Path) {
	case providers.Plain:
		return h.nearlySpoken()
	case providers.GraphQL:
		return h.Body || h.Query != "" || h.Upgrade
	}
	return true
}

// spoken is a request of a protocol whose body says what it does.
func spoken(h *Head, r rule.Request) (rule.Request, bool) {
	protocol := h.Connector.Spoken(h.Host, h.Path)
	switch method := h.Methods[0]; {
	case len(h.Methods) > 1:
		r.Why = "its method is overridden"
	case method == http.MethodPost:
		return r, true
	case protocol == providers.GraphQL && (method == http.MethodGet || method == http.MethodHead) && !h.Body:
		r.Does, r.Why = h.reads(h.graphQLQuery(h.Query))
	case method == http.MethodOptions && !h.Body && h.Query == "":
		r.Does = one("options", operations.Read)
	case protocol == providers.MCP && method == http.MethodGet && !h.Body:
		r.Does, r.Why = h.reads(one("session/stream", operations.Read), "")
	case protocol == providers.MCP && method == http.MethodDelete && !h.Body:
		r.Does, r.Why = h.reads(one("session/end", operations.Read), "")
	default:
		r.Why = "the protocol that is spoken at its path knows no such request"
	}
	return r, false
}

// With reads the body of a request of which Of said that it needs it.
func With(h *Head, body []byte) rule.Request {
	r := rule.Request{Methods: h.Methods, Path: h.Path, Upgrade: h.Upgrade, Query: h.Query}
	kind, plain, why := decoded(h.Header, body)
	if why != "" {
		r.Why, r.Body = why, &condition.Document{Why: why}
		return r
	}
	if h.Keeps {
		r.Body = held(kind, plain)
	}
	switch h.Connector.Spoken(h.Host, h.Path) {
	case providers.GraphQL:
		r.Does, r.Why = h.reads(h.graphQLBody(kind, h.Query, plain))
	case providers.MCP, providers.JSONRPC:
		r.Does, r.Why = h.reads(h.jsonRPC(kind, plain, h.Connector.Spoken(h.Host, h.Path) == providers.MCP))
	default:
		r.Does, r.Why = h.actionOf(kind, plain)
	}
	return r
}

// reads takes a request that acts for somebody else for more than reading.
func (h *Head) reads(does []rule.Does, why string) ([]rule.Does, string) {
	if why != "" {
		return nil, why
	}
	for i := range does {
		h.sameAs(&does[i])
	}
	if providers.ActsForAnother(h.Header, h.Query, h.Connector.KeyHeaders) != "" {
		for i := range does {
			if does[i].Effect == operations.Read {
				does[i].Effect = operations.Write
			}
		}
	}
	return does, ""
}

// effected is a table that knows the effect of an operation by its name.
type effected interface {
	EffectOf(name string) operations.Effect
}

// sameAs finds what the connector's table has that does the same, whose effect counts
// where it is graver.
func (h *Head) sameAs(d *rule.Does) {
	if d.Also = h.Connector.SameAs(d.Name); d.Also == "" {
		return
	}
	if t, ok := h.Table.(effected); ok {
		d.Effect = max(d.Effect, t.EffectOf(d.Also))
	}
}

func one(name string, effect operations.Effect) []rule.Does {
	return []rule.Does{{Operation: operations.Operation{Name: name, Effect: effect}}}
}

func lowered(methods []string) bool {
	return slices.ContainsFunc(methods, func(m string) bool { return m != strings.ToUpper(m) })
}

// byPath is what method and path say: the table's operation, else what the connector
// takes for reading. Each of the methods counts that a service may take it for.
func (h *Head) byPath() []rule.Does {
	does := make([]rule.Does, 0, 1)
	for _, method := range h.Methods {
		does = append(does, h.byMethod(method))
	}
	return does
}

func (h *Head) byMethod(method string) rule.Does {
	does := rule.Does{Unsure: true}
	op, ok := h.find(method)
	if ok && op.Name == "" { // it may be one or another
		return does
	}
	if ok {
		does.Operation, does.Unsure = op, false
	} else if name, ok := rpcName(h.Header, h.Path); ok {
		does.Name = name
	}
	head := h.Does
	head.Methods = []string{method}
	reading := method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
	switch {
	case !does.Unsure && does.Effect != operations.Read:
		if does.Effect == operations.Unknown && method == http.MethodDelete {
			does.Effect = operations.Delete
		}
	case !does.Unsure && !reading && providers.ActsForAnother(h.Header, h.Query, h.Connector.KeyHeaders) == "":
		// a POST that the table says reads
	case h.Connector.Reads(head):
		does.Effect = operations.Read
	case method == http.MethodDelete:
		does.Effect = operations.Delete
	default:
		does.Effect = operations.Write
	}
	return does
}

// located is a table that tells hosts and queries apart, too, and knows operations by the
// names that headers and forms give them.
type located interface {
	At(host, method, path, query string) (operations.Operation, bool)
	Action(host, name string) (operations.Operation, bool)
}

// find looks the table up; HEAD is as GET where it is not an operation of its own.
func (h *Head) find(method string) (op operations.Operation, ok bool) {
	if at, tells := h.Table.(located); tells {
		op, ok = at.At(h.Host, method, h.Path, h.Query)
		if !ok && method == http.MethodHead {
			op, ok = at.At(h.Host, http.MethodGet, h.Path, h.Query)
		}
		return op, ok
	}
	if h.Table == nil || !h.OnBase {
		return op, false
	}
	op, ok = h.Table.Find(method, h.Path)
	if !ok && method == http.MethodHead {
		op, ok = h.Table.Find(http.MethodGet, h.Path)
	}
	return op, ok
}

// isStore reports S3, which knows no actions: a header or form that names one is not
// what it goes by.
func (h *Head) isStore() bool {
	at, ok := sigv4.ParseHost(h.Host)
	return ok && strings.HasPrefix(at.Service, "s3")
}

// rpcName is the method of gRPC or Connect: /package.Service/Method.
func rpcName(header http.Header, path string) (string, bool) {
	kind, _, _ := strings.Cut(strings.Join(header["Content-Type"], ","), ";")
	if !strings.HasPrefix(kind, "application/grpc") && !strings.HasPrefix(kind, "application/connect+") && kind != "application/proto" {
		return "", false
	}
	service, method, ok := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if !ok || method == "" || strings.ContainsAny(method, "/%") || !strings.Contains(service, ".") || strings.Contains(service, "%") {
		return "", false
	}
	return "grpc " + service + "/" + method, true
}

// action is a request whose head names the action, or whose form may.
func (h *Head) action(r rule.Request) (rule.Request, bool) {
	kind, _, _ := strings.Cut(strings.ToLower(strings.Join(h.Header["Content-Type"], ",")), ";")
	kind = strings.TrimSpace(kind)
	if h.Body && len(h.Methods) == 1 && h.Methods[0] == http.MethodPost && (strings.Contains(kind, "urlencoded") || strings.Contains(kind, "json") || kind == "") {
		return r, true
	}
	names, read := h.Connector.Actions(h.Does, h.Query)
	if len(names) == 0 {
		r.Does = h.byPath()
		return r, false
	}
	if len(names) > 1 || len(h.Methods) > 1 {
		r.Why = "it names its action more than once"
		return r, false
	}
	does := h.byMethod(h.Methods[0])
	if !does.Unsure {
		r.Does = []rule.Does{does}
		return r, false
	}
	if does.Effect == operations.Read && !read {
		does.Effect = operations.Write
	}
	h.named(&does, names[0], does.Effect == operations.Read)
	r.Does = []rule.Does{does}
	return r, false
}

// actionOf is a POST whose form, or header beside a body in JSON, names the action.
func (h *Head) actionOf(kind string, body []byte) ([]rule.Does, string) {
	form := h.Query
	isForm := kind == "application/x-www-form-urlencoded" || kind == ""
	if isForm {
		form += "&" + string(body)
	} else if inBody, _ := h.Connector.Actions(providers.Does{}, string(body)); len(inBody) > 0 {
		return nil, "its body holds what others may take for the name of another action"
	}
	names, read := h.Connector.Actions(h.Does, form)
	does := h.byMethod(http.MethodPost)
	switch {
	case !does.Unsure || len(names) == 0:
		return []rule.Does{does}, ""
	case len(names) > 1:
		return nil, "it names its action more than once"
	}
	does.Unsure = h.Path != "/"
	plain := h.Path == "/" && (isForm || h.Query == "" && whole(body)) && providers.ActsForAnother(h.Header, h.Query, h.Connector.KeyHeaders) == ""
	if read && plain {
		does.Effect = operations.Read
	}
	h.named(&does, names[0], plain)
	return []rule.Does{does}, ""
}

// named gives an operation the name and the effect of an action. May says that it may be
// reading.
func (h *Head) named(d *rule.Does, action string, may bool) {
	if t, ok := h.Table.(located); ok {
		if op, ok := t.Action(h.Host, action[strings.LastIndexByte(action, '.')+1:]); ok && op.Name != "" {
			if d.Operation = op; op.Effect == operations.Read && !may {
				d.Effect = operations.Write
			}
			return
		}
	}
	d.Name, d.Effect = h.actionName(action), deletes(action, d.Effect)
}

// actionName is the action as IAM writes it where the service is one of AWS.
func (h *Head) actionName(action string) string {
	if at, ok := sigv4.ParseHost(h.Host); ok {
		return at.Service + ":" + action[strings.LastIndexByte(action, '.')+1:]
	}
	return action
}

// deletions are how names of what deletes begin.
var deletions = []string{"delete", "remove", "destroy", "terminate", "purge", "drop"}

// deletes makes the effect of what is called after deleting stricter than writing.
func deletes(name string, effect operations.Effect) operations.Effect {
	name = strings.ToLower(name[strings.LastIndexAny(name, "./:")+1:])
	if effect == operations.Write && slices.ContainsFunc(deletions, func(d string) bool { return strings.HasPrefix(name, d) }) {
		return operations.Delete
	}
	return effect
}

// Glance is what a request's head says of what it does, where nothing is decided by it:
// by the table, else gRPC's name and whether the connector takes it for reading, which
// reads says. It costs no more than to look it up.
func Glance(h *Head, reads bool) operations.Operation {
	op, found := h.find(h.Methods[0])
	if !found {
		op.Name, _ = rpcName(h.Header, h.Path)
	}
	if op.Effect == operations.Unknown && h.Connector.Spoken(h.Host, h.Path) == providers.Plain {
		switch {
		case reads:
			op.Effect = operations.Read
		case !slices.ContainsFunc(h.Methods, func(m string) bool { return m != http.MethodDelete }):
			op.Effect = operations.Delete
		default:
			op.Effect = operations.Write
		}
	}
	return op
}
