// Package head fits the head of a service's answer to the door by which the
// request came.
package head

import (
	"net/http"

	"github.com/attache-proxy/attache/resolver"
)

// Fit changes an answer's head for the agent. At the doors that name a connector,
// where all services share our own origin, links lead back here, cookies are of
// that connector's part of it, and pages run no scripts.
func Fit(res *http.Response, call *resolver.Call) {
	here := call.Door == resolver.DoorPath || call.Door == resolver.DoorHost
	if call.Connector != nil || here {
		narrowCookies(res, call, here)
	}
	if !here {
		return
	}
	for _, name := range []string{"Location", "Content-Location"} {
		for i, v := range res.Header[name] {
			res.Header[name][i] = linkHere(v, call)
		}
	}
	for i, v := range res.Header["Link"] {
		res.Header["Link"][i] = linksHere(v, call)
	}
	if call.Connector != nil && call.Connector.Sandbox {
		res.Header.Add("Content-Security-Policy", "sandbox") // beside the service's own: all of them hold
	}
}
