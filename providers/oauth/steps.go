package oauth

import (
	"fmt"
	"strings"
)

// tokenStep is the token request as a step.
func (s *Spec) tokenStep() StepSpec {
	return StepSpec{
		URL: s.TokenURL, Method: s.TokenMethod, ContentType: s.ContentType, Auth: s.TokenAuth,
		Headers: s.TokenHeaders, Params: s.TokenParams, Rename: s.Rename, Drop: s.Drop, Response: s.Response,
	}
}

// refreshStep is the token request with what the Spec says about refreshing.
func (s *Spec) refreshStep() StepSpec {
	base := s.tokenStep()
	base.URL, base.Params = or(s.RefreshURL, s.TokenURL), s.RefreshParams
	return base.with(s.Refresh)
}

// deviceStep is the request for a device code. The client proves itself as at the
// token endpoint (RFC 8628 §3.1); vendors at which it only names itself say so by
// device: {auth: none}.
func (s *Spec) deviceStep() StepSpec {
	base := s.tokenStep()
	base.URL, base.Params, base.Response = s.DeviceURL, s.DeviceParams, ResponseSpec{
		Format: s.Response.Format, Status: s.Response.Status,
		Error: s.Response.Error, ErrorDescription: s.Response.ErrorDescription, Errors: s.Response.Errors,
	}
	base.Rename, base.Drop = nil, nil
	return base.with(s.Device)
}

// revokeStep is RFC 7009's request, or the connector's own. Nothing is read from
// its answer but the status, unless the connector declares more.
func (s *Spec) revokeStep() StepSpec {
	base := s.tokenStep()
	base.URL, base.Method, base.Params = s.RevokeURL, "", nil
	base.Response = ResponseSpec{Format: "none", Status: []int{200, 201, 202, 204}}
	return base.with(s.Revoke)
}

// with returns s with everything that o gives.
func (s StepSpec) with(o *StepSpec) StepSpec {
	if o == nil {
		return s
	}
	if o.Get != "" {
		s.URL, s.Method, s.Get = "", "", o.Get
	}
	s.URL, s.Method, s.ContentType, s.Auth = or(o.URL, s.URL), or(o.Method, s.Method), or(o.ContentType, s.ContentType), or(o.Auth, s.Auth)
	if o.Headers != nil {
		s.Headers = o.Headers
	}
	if o.Params != nil {
		s.Params = o.Params
	}
	if o.Rename != nil {
		s.Rename = o.Rename
	}
	if o.Drop != nil {
		s.Drop = o.Drop
	}
	if !o.Response.isZero() {
		s.Response = o.Response
	}
	s.Body, s.Query, s.Replace, s.Pick = o.Body, o.Query, o.Replace, o.Pick
	return s
}

// isZero reports whether nothing is declared.
func (r *ResponseSpec) isZero() bool {
	return fmt.Sprint(*r) == fmt.Sprint(ResponseSpec{})
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
		{&c.token, "token", s.TokenURL != "", s.tokenStep()},
		{&c.refresh, "refresh", c.grant.refreshes && (s.TokenURL != "" || s.RefreshURL != "" || s.Refresh != nil), s.refreshStep()},
		{&c.device, "device", s.DeviceURL != "", s.deviceStep()},
		{&c.revoke, "revoke", s.RevokeURL != "" || s.Revoke != nil, s.revokeStep()},
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

// scopeParam is the scope as the connector writes it, and false without one.
func (r *run) scopeParam() (param, bool) {
	s := strings.Join(r.scopes(), r.c.spec.ScopeSeparator)
	return param{"scope", s}, s != ""
}
