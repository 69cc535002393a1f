package providers

import (
	"maps"
	"slices"
)

// Over returns d with everything that it does not give from base.
func (d *Definition) Over(base *Definition) *Definition {
	out := d.extend(base)
	out.Extends = base.Extends
	return out
}

// extend fills what d does not give from its base. Maps are merged, lists and
// options replaced as a whole.
func (d *Definition) extend(base *Definition) *Definition {
	out := *d
	out.Extends = ""
	if out.Title == "" {
		out.Title = base.Title
	}
	if out.Description == "" {
		out.Description = base.Description
	}
	if out.Environments == nil && out.Hosts == nil && out.BaseURL == "" {
		out.Environments = base.Environments
	}
	if out.Ends == nil && out.Auth == nil && out.Hosts == nil {
		out.Ends = base.Ends
	}
	if out.Checked.IsZero() {
		out.Checked = base.Checked
	}
	if out.Category == "" {
		out.Category = base.Category
	}
	if out.Docs == "" {
		out.Docs = base.Docs
	}
	if out.Hosts == nil {
		out.Hosts = base.Hosts
	}
	if out.BaseURL == "" {
		out.BaseURL = base.BaseURL
	}
	if out.Auth == nil {
		out.Auth = base.Auth
	}
	if out.Test == nil {
		out.Test = base.Test
	}
	if out.Identity == (IdentityDef{}) {
		out.Identity = base.Identity
	}
	if out.Access.Read == nil && !out.Access.OnlyListed {
		out.Access = base.Access
	}
	if out.Speaks.isZero() {
		out.Speaks = base.Speaks
	}
	if out.Usage.IsZero() {
		out.Usage = base.Usage
	}
	if out.Inject.Placeholder == nil {
		out.Inject = base.Inject
	}
	if out.Keep == nil {
		out.Keep = base.Keep
	}
	if out.Cookies == "" {
		out.Cookies = base.Cookies
	}
	if out.Sandbox == nil {
		out.Sandbox = base.Sandbox
	}
	if out.Operations == "" {
		out.Operations, out.described = base.Operations, base.described
	}
	out.tables = append(slices.Clone(d.tables), base.tables...)
	out.URLSignatures = out.URLSignatures || base.URLSignatures
	if out.Scrub == nil {
		out.Scrub = base.Scrub
	}
	out.Headers = merged(base.Headers, d.Headers)
	out.Prefixes = merged(base.Prefixes, d.Prefixes)
	out.Env = merged(base.Env, d.Env)
	return &out
}

// merged returns base overlaid with own.
func merged[V any](base, own map[string]V) map[string]V {
	if base == nil {
		return own
	}
	out := maps.Clone(base)
	maps.Copy(out, own)
	return out
}
