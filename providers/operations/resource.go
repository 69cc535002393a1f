package operations

import "strings"

// tenants are parameters that say whose everything is; where others follow, these name
// what it is done to.
var tenants = words(`accountsid account_sid accountid account_id version apiversion api_version subscriptionid tenantid
	tenant_id tenantid customerid customer_id workspaceid workspace_id userid user_id organizationid organization_id
	org_id orgid cloudid cloud_id`)

// ResourceOf says which segments of a template name what is done to: the first run of
// parameters, past those that say whose everything is where others follow.
func ResourceOf(template string) (from, to int) {
	path, _, _ := strings.Cut(template, "?")
	segs := strings.Split(strings.TrimPrefix(path, "/"), "/")
	variable := func(i int) bool { return i < len(segs) && strings.Contains(segs[i], "{") }
	first := -1
	for i := range segs {
		if !variable(i) {
			continue
		}
		if first < 0 {
			first = i
		}
		if among(tenants, strings.ToLower(strings.Trim(segs[i], "{}+"))) {
			continue
		}
		first = i
		break
	}
	if first < 0 {
		return 0, 0
	}
	to = first + 1
	for variable(to) {
		to++
	}
	return first, to
}
