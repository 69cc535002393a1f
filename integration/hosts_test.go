package integration_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// whoAsks is a Gitea that says whose token came.
func whoAsks(w http.ResponseWriter, r *http.Request) {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "token ")
	if token == "" || r.URL.Path != "/api/v1/user" {
		w.WriteHeader(http.StatusUnauthorized)
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"id":1,"login":"owner-of-%s","email":"x@example.com","via":%q}`, strings.TrimPrefix(token, "token-"), r.Host)
}

// An account's host with a port, as a name, an IPv4 and an IPv6 address, matches
// at every door, for the agents of its organisation and for no others.
func TestHostsOfAccounts(t *testing.T) {
	integration(t)
	ca := newAuthority(t, "hosts")
	v := newVaulted(t, func(s *setup) {
		s.Listener = "unmatched tunnel"
		s.Trust = append(s.Trust, ca)
		s.Attache += "\n\t\tallow_address ::1"
	})
	make := func(org, name, host string) {
		t.Helper()
		account := v.call(t, http.StatusCreated, "POST", "/accounts", map[string]any{"connector": "gitea", "organisation": org, "name": name,
			"credentials": map[string]string{"host": host, "api_key": "token-" + name}})
		if account["state"] != "active" {
			t.Fatalf("the account at %s is %v", host, account)
		}
	}
	agent := func(org, name string) string {
		t.Helper()
		m := v.call(t, http.StatusCreated, "POST", "/agents", map[string]any{"name": name, "organisation": org})
		list := v.call(t, http.StatusOK, "GET", "/accounts?connector=gitea&organisation="+org, nil)
		for _, item := range list["items"].([]any) {
			v.call(t, http.StatusCreated, "POST", "/agents/"+m["id"].(string)+"/grants", map[string]any{"account_id": item.(map[string]any)["id"], "scopes": []string{"read"}})
		}
		return m["token"].(string)
	}
	hosts := map[string]string{}
	for name, address := range map[string]string{"four": "127.0.0.1:0", "six": "[::1]:0"} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Logf("no %s here: %v", address, err)
			continue
		}
		serveOn(t, l, http.HandlerFunc(whoAsks), ca, "127.0.0.1", "::1", "localhost")
		hosts[name] = l.Addr().String()
		make("default", name, l.Addr().String())
	}
	make("theirs", "stranger", hosts["four"])
	ours, theirs, nobodys := agent("default", "ours"), agent("theirs", "theirs"), agent("empty", "nobodys")

	get := func(token, proxy, at string, trust ...*authority) (string, error) {
		tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool(t, v.CA)}}
		if len(trust) > 0 {
			tr.TLSClientConfig.RootCAs = pool(t, trust[0].File(t))
		}
		if proxy != "" {
			u, _ := url.Parse("http://agent:" + token + "@" + v.Addr)
			u.User = url.UserPassword(proxy, token)
			tr.Proxy = http.ProxyURL(u)
		}
		defer tr.CloseIdleConnections()
		req, err := http.NewRequest("GET", at, nil)
		if err != nil {
			t.Fatal(err)
		}
		if proxy == "" {
			req.Header.Set("Authorization", "Bearer "+token)
			if strings.Contains(at, "gitea.localhost") {
				tr.DialContext = nil
				req.Host, req.URL.Host = req.URL.Host, v.Addr
			}
		}
		res, err := (&http.Client{Transport: tr, Timeout: 10 * time.Second}).Do(req)
		if err != nil {
			return "", err
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return fmt.Sprintf("%d %s", res.StatusCode, b), nil
	}
	port := v.Addr[strings.LastIndexByte(v.Addr, ':'):]
	for name, host := range hosts {
		for door, got := range map[string]func() (string, error){
			"tunnel":  func() (string, error) { return get(ours, "ours", "https://"+host+"/api/v1/user") },
			"forward": func() (string, error) { return get(ours, "ours", "http://"+host+"/api/v1/user") },
			"path":    func() (string, error) { return get(ours, "", v.URL+"/gitea:"+name+"/api/v1/user") },
			"host":    func() (string, error) { return get(ours, "", "http://"+name+".gitea.localhost"+port+"/api/v1/user") },
		} {
			if text, err := got(); err != nil || !strings.Contains(text, `200 {"id":1,"login":"owner-of-`+name+`"`) || !strings.Contains(text, `"via":"`+host+`"`) {
				t.Errorf("%s at the %s door = %s, %v, want the account %s at %s", name, door, text, err, name, host)
			}
		}
	}
	// Another organisation with an account at the same host uses its own; one with
	// none is not intercepted.
	if text, err := get(theirs, "theirs", "https://"+hosts["four"]+"/api/v1/user"); err != nil || !strings.Contains(text, "owner-of-stranger") {
		t.Errorf("the agent of the other organisation gets %s, %v, want its own account's", text, err)
	}
	if text, err := get(nobodys, "nobodys", "https://"+hosts["four"]+"/api/v1/user", ca); err != nil || !strings.HasPrefix(text, "401 ") {
		t.Errorf("the agent of an organisation that has nothing there gets %s, %v, want the service's own certificate and 401", text, err)
	}
	if text, err := get(nobodys, "", v.URL+"/gitea/api/v1/user"); err != nil || !strings.Contains(text, "unknown_connector") {
		t.Errorf("and at the base URL %s, %v, want unknown_connector", text, err)
	}
}
