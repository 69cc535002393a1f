package oauth

import (
	"fmt"
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
	s.SendResource()
	c := &Config{spec: s, grant: g, compiler: &compiler{allowHTTP: s.AllowHTTP, fields: map[string]bool{}}}
	err := c.checkWords()
	if err != nil {
		return nil, err
	}
	for _, key := range g.urls {
		if s.URL(key) == "" {
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

func (c *Config) checkWords() error {
	s := &c.spec
	if s.HeaderAsPayload != nil {
		means := "post"
		if *s.HeaderAsPayload {
			means = "basic"
		}
		switch {
		case s.TokenAuth != "" && s.TokenAuth != means:
			return fmt.Errorf("header_as_payload %v means token_auth %s, but token_auth is %q; leave one out", *s.HeaderAsPayload, means, s.TokenAuth)
		case s.TokenAuth == "" && *s.HeaderAsPayload:
			s.TokenAuth = inHeader
		}
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

// compileSteps compiles every request that the Spec has a URL for.
func (c *Config) compileSteps() (err error) {
	s := &c.spec
	for _, one := range []struct {
		to   **step
		key  string
		want bool
		spec StepSpec
	}{
		{&c.token, "token", s.TokenURL != "", s.TokenStep()},
		{&c.refresh, "refresh", c.grant.refreshes && (s.TokenURL != "" || s.RefreshURL != "" || s.Refresh != nil), s.RefreshStep()},
		{&c.device, "device", s.DeviceURL != "", s.DeviceStep()},
		{&c.revoke, "revoke", s.RevokeURL != "" || s.Revoke != nil, s.RevokeStep()},
	} {
		if !one.want {
			continue
		}
		if *one.to, err = c.compiler.step(one.key, one.spec); err != nil {
			return err
		}
	}
	if s.AuthorizeURL != "" {
		if c.authorize, err = c.compiler.authorize(s); err != nil {
			return err
		}
	}
	if c.then, err = c.compileChain("then", s.Then); err != nil {
		return err
	}
	c.resolve, err = c.compileChain("resolve", s.Resolve)
	return err
}

// compileChain compiles a list of steps, in which no client proves itself
// unless a step says so.
func (c *Config) compileChain(key string, specs Steps) ([]*step, error) {
	var out []*step
	for i, s := range specs {
		if s.Get == "" {
			s.Auth = or(s.Auth, "off")
		}
		st, err := c.compiler.step(fmt.Sprintf("%s[%d]", key, i), s)
		if err != nil {
			return nil, err
		}
		out = append(out, st)
	}
	return out, nil
}
