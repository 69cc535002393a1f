package spec

import (
	"cmp"
	"fmt"
)

// TokenStep is the token request as a step.
func (s *Spec) TokenStep() StepSpec {
	return StepSpec{
		URL: s.TokenURL, Method: s.TokenMethod, ContentType: s.ContentType, Auth: s.TokenAuth,
		Headers: s.TokenHeaders, Params: s.TokenParams, Rename: s.Rename, Drop: s.Drop, Response: s.Response,
	}
}

// RefreshStep is the token request with what the Spec says about refreshing.
func (s *Spec) RefreshStep() StepSpec {
	base := s.TokenStep()
	base.URL, base.Params = cmp.Or(s.RefreshURL, s.TokenURL), s.RefreshParams
	return base.with(s.Refresh)
}

// DeviceStep is the request for a device code. The client proves itself as at the
// token endpoint (RFC 8628 §3.1); vendors at which it only names itself say so by
// device: {auth: none}.
func (s *Spec) DeviceStep() StepSpec {
	base := s.TokenStep()
	base.URL, base.Params, base.Response = s.DeviceURL, s.DeviceParams, ResponseSpec{
		Format: s.Response.Format, Status: s.Response.Status,
		Error: s.Response.Error, ErrorDescription: s.Response.ErrorDescription, Errors: s.Response.Errors,
	}
	base.Rename, base.Drop = nil, nil
	return base.with(s.Device)
}

// RevokeStep is RFC 7009's request, or the connector's own. Nothing is read from
// its answer but the status, unless the connector declares more.
func (s *Spec) RevokeStep() StepSpec {
	base := s.TokenStep()
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
	s.URL, s.Method, s.ContentType, s.Auth = cmp.Or(o.URL, s.URL), cmp.Or(o.Method, s.Method), cmp.Or(o.ContentType, s.ContentType), cmp.Or(o.Auth, s.Auth)
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
