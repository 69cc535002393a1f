package providers_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/headers"
)

// does reads "METHOD /path?query", with headers behind it.
func does(c *providers.Connector, line string) providers.Does {
	line, rest, _ := strings.Cut(line, "\n")
	method, target, _ := strings.Cut(line, " ")
	path, query, _ := strings.Cut(target, "?")
	d := providers.Does{Path: path, Query: query, Header: http.Header{}}
	for h := range strings.Lines(rest) {
		name, value, _ := strings.Cut(strings.TrimSpace(h), ": ")
		d.Header[name] = append(d.Header[name], value)
	}
	d.Upgrade, d.Body = len(d.Header["Upgrade"]) > 0, len(d.Header["Body"]) > 0
	d.Methods = c.Methods(method, query, d.Header)
	return d
}

const accessYAML = `access:
  read: ["POST /search", "GET /live/**", "PUT /q?mode=read*"]
  write: ["GET /send/**", "* /v1/*/exec", "GET /s3/**?session"]
  query: {Action: ["Describe*", "Get*", "!GetKey*"]}
  header: {X-TC-Action: ["Describe*"]}
  method_query: [method]
`

func TestReadsAndWrites(t *testing.T) {
	c := compile(t, withHosts("a", "a.example")+accessYAML)
	for line, want := range map[string]bool{
		"GET /": true, "HEAD /x": true, "POST /search": true, "POST /other": false, "get /": false, "BREW /": false,
		// the list of what is not
		"GET /send": false, "HEAD /send/x": false, "GET /%73end/x": false, "GET /SEND/x": false, "GET /send%2Fx": false, "GET /v1/x/exec": false, "GET /v1/x/exec/": false, "GET /v1/x/%65xec": false,
		"GET /v1/x/%2565xec": false, "GET /v1/x/ex%C0%A5c": false, "GET /a//v1/x/exec": false, "GET /v1/x/exec;y": false, "GET /v1/x/%EF%BD%85xec": false, "GET /v1/x/executed": true,
		"GET /s3/b?session": false, "GET /s3/b?SESSION=": false, "GET /s3/b?%73ession": false, "GET /s3/b?sessions": true,
		// by a parameter
		"GET /?Action=DescribeX": true, "GET /?Action=TerminateX": false, "GET /?action=TerminateX": false, "GET /?%41ction=TerminateX": false, "GET /?Action=DescribeX&Action=TerminateX": false,
		"GET /?a=1;Action=TerminateX": false, "GET /?Action=": false, "GET /?Action": false, "GET /?Action=GetKeyPair": false, "GET /?Action=getthings": true, "GET /?Action[]=TerminateX": false,
		"OPTIONS /?Action=TerminateX": false, "GET /?Action=%20DescribeX": true, "GET /?Action=DescribeX\nBody: 1": false, "PUT /q?mode=reading": true, "PUT /q?mode=reading\nBody: 1": false, "POST /search\nBody: 1": true,
		"GET /?Action=DescribeX%00": false, "GET /?Action=DescribeX,RunX": false, "GET /\nX-Tc-Action: DescribeX, RunX": false, "GET /\nX-Tunnel-Method: PUT": false,
		// by a header
		"GET /\nX-Tc-Action: DescribeX": true, "GET /\nX-Tc-Action: RunX": false, "GET /\nX_TC_Action: RunX": false, "GET /\nX-Tc-Action: DescribeX\nX-TC-Action: RunX": false,
		// lists with parameters
		"PUT /q?mode=readonly": true, "PUT /q?mode=write": false, "PUT /q": false, "PUT /q?mode=readonly&mode=write": false,
		// upgrades
		"GET /\nUpgrade: websocket": false, "GET /live/a\nUpgrade: websocket": true, "POST /search\nUpgrade: x": true, "OPTIONS /\nUpgrade: TLS/1.0": false, "GET /live/../x\nUpgrade: websocket": false,
		// other methods by headers
		"GET /\nX-Http-Method-Override: DELETE": false, "GET /\nX-HTTP-METHOD-OVERRIDE: delete": false, "GET /\nX_HTTP_Method_Override: DELETE": false, "GET /\nX.Http.Method.Override: DELETE": false,
		"GET /\nX-Http-Method: DELETE": false, "GET /\nX-Method-Override: PUT": false, "GET /\nX-Method: PUT": false, "GET /\nX-Original-Method: PUT": false, "GET /\nHttp-Method-Override: PUT": false,
		"GET /\nX-Http-Method-Override: GET\nX-Http-Method: DELETE": false, "GET /\nX-Http-Method-Override: HEAD": true, "POST /search\nX-Http-Method-Override: DELETE": false, "POST /other\nX-Http-Method-Override: GET": false,
		"GET /\nX-Http-Method-Override: GET, DELETE": false, "GET /\nX-Http-Method-Override: ": true,
		// and by parameters
		"GET /?_method=delete": false, "GET /?%5Fmethod=delete": false, "GET /?_METHOD=DELETE": false, "GET /?a=1;_method=DELETE": false, "GET /?.method=PUT": false, "GET /?+_method=PUT": false, "GET /?_method%00x=PUT": false,
		"GET /?_HttpMethod=PATCH": false, "GET /?x-http-method-override=PATCH": false, "GET /?X-HTTP-Method-Override=PATCH": false, "GET /?$httpMethod=POST": false, "GET /?method=post": false, "GET /?method=flickr.photos.search": true,
		"GET /?_method=get": true, "GET /?methods=POST": true, "GET /?http_method_override=PUT": false,
	} {
		if got := c.Reads(does(c, line)); got != want {
			t.Errorf("Reads(%q) = %v, want %v", line, got, want)
		}
	}
	only := compile(t, withHosts("a", "a.example")+"access: {only_listed: true, read: ['GET /method/*.get*', '* /any']}\n")
	for line, want := range map[string]bool{
		"GET /method/wall.get": true, "HEAD /method/wall.getById": true, "GET /method/wall.post": false, "GET /": false, "OPTIONS /": true, "DELETE /any": true, "GET /method/wall.post%2F.get": false, "GET /method/wall.post;.get": false,
	} {
		if got := only.Reads(does(only, line)); got != want {
			t.Errorf("only listed: Reads(%q) = %v, want %v", line, got, want)
		}
	}
	for _, bad := range []string{"read: ['GET /x?=1']", "read: ['GET x']", "write: [x]", "write: ['GET /a;b']", "query: [Action]"} {
		d, err := providers.Parse("a.yaml", []byte(withHosts("a", "a.example")+"access: {"+bad+"}\n"))
		if err == nil {
			_, err = providers.Compile(d)
		}
		if err == nil {
			t.Errorf("access %s compiles", bad)
		}
	}
}

