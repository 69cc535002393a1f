package integration_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// The trial of docs/oauth.md: its connector and its client connect an account by
// pop-up and by device code, and an agent calls through it.
func TestTrialOfDocs(t *testing.T) {
	c := newConnecting(t)
	page := strings.ReplaceAll(readFile(t, "../docs/oauth.md"), "http://127.0.0.1:4400", c.idp.Issuer)
	cut := func(pattern string) string {
		t.Helper()
		m := regexp.MustCompile(pattern).FindStringSubmatch(page)
		if m == nil {
			t.Fatalf("docs/oauth.md has no %s", pattern)
		}
		return m[1]
	}
	definition, _ := json.Marshal(cut(`(?s)<<'END'\n(.*?)\nEND\n`))
	c.api("POST", "/connectors", `{"definition":`+string(definition)+`}`, 201)
	c.api("POST", "/apps", cut(`apps -d '(\{"connector": "trial".*?)'`), 201)

	connect := func(option string) (account string, begun map[string]any) {
		account = fmt.Sprint(c.api("POST", "/accounts", fmt.Sprintf(`{"connector":"trial","option":%q,"name":%q}`, option, option), 201)["id"])
		return account, c.api("POST", "/accounts/"+account+"/authorize", "", 200)
	}
	account, begun := connect("oauth")
	if res, text := c.through(newPerson(t, "ann"), fmt.Sprint(begun["authorization_url"])); res.StatusCode != 200 || !strings.Contains(text, "Trial is connected") {
		t.Errorf("the pop-up ends with %s\n%s", res.Status, clip(text))
	}
	if a := c.api("GET", "/accounts/"+account, "", 200); a["state"] != "active" {
		t.Errorf("by pop-up the account is %v", a["state"])
	}
	account, begun = connect("device")
	newPerson(t, "ann").approve(fmt.Sprint(begun["verification_uri_complete"]))
	waitFor(t, "the device code to be taken", func() bool { return c.api("GET", "/accounts/"+account, "", 200)["state"] == "active" })

	agent := c.api("POST", "/agents", `{"name":"reader"}`, 201)
	c.api("POST", fmt.Sprintf("/agents/%s/grants", agent["id"]), `{"account_id":"`+account+`","scopes":["read"]}`, 201)
	url := cut(`(?m)^curl -x http://research:att_…@127.0.0.1:8080 (\S+/api/whoami)`)
	r := client{}.run(t, "curl", "-sS", "-x", fmt.Sprintf("http://reader:%s@%s", agent["token"], c.Addr), url)
	if !strings.Contains(r.Stdout, `"sub":"ann"`) {
		t.Errorf("the agent's call: %v", r)
	}
}
