package providers

import (
	"errors"
	"fmt"

	"github.com/attache-proxy/attache/providers/oauth"
)

// completeMCP fills in what holds for every MCP server (revision 2026-07-28 as before): a
// person approves, PKCE is a must, and tokens are for one server.
func completeMCP(s *oauth.Spec) error {
	switch {
	case s.Resource == "":
		return errors.New("type mcp needs resource: the URL of the MCP server")
	case s.AuthorizeURL == "" || s.TokenURL == "":
		return fmt.Errorf("type mcp needs authorize_url and token_url, which are found out from the server's URL: attache connectors mcp %s writes them down", s.Resource)
	case s.GrantType != "" && s.GrantType != "authorization_code":
		return fmt.Errorf("type mcp is always grant_type authorization_code, not %s", s.GrantType)
	case s.PKCE == "off":
		return errors.New("type mcp is always with PKCE; leave pkce out")
	}
	s.PKCE = "required"
	return nil
}
