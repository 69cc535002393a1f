package integration_test

import (
	"encoding/base64"
	"strings"
	"testing"
)

// Clients that heed no NO_PROXY open a tunnel to the proxy's own address: it ends at
// the doors there, with the agent of the tunnel.
func TestTunnelToOurselves(t *testing.T) {
	d := newDemo(t, withAgentToken)
	port := d.Addr[strings.LastIndex(d.Addr, ":"):]
	proxy := "http://worker:" + agentToken + "@" + d.Addr
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"base URL", []string{d.URL + "/demo/whoami"}, authenticated + "\n200 1.1"},
		{"base URL with a placeholder", []string{"-H", "Authorization: Bearer attache", d.URL + "/demo/whoami"}, authenticated + "\n200 1.1"},
		{"localhost", []string{"http://localhost" + port + "/demo/whoami"}, authenticated + "\n200 1.1"},
		{"host name", []string{"http://demo.localhost" + port + "/whoami"}, authenticated + "\n200 1.1"},
		{"the well-known address", []string{"-o", "/dev/null", d.URL + "/.well-known/attache"}, "200 1.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			checkCurl(t, d.curl(t, append([]string{"--proxytunnel", "-x", proxy, "--noproxy", ""}, c.args...)...), c.want)
		})
	}
	t.Run("another host inside", func(t *testing.T) {
		checkRefusal(t, d.attache, []string{"--proxytunnel", "-x", proxy, "--noproxy", "", "-H", "Host: demo.test", d.URL + "/demo/whoami"}, 421, "misdirected")
	})
	t.Run("without a token", func(t *testing.T) {
		r := d.curl(t, "--proxytunnel", "-x", d.URL, "--noproxy", "", d.URL+"/demo/whoami")
		if !strings.Contains(r.Stderr, "407") {
			t.Error(r)
		}
	})
}

// At the base-URL door SDKs send the agent's token as the service's key, in the form
// that the service has.
func TestAgentTokenInEveryForm(t *testing.T) {
	d := newDemo(t, withAgentToken)
	url := d.URL + "/demo/whoami"
	for _, args := range [][]string{
		{"-H", "Authorization: token " + agentToken, url},
		{"-H", "Authorization: Bot " + agentToken, url},
		{"-H", "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("me@example.com:"+agentToken)), url},
		{"-u", agentToken + ":", url},
		{"--aws-sigv4", "aws:amz:us-east-1:s3", "-u", agentToken + ":secret", url},
		{"-H", "X-Goog-Api-Key: " + agentToken, url},
		{"-H", "api-key: " + agentToken, url},
		{url + "?key=" + agentToken + "&a=1"},
		{url + "?a=1&api_key=" + agentToken},
	} {
		d.Service.forget()
		checkCurl(t, d.curl(t, args...), authenticated+"\n200 1.1")
		if got := d.Service.last(t); strings.Contains(got.String(), agentToken) {
			t.Errorf("the agent's token reached the service: %v", got)
		}
	}
	checkCurl(t, d.curl(t, "-o", "/dev/null", url+"?key=wrong"), "401 1.1")
}

// Anthropic's own SDKs add /v1 to the base URL and the AI SDK does not: both arrive.
func TestPathsWithoutTheirPrefix(t *testing.T) {
	integration(t)
	service := newPlainService(t, whoami(header("X-Api-Key", demoToken)))
	a := newAttache(t, setup{
		Attache: "connector anthropic {\n\tupstream " + service.URL + "\n\tuse api_key {\n\t\tapi_key {env.DEMO_TOKEN}\n\t}\n}\n" + agentLocal("anthropic"),
		Env:     []string{"DEMO_TOKEN=" + demoToken},
	})
	for path, want := range map[string]string{"/messages": "/v1/messages", "/v1/messages": "/v1/messages", "/messages/a%2Fb?c=%20": "/v1/messages/a%2Fb?c=%20", "/api/hello": "/api/hello"} {
		service.forget()
		a.curl(t, a.URL+"/anthropic"+path)
		if got := service.last(t).URI; got != want {
			t.Errorf("%s arrives as %s, want %s", path, got, want)
		}
	}
}