// Services that write by GET, as the catalogue describes them.
func TestCatalogueReads(t *testing.T) {
	for key, lines := range map[string]map[string]bool{
		"aws": {"GET /?Action=DescribeInstances": true, "GET /?Action=GetCallerIdentity": true, "GET /?Action=TerminateInstances&InstanceId.1=i": false, "GET /queue?Action=DeleteMessage": false, "GET /?Action=GetSessionToken": false,
			"GET /?Action=AssumeRole": false, "GET /?Action=GetFederationToken": false, "GET /?Action=GetClusterCredentials": false, "GET /bucket/key": true, "GET /bucket?acl": true, "GET /bucket?session": false, "POST /?Action=DescribeX": false},
		"aws-s3":        {"GET /b/k": true, "GET /b?session": false, "HEAD /b/k": true, "GET /?x-id=ListBuckets": true},
		"alibaba-cloud": {"GET /?Action=DescribeInstances": true, "GET /?Action=DeleteInstance": false, "GET /\nX-Acs-Action: DeleteInstance": false, "GET /\nX-Acs-Action: DescribeRegions": true, "GET /object": true},
		"tencent-cloud": {"GET /\nX-Tc-Action: DescribeInstances": true, "GET /\nX-Tc-Action: TerminateInstances": false, "GET /?Action=TerminateInstances": false, "GET /?Action=GetFederationToken": false},
		"cloudstack":    {"GET /client/api?command=listVirtualMachines": true, "GET /client/api?command=destroyVirtualMachine": false, "GET /client/api?COMMAND=destroyVirtualMachine": false},
		"kubernetes": {"GET /api/v1/pods": true, "GET /api/v1/namespaces/n/pods/p/log": true, "GET /api/v1/namespaces/n/pods/p/exec?command=sh": false, "GET /api/v1/namespaces/n/pods/p/attach": false, "GET /api/v1/namespaces/n/pods/p/%65xec": false,
			"GET /api/v1/namespaces/n/pods/p/portforward": false, "GET /api/v1/namespaces/n/services/s/proxy/x": false, "GET /api/v1/nodes/n/proxy/run/a/b": false, "GET /api/v1/namespaces/n/pods/p/proxy": false, "GET /api/v1/watch/pods": true,
			"POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews": true, "POST /api/v1/namespaces": false},
		"vk":            {"GET /method/users.get": true, "GET /method/wall.post": false, "GET /method/messages.send": false, "POST /method/wall.get": true, "GET /method/execute": false, "GET /method/account.getInfo": true},
		"bitrix24":      {"GET /rest/1/code/crm.deal.list.json": true, "GET /rest/1/code/crm.deal.delete": false, "GET /rest/1/code/batch": false, "GET /rest/1/code/profile": true},
		"ntfy":          {"GET /topic/json": true, "GET /topic/publish?message=x": false, "GET /topic/send": false, "GET /topic/trigger": false},
		"sms-ru":        {"GET /sms/send?to=1": false, "GET /my/balance": true, "POST /sms/send": false},
		"smsc-ru":       {"GET /sys/send.php": false, "GET /sys/balance.php": true},
		"odnoklassniki": {"GET /fb.do?method=users.getCurrentUser": true, "GET /fb.do?method=mediatopic.post": false, "GET /api/mediatopic/post": false},
		"flickr":        {"GET /services/rest?method=flickr.people.getInfo": true, "GET /services/rest?method=flickr.photos.delete": false},
		"lastfm":        {"GET /2.0/?method=user.getInfo": true, "GET /2.0/?method=track.love": false, "GET /2.0/?method=auth.getSession": false},
		"taobao-top":    {"GET /router/rest?method=taobao.time.get": true, "GET /router/rest?method=taobao.item.delete": false},
		"alipay":        {"GET /gateway.do?method=alipay.trade.query": true, "GET /gateway.do?method=alipay.trade.refund": false},
		"jenkins":       {"GET /job/x/api/json": true, "GET /job/x/build?token=t": false, "GET /job/a/job/b/buildWithParameters": false, "GET /restart": false},
		"vonage":        {"GET /sms/json?to=1": false, "GET /verify/json": false, "GET /account/get-balance": true, "GET /v1/applications": true},
		"zadarma":       {"GET /v1/info/balance/": true, "GET /v1/request/callback/?from=1": false},
		"unisender":     {"GET /ru/api/getLists": true, "GET /ru/api/sendSms": false},
		"facebook":      {"GET /v20.0/1?method=delete": false, "GET /v20.0/me": true},
	} {
		cs, err := providers.CompileAll(providers.BuiltIn(), []string{key})
		if err != nil {
			t.Fatal(err)
		}
		c := cs[slices.IndexFunc(cs, func(c *providers.Connector) bool { return c.Key == key })]
		for line, want := range lines {
			if got := c.Reads(does(c, line)); got != want {
				t.Errorf("%s: Reads(%q) = %v, want %v", key, line, got, want)
			}
		}
	}
}

func TestClaimsOrigin(t *testing.T) {
	for name, want := range map[string]bool{
		"X-Forwarded-For": true, "X-Forwarded": true, "Forwarded-For": true, "X-Forwarded-Anything": true, "Forwarded": true, "X-Real-Ip": true, "X-Host": true, "X-Original-Url": true, "X-Original-Uri": true, "X-Rewrite-Url": true, "X_Original_URL": true, "x.rewrite.url": true,
		"X-Http-Host-Override": true, "True-Client-Ip": true, "Cf-Connecting-Ip": true, "X-Envoy-Original-Path": true, "X-Forwarded_Host": true, "Client-Ip": true, "X-Script-Name": true,
		"Accept": false, "X-Api-Key": false, "X-Amz-Date": false, "X-Forward": false, "X-Http-Method-Override": false, "X-Original-Method": false, "Host": false, "X-Request-Id": false, "Origin": false, "Referer": false,
	} {
		if got := headers.ClaimsOrigin(name); got != want {
			t.Errorf("ClaimsOrigin(%s) = %v, want %v", name, got, want)
		}
	}
}
