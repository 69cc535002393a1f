package oauth

import (
	"fmt"
	"maps"
	"strings"
)

// Compile checks s and prepares it. Its errors say which key is wrong and what
// to write instead.
func Compile(s Spec) (*Config, error) {
	if s.GrantType == "" && s.RequestTokenURL != "" {
		s.GrantType = "oauth1"
	}
	s.GrantType = or(s.GrantType, "authorization_code")
	g, ok := grants[s.GrantType]
	if !ok {
		return nil, fmt.Errorf("grant_type %q is not one of %s", s.GrantType, words(grants))
	}
	if g.defaults != nil {
		g.defaults(&s)
	}
	s.sendResource()
	c := &Config{spec: s, grant: g, compiler: &compiler{allowHTTP: s.AllowHTTP, fields: map[string]bool{}}}
	err := c.checkWords()
	if err != nil {
		return nil, err
	}
	for _, key := range g.urls {
		if s.url(key) == "" {
			return nil, fmt.Errorf("%s is missing: grant_type %s needs it", key, s.GrantType)
		}
	}
	if err := c.compileSteps(); err != nil {
		return nil, err
	}
	if c.assertion, err = c.compiler.assertion(s.Assertion); err != nil {
		return nil, err
	}
	if c.certificate, err = c.compiler.certificate(s.ClientCertificate); err != nil {
		return nil, err
	}
	if g.compile != nil {
		if err := g.compile(c); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// sendResource adds resource to every request that has a place for it.
func (s *Spec) sendResource() {
	if s.Resource == "" {
		return
	}
	for _, params := range []*Params{&s.AuthorizeParams, &s.DeviceParams, &s.TokenParams, &s.RefreshParams} {
		if *params = maps.Clone(*params); *params == nil {
			*params = Params{}
		}
		if _, own := (*params)["resource"]; !own {
			(*params)["resource"] = s.Resource
		}
	}
}

// url returns the Spec's URL by its key.
func (s *Spec) url(key string) string {
	return map[string]string{
		"authorize_url": s.AuthorizeURL, "token_url": s.TokenURL, "refresh_url": s.RefreshURL,
		"device_url": s.DeviceURL, "revoke_url": s.RevokeURL, "request_token_url": s.RequestTokenURL,
	}[key]
}

func (c *Config) checkWords() error {
	s := &c.spec
	if s.HeaderAsPayload {
		if s.TokenAuth != "" && s.TokenAuth != "post" {
			return fmt.Errorf("header_as_payload means token_auth post, but token_auth is %q; leave one out", s.TokenAuth)
		}
		s.TokenAuth = "post"
	}
	switch s.PKCE {
	case "", "supported", "required", "off":
	default:
		return fmt.Errorf("pkce %q is not one of required, supported, off", s.PKCE)
	}
	switch s.PKCEEncoding {
	case "", "base64url", "hex":
	default:
		return fmt.Errorf("pkce_encoding %q is not one of base64url, hex", s.PKCEEncoding)
	}
	s.ScopeSeparator = or(s.ScopeSeparator, " ")
	for _, scope := range s.Scopes {
		if strings.ContainsAny(scope, "{}") {
			return fmt.Errorf("scopes are sent as they are, and %q has a template: write scope: … in authorize_params, device_params or token_params", scope)
		}
	}
	return nil
}
