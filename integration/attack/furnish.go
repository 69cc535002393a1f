package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// furnish sets up what lives in the vault: two organisations with operators,
// accounts and agents, and OAuth clients that serve both.
func (s *stage) furnish() error {
	for who, args := range map[string][]string{
		"root": {"--role", "admin"}, "north": {"--role", "operator", "--organisation", "north"}, "south": {"--role", "operator", "--organisation", "south"},
		"viewer": {"--role", "viewer", "--organisation", "south"},
	} {
		out, exit := s.command(nil, append([]string{"admin", "token", "create", "--config", s.config(), "--name", who}, args...)...)
		if exit != 0 {
			return fmt.Errorf("making the token of %s: %s", who, out)
		}
		lines := strings.Fields(out)
		s.vars[who+".token"] = lines[len(lines)-1]
	}
	made := func(name, as, path, body string) error {
		out, err := s.api(as, "POST", path, body, 201)
		if err != nil {
			return err
		}
		s.vars[name] = fmt.Sprint(out["id"])
		if t, ok := out["token"].(string); ok {
			s.vars[name+".token"] = t
		}
		return nil
	}
	for _, org := range []string{"north", "south"} {
		for _, m := range [][3]string{
			{org + ".account", "/accounts", fmt.Sprintf(`{"connector":"shop","option":"key","name":"main","credentials":{"shop":%q,"key":%q}}`, org, secret(org))},
			{org + "-agent", "/agents", `{"name":"` + org + `-agent"}`},
		} {
			if err := made(m[0], org, m[1], m[2]); err != nil {
				return err
			}
		}
		if err := made(org+".grant", org, "/agents/"+s.vars[org+"-agent"]+"/grants", `{"account_id":"`+s.vars[org+".account"]+`","scopes":["read","write"]}`); err != nil {
			return err
		}
	}
	for _, m := range [][4]string{
		{"north.app", "north", "/apps", fmt.Sprintf(`{"connector":"hosted","mode":"own","client_id":"north","hosts":["vendor.test"],"secrets":{"client_secret":%q}}`, secret("managed"))},
		{"managed.app", "root", "/apps", fmt.Sprintf(`{"connector":"hosted","mode":"managed","client_id":"all","hosts":["vendor.test"],"secrets":{"client_secret":%q}}`, secret("managed"))},
		{"lent.app", "root", "/apps", fmt.Sprintf(`{"connector":"lent","mode":"managed","client_id":"all","hosts":["vendor.test"],"secrets":{"client_secret":%q}}`, secret("managed"))},
		{"looker.app", "root", "/apps", fmt.Sprintf(`{"connector":"looker","mode":"managed","client_id":"all","hosts":["vendor.test"],"secrets":{"client_secret":%q}}`, secret("managed"))},
		{"mastodon.app", "root", "/apps", fmt.Sprintf(`{"connector":"mastodon","mode":"managed","client_id":"all","hosts":["vendor.test"],"secrets":{"client_secret":%q}}`, secret("managed"))},
		{"pages.app", "root", "/apps", fmt.Sprintf(`{"connector":"pages","mode":"managed","client_id":"all","secrets":{"client_secret":%q}}`, secret("client"))},
		{"ruled.account", "root", "/accounts", fmt.Sprintf(`{"connector":"shop","option":"key","name":"ruled","credentials":{"shop":"ruled","key":%q}}`, secret("ruled"))},
		{"ruled", "root", "/agents", `{"name":"ruled"}`},
	} {
		if err := made(m[0], m[1], m[2], m[3]); err != nil {
			return err
		}
	}
	// ruled may do two things alone.
	rules := `[{"methods":["GET"],"path":"/repos/*/issues"},{"methods":["POST"],"path":"/allowed/**","hosts":["ruled.shop.test"]}]`
	if err := made("ruled.grant", "root", "/agents/"+s.vars["ruled"]+"/grants", `{"account_id":"`+s.vars["ruled.account"]+`","scopes":["read","write"],"rules":`+rules+`}`); err != nil {
		return err
	}
	for name, value := range map[string]string{"thief": s.Thief, "trap": s.Trap, "listen": s.Listen, "open": s.Open, "admin": s.Admin, "dir": s.Dir,
		"modern": strings.TrimPrefix(s.Modern, "https://"), "raw": strings.TrimPrefix(s.Raw, "http://"), "weak": weak,
		"thief-port": s.Thief[strings.LastIndex(s.Thief, ":")+1:], "today": time.Now().UTC().Format("20060102"),
		"long": strings.Repeat("long", 256<<10), "long64": strings.Repeat("long", 16<<10), "long16": strings.Repeat("a", 16<<10-100), "long17": strings.Repeat("a", 17_000), "long28": strings.Repeat("a", 28_000), "many": strings.Repeat("a=1&", 10_000)} {
		s.vars[name] = value
	}
	for _, c := range append(secrets, marks...) {
		s.vars["secret."+strings.ReplaceAll(c.name, " ", "-")] = c.value
	}
	for name, token := range agentTokens {
		s.vars[name+".token"] = token
		if err := os.WriteFile(s.Dir+"/"+name+".token", []byte(token), 0o600); err != nil {
			return err
		}
	}
	s.before = s.resident("VmRSS:")
	return nil
}
