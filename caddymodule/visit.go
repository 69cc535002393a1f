package caddymodule

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/attache-proxy/attache/caddymodule/http1"
	"github.com/attache-proxy/attache/providers/printable"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver"
)

// visit is one request on its way through the middleware.
type visit struct {
	h *Handler
	w http.ResponseWriter
	r *http.Request

	began      time.Time
	status     int         // what we answered ourselves, where it is audited
	last       bool        // framed in two ways: then the connection ends with the answer
	returned   bool        // the rest of the route came back, and did not panic
	connection *connection // where Caddy's server was left out

	agent     *resolver.Agent
	presented bool         // something that could have been a token
	token     secret.Value // the one by which the agent was identified
	opener    *tunnelAgent // who opened the tunnel to ourselves in which this came
	call      *resolver.Call
	ask       resolver.Ask
	// door is empty until it is known.
	door resolver.Door
	// connector is the key that a direct door named; prefix is the path segment
	// that was cut off, as it came.
	connector, prefix string
	// url is the request's as the rest of the route will see it. The request has its
	// own until then: what is refused is logged as it came.
	url url.URL
	// below are names of the service's own that stood before the connector in the host.
	below string
}

// method is what was asked for.
func (v *visit) method() string {
	if v.ask.Method != "" {
		return v.ask.Method
	}
	return v.r.Method
}

// clearOrigin leaves of the URL what the service may see.
func (v *visit) clearOrigin() {
	u := &v.url
	u.Scheme, u.Host, u.User, u.Opaque = "", "", nil, ""
	if u.Path == "" {
		u.Path = "/"
	}
}

// setPath replaces the path, escapes as they came.
func (v *visit) setPath(escaped string) error {
	path, err := url.PathUnescape(escaped)
	if err != nil {
		return badRequest("the path is not percent-encoded correctly")
	}
	u := &v.url
	u.Path, u.RawPath = path, ""
	if u.EscapedPath() != escaped {
		u.RawPath = escaped
	}
	return nil
}

// route makes the request what the rest of the route is to see of it.
func (v *visit) route() { v.r.URL, v.r.RequestURI = &v.url, v.url.RequestURI() }

// choice is what the request says about which account it means.
func (v *visit) choice(address, user string) resolver.Choice {
	return resolver.Choice{Header: v.r.Header.Get("Attache-Account"), Address: address, User: user}
}

// decide asks the resolver.
func (v *visit) decide(target resolver.Target, choice resolver.Choice) error {
	v.r = http1.WithoutH2C(v.r)
	v.ask = resolver.AskOf(v.r, &v.url)
	v.ask.Agent, v.ask.Target, v.ask.Connector, v.ask.Account = v.agent, target, v.connector, choice.Account()
	v.ask.Below, v.ask.Token = v.below, v.token
	call, err := v.h.app.resolver.Decide(v.r.Context(), v.ask)
	v.call, v.ask.Method = call, call.Method
	if err != nil {
		return err
	}
	call.Door, call.Prefix, call.Token = v.door, v.prefix, v.token
	if call.Connector == nil && v.h.Unmatched == "deny" {
		if call.Signed != nil {
			return othersURL(v.agent, call)
		}
		return noConnector(v.agent, target.Host)
	}
	return v.maxForwards()
}

// othersURL refuses a URL that was signed with somebody else's key, where only
// requests of connectors may pass.
func othersURL(agent *resolver.Agent, call *resolver.Call) error {
	return &resolver.Refusal{Code: "no_connector", Detail: "the URL is signed with a key that is none of agent " + agent.Name + "'s accounts of connector " + call.Signed.Key + ", and this proxy lets it call nothing but its accounts",
		Next: "Do not repeat this request. To use an account, send the request without a signature."}
}

func noConnector(agent *resolver.Agent, host string) error {
	return &resolver.Refusal{Code: "no_connector", Detail: "no connector has the host " + host + ", and this proxy lets agent " + agent.Name + " call no others",
		Next: "Do not repeat this request. Ask the operator for a connector for that host."}
}

func badRequest(detail string) error {
	return &resolver.Refusal{Code: "bad_request", Detail: detail, Next: "Correct the request as the detail says."}
}

// maxForwards counts a request down that may pass only so many proxies (RFC 9110
// §7.6.2); it is for OPTIONS, since TRACE is not passed on at all. At zero we are
// the last, and answer.
func (v *visit) maxForwards() error {
	text := v.r.Header.Get("Max-Forwards")
	if v.r.Method != http.MethodOptions || text == "" {
		return nil
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return nil
	}
	if n > 0 {
		counted := *v.r
		counted.Header = v.r.Header.Clone()
		counted.Header.Set("Max-Forwards", strconv.FormatUint(n-1, 10))
		v.r = &counted
		return nil
	}
	v.w.Header().Set("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, CONNECT")
	v.w.WriteHeader(http.StatusNoContent)
	return errServed
}

func (v *visit) json(status int, body any) error {
	v.w.Header().Set("Content-Type", "application/json")
	v.w.Header().Set("Cache-Control", "no-store")
	v.w.WriteHeader(status)
	text, _ := json.Marshal(body)
	_, _ = v.w.Write(append(printable.JSON(text), '\n'))
	return errServed
}

// pass hands an understood request on.
func (v *visit) pass(next caddyhttp.Handler) error {
	v.route()
	var lower []string
	if v.call.Connector != nil {
		lower = v.call.Connector.MetaPrefixes
	}
	w := http1.Writer(v.w, v.r, v.last, lower)
	if to, ok := next.(*afterShortcut); ok {
		err := to.send(w, v.r, v.call)
		if err == nil {
			v.connection.over(v.w)
		}
		return err
	}
	caddyhttp.SetVar(v.r.Context(), callKey, v.call)
	return next.ServeHTTP(w, v.r)
}
