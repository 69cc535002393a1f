package intercept

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/attache-proxy/attache/resolver"
)

// ParseTarget returns where a CONNECT request leads (RFC 9110 §9.3.6), in the
// form of Tunnel.Host and Tunnel.Port. The host is normalised by the same code
// as everywhere else, since a second opinion on what a host is would be a way
// round the policy.
//
// Its errors are meant for the client; they hold nothing that could be secret.
func ParseTarget(r *http.Request) (host, port string, err error) {
	if FromContext(r.Context()) != nil {
		return "", "", errors.New("CONNECT inside a tunnel is not served; open a tunnel of its own for each host")
	}
	// A body would be sent through the tunnel by us and be skipped by others:
	// the two would disagree where the tunnel's first byte is.
	if r.ContentLength > 0 || r.ProtoMajor == 1 && (r.ContentLength != 0 || len(r.TransferEncoding) > 0) {
		return "", "", errors.New("CONNECT has no content; send it without Content-Length and Transfer-Encoding")
	}
	u := r.URL
	if u.User != nil {
		return "", "", errors.New("CONNECT takes no user information (user:password@); send the agent's credentials as Proxy-Authorization")
	}
	if u.Scheme != "" || u.Path != "" || u.Opaque != "" || u.RawQuery != "" || u.ForceQuery {
		return "", "", errors.New("CONNECT takes host:port alone, for example api.example.com:443; leave out the scheme, the path and the query")
	}
	t, err := resolver.ParseTarget(r.Host, "")
	if err != nil {
		return "", "", fmt.Errorf("CONNECT target: %w; write host:port, for example api.example.com:443", err)
	}
	return t.Host, t.Port, nil
}
