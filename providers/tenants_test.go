package providers_test

import (
	"cmp"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/expr"
	"github.com/attache-proxy/attache/providers/secret"
)

// tenants are values that some field of the catalogue takes, in pairs: one of
// ours, and one of somebody else.
var tenants = [][2]string{
	{"ours", "theirs"}, {"ours1", "theirs1"}, {"us1", "us2"}, {"crm4", "crm5"}, {"us-east-1", "eu-west-1"}, {"us-central1", "europe-west4"},
	{"aaaaabbbbbcccccddddd", "dddddcccccbbbbbaaaaa"}, {"4zo0ijk", "8xk1abc"},
	{"ours.example.com", "theirs.example.com"}, {"ours.auth0.com", "theirs.auth0.com"}, {"ours.okta.com", "theirs.okta.com"},
	{"ours.bitrix24.com", "theirs.bitrix24.com"}, {"ours.cloud.databricks.com", "theirs.cloud.databricks.com"}, {"ours.ultipro.com", "theirs.ultipro.com"},
	{"ours.workday.com", "theirs.workday.com"}, {"api-ours.duosecurity.com", "api-theirs.duosecurity.com"}, {"ours.luna.akamaiapis.net", "theirs.luna.akamaiapis.net"},
	{"ours.myfreshworks.com", "theirs.myfreshworks.com"}, {"ours.sentinelone.net", "theirs.sentinelone.net"}, {"ours.p.rapidapi.com", "theirs.p.rapidapi.com"},
	{"ours-default-rtdb.firebaseio.com", "theirs-default-rtdb.firebaseio.com"},
	{"ours.us1.dbt.com", "theirs.us1.dbt.com"}, {"qualysapi.qg2.apps.qualys.com", "qualysapi.qg3.apps.qualys.com"}, {"ours.serverless.cloud.zilliz.com", "theirs.serverless.cloud.zilliz.com"},
	{"na1", "eu1"}, {"us", "eu"},
}

// filled gives an option's fields values of which one host is made, and others
// for those of another tenant.
func filled(t *testing.T, c *providers.Connector, o *providers.Option) (ours, theirs *expr.Vars) {
	t.Helper()
	var values [2]secret.Values
	for i := range values {
		values[i] = secret.Values{}
	}
	for _, f := range o.Fields {
		for _, pair := range tenants {
			admitted := false
			for _, environment := range environmentsOf(c) {
				one := secret.Values{f.Name: secret.New(pair[0])}
				if environment != "" && f.Name != providers.EnvironmentField {
					one[providers.EnvironmentField] = secret.New(environment)
				}
				got, err := o.Validate(one)
				admitted = admitted || (err == nil || !strings.Contains(err.Error(), "field "+f.Name+" ")) && got.Get(f.Name).Reveal() != ""
			}
			if !admitted {
				continue
			}
			values[0][f.Name], values[1][f.Name] = secret.New(pair[0]), secret.New(pair[1])
			break
		}
	}
	vars := func(v secret.Values) *expr.Vars { return &expr.Vars{Cred: &secret.Credential{Fields: v}} }
	return vars(values[0]), vars(values[1])
}

// environmentsOf are the environments of a connector, and that an account names none.
func environmentsOf(c *providers.Connector) []string {
	names := []string{""}
	for _, e := range c.Environments {
		names = append(names, e.Name)
	}
	return names
}

var templateInHost = regexp.MustCompile(`\{[^{}]*\}`)

// expanded is the host that a template becomes; a * in it is any label.
func expanded(h *providers.Host, v *expr.Vars) string {
	if !strings.Contains(h.Pattern, "{") {
		return ""
	}
	host, _, err := h.Own(v)
	if err != nil {
		return ""
	}
	return strings.ReplaceAll(host, "*", "x")
}

// compiled is the catalogue, for tests that only look at it.
var compiled = sync.OnceValues(func() ([]*providers.Connector, error) {
	return providers.CompileAll(providers.BuiltIn(), nil)
})

func catalogue(t *testing.T) []*providers.Connector {
	t.Helper()
	cs, err := compiled()
	if err != nil {
		t.Fatal(err)
	}
	return slices.Clone(cs)
}

// An account's credential goes to the host that its fields name, and to no other
// tenant's: over every option of the catalogue whose hosts are templates.
func TestNoOtherTenantsHost(t *testing.T) {
	tried := 0
	for _, c := range catalogue(t) {
		if !slices.ContainsFunc(c.Hosts, func(h *providers.Host) bool { return strings.Contains(h.Pattern, "{") }) {
			continue
		}
		made := false
		for _, o := range c.Options {
			ours, theirs := filled(t, c, o)
			x, err := providers.NewIndex([]*providers.Connector{c}, append(c.Bindings("a", ours), c.Bindings("b", theirs)...)...)
			if err != nil {
				t.Fatal(err)
			}
			for _, h := range c.Hosts {
				if h.Environment != "" {
					ours.Cred.Fields["environment"], theirs.Cred.Fields["environment"] = secret.New(h.Environment), secret.New(h.Environment)
				}
				own, other := expanded(h, ours), expanded(h, theirs)
				if own == "" || other == "" || own == other {
					continue
				}
				made = true
				port := cmp.Or(h.Port, "443")
				if c.HostFor(own, port, h.Path, ours) == nil {
					t.Errorf("%s, option %s: the account's own host %s is refused", c.Key, o.Name, own)
				}
				tried++
				if h := c.HostFor(other, port, h.Path, ours); h != nil {
					t.Errorf("%s, option %s: the credential would go to %s (as %s)", c.Key, o.Name, other, h)
				}
				for _, e := range x.Lookup(nil, "a", other, port, h.Path) {
					if e.Host.Allows(other, port, ours) {
						t.Errorf("%s, option %s: %s is looked up as %s, and allowed", c.Key, o.Name, other, e.Host)
					}
				}
			}
		}
		if !made {
			t.Errorf("%s has templates, and no option makes a host of them with these values", c.Key)
		}
	}
	if tried < 150 {
		t.Errorf("only %d hosts of other tenants were tried", tried)
	}
}

// Names that somebody else can have below a suffix that once was a wildcard, and
// those that real use needs.
func TestNamesOfTheCatalogue(t *testing.T) {
	byKey := map[string]*providers.Connector{}
	for _, c := range catalogue(t) {
		byKey[c.Key] = c
	}
	allowed := func(key, host string) bool {
		c := byKey[key]
		if c == nil {
			t.Fatalf("there is no connector %s", key)
		}
		return slices.ContainsFunc(c.Options, func(o *providers.Option) bool {
			ours, _ := filled(t, c, o)
			return c.HostFor(host, "443", "/", ours) != nil || c.HostFor(host, "443", "/api/0/", ours) != nil
		})
	}
	for key, hosts := range map[string]string{
		"adyen":           "theirs-checkout-live.adyenpayments.com ours-checkout-live.adyenpayments.com.evil.example",
		"akamai":          "theirs.luna.akamaiapis.net a.ours.luna.akamaiapis.net",
		"alibaba-cloud":   "123.cn-hangzhou.fc.aliyuncs.com a.b.c.aliyuncs.com evil.fc.aliyuncs.com",
		"aws-bedrock":     "bedrock.evil.amazonaws.com bedrock.us-east-1.evil.amazonaws.com",
		"aws-s3":          "s3.evil.amazonaws.com ec2-192-0-2-1.compute-1.amazonaws.com x.execute-api.us-east-1.amazonaws.com x.s3-website-us-east-1.amazonaws.com",
		"amazon-ses":      "email.theirs.amazonaws.com",
		"backblaze-b2":    "theirs.s3.us-west-004.backblazeb2.com theirs.backblazeb2.com",
		"backblaze-b2-s3": "s3.theirs.backblazeb2.com x.s3.theirs.backblazeb2.com",
		"braze":           "rest.theirs.braze.eu", "checkout-com": "theirs.api.checkout.com", "cloudflare-r2": "theirs.r2.cloudflarestorage.com b.theirs.r2.cloudflarestorage.com theirs.eu.r2.cloudflarestorage.com",
		"coupa": "theirs.coupahost.com", "digitalocean-spaces": "theirs.digitaloceanspaces.com", "docusign": "theirs.docusign.net na2.x.docusign.net demo.docusign.net", "duo": "api-theirs.duosecurity.com",
		"dynatrace": "theirs.apps.dynatrace.com theirs.live.dynatrace.com", "elastic": "theirs.es.io theirs.elastic-cloud.com theirs.elastic.cloud theirs.found.io",
		"firebase": "theirs.firebaseio.com theirs-default-rtdb.firebaseio.com", "freshsales": "theirs.myfreshworks.com theirs.freshsales.io", "gong": "theirs.api.gong.io",
		"huawei-cloud": "theirs.obs.cn-north-4.myhuaweicloud.com a.theirs.myhuaweicloud.com", "ibm-cos": "s3.theirs.cloud-object-storage.appdomain.cloud x.s3.theirs.cloud-object-storage.appdomain.cloud",
		"jfrog-artifactory": "theirs.jfrog.io", "kustomer": "theirs.kustomerapp.com theirs.api.kustomerapp.com", "meilisearch": "theirs.meilisearch.io",
		"netsuite-tba": "theirs.suitetalk.api.netsuite.com theirs.restlets.api.netsuite.com", "ntfy": "ntfy.sh", "odoo": "theirs.odoo.com odoo.com", "sourcegraph": "sourcegraph.com",
		"pinecone": "index-8xk1abc.svc.us-east1-aws.pinecone.io ours.svc.x-ours1.pinecone.io ours1.svc.us.pinecone.io", "pusher": "api-theirs.pusher.com",
		"rapidapi": "theirs.p.rapidapi.com", "retailcrm": "theirs.retailcrm.ru theirs.simla.com", "sanity": "theirs.api.sanity.io theirs.apicdn.sanity.io",
		"sap-s4hana": "theirs.s4hana.cloud.sap theirs.s4hana.ondemand.com", "scaleway-object-storage": "s3.theirs.scw.cloud x.s3.theirs.scw.cloud", "sentinelone": "theirs.sentinelone.net",
		"sentry": "theirs.sentry.io", "tencent-cos": "x.file.myqcloud.com", "typesense": "theirs.a1.typesense.net", "vertex-ai": "evil-x-aiplatform.googleapis.com",
		"vtex": "theirs.myvtex.com theirs.vtexcommercestable.com.br", "wasabi": "s3.theirs.wasabisys.com x.s3.theirs.wasabisys.com",
	} {
		for host := range strings.FieldsSeq(hosts) {
			if allowed(key, host) {
				t.Errorf("%s: the credential would go to %s", key, host)
			}
		}
	}
	for key, hosts := range map[string]string{
		"adyen":       "ours-checkout-live.adyenpayments.com checkout-test.adyen.com",
		"aws":         "sts.amazonaws.com s3.us-east-1.amazonaws.com bucket.s3.eu-west-1.amazonaws.com dynamodb.eu-west-1.amazonaws.com abc.execute-api.us-east-1.amazonaws.com s3.cn-north-1.amazonaws.com.cn ec2.us-east-1.api.aws abc.lambda-url.us-east-1.on.aws",
		"aws-s3":      "s3.amazonaws.com bucket.s3.amazonaws.com my.bucket.s3.eu-west-1.amazonaws.com s3-us-west-2.amazonaws.com s3.dualstack.us-east-1.amazonaws.com b.s3-accelerate.amazonaws.com ap-123.s3-accesspoint.us-east-1.amazonaws.com b--use1-az4--x-s3.s3express-use1-az4.us-east-1.amazonaws.com s3.us-gov-west-1.amazonaws.com",
		"aws-bedrock": "bedrock.us-east-1.amazonaws.com bedrock-runtime.us-gov-west-1.amazonaws.com bedrock-runtime.ap-northeast-1.amazonaws.com", "amazon-ses": "email.ours.amazonaws.com",
		"alibaba-cloud": "ecs.aliyuncs.com ecs.cn-hangzhou.aliyuncs.com oss-cn-hangzhou.aliyuncs.com bucket.oss-cn-hangzhou.aliyuncs.com sts.ap-southeast-1.aliyuncs.com vpc.me-central-1.aliyuncs.com",
		"alibaba-oss":   "oss-cn-hangzhou.aliyuncs.com bucket.oss-cn-hangzhou-internal.aliyuncs.com", "alchemy": "eth-mainnet.g.alchemy.com api.g.alchemy.com",
		"backblaze-b2": "api.backblazeb2.com api001.backblazeb2.com f004.backblazeb2.com", "backblaze-b2-s3": "s3.ours.backblazeb2.com bucket.s3.ours.backblazeb2.com",
		"bluesky": "bsky.social shimeji.us-east.host.bsky.network", "cloudflare-r2": "ours.r2.cloudflarestorage.com bucket.ours.r2.cloudflarestorage.com ours.eu.r2.cloudflarestorage.com",
		"digitalocean-spaces": "ours.digitaloceanspaces.com bucket.ours.digitaloceanspaces.com", "docusign": "na2.docusign.net eu.docusign.net www.docusign.net",
		"gcp": "storage.googleapis.com bucket.storage.googleapis.com us-central1-aiplatform.googleapis.com pubsub.googleapis.com", "google-cloud-storage": "bucket.storage.googleapis.com my.bucket.storage.googleapis.com",
		"huawei-cloud": "iam.myhuaweicloud.com ecs.cn-north-4.myhuaweicloud.com ecs.la-north-2.myhuaweicloud.com", "ibm-cloud": "iam.cloud.ibm.com us-south.iaas.cloud.ibm.com",
		"infura": "mainnet.infura.io polygon-mainnet.infura.io", "jdcloud": "vm.jdcloud-api.com vm.cn-north-1.jdcloud-api.com", "oracle-cloud": "identity.us-ashburn-1.oci.oraclecloud.com iaas.us-ashburn-1.oraclecloud.com",
		"pinecone": "api.pinecone.io index-ours1.svc.us-east1-aws.pinecone.io docs-example1-ours1.svc.aped-4627-b74a.pinecone.io prod-1-data.ke.pinecone.io",
		"sentry":   "sentry.io us.sentry.io de.sentry.io ours.sentry.io", "sinch": "us.sms.api.sinch.com numbers.api.sinch.com eu.conversation.api.sinch.com",
		"tencent-cloud": "cvm.tencentcloudapi.com cvm.ap-guangzhou.tencentcloudapi.com cvm.intl.tencentcloudapi.com bucket-125.cos.ap-shanghai.myqcloud.com", "tencent-cos": "service.cos.myqcloud.com b-125.cos.ap-shanghai.myqcloud.com",
		"twilio": "api.twilio.com api.us1.twilio.com api.dublin.ie1.twilio.com flex-api.us1.twilio.com", "vertex-ai": "aiplatform.googleapis.com us-central1-aiplatform.googleapis.com europe-west4-aiplatform.googleapis.com us-aiplatform.googleapis.com",
		"volcengine": "open.volcengineapi.com iam.volcengineapi.com", "yandex-cloud": "compute.api.cloud.yandex.net llm.api.cloud.yandex.net", "yandex-object-storage": "bucket.storage.yandexcloud.net",
		"getstream": "us-east-api.stream-io-api.com", "qiniu": "rs-z0.qiniuapi.com rs.qbox.me", "baidu-cloud": "bcc.bj.baidubce.com bucket.bj.bcebos.com", "adobe": "stock.adobe.io cc-libraries.adobe.io",
		"wasabi": "s3.wasabisys.com s3.ours.wasabisys.com b.s3.ours.wasabisys.com", "scaleway-object-storage": "s3.ours.scw.cloud b.s3.ours.scw.cloud", "sanity": "api.sanity.io ours.api.sanity.io ours.apicdn.sanity.io",
		"gong": "api.gong.io ours.api.gong.io", "checkout-com": "api.checkout.com ours.api.checkout.com", "kustomer": "ours.kustomerapp.com ours.api.kustomerapp.com api.kustomerapp.com", "vtex": "ours.myvtex.com",
		"odoo": "ours", "rapidapi": "ours.p.rapidapi.com", "coupa": "ours.coupahost.com", "firebase": "fcm.googleapis.com ours-default-rtdb.firebaseio.com",
	} {
		for host := range strings.FieldsSeq(hosts) {
			if !allowed(key, host) {
				t.Errorf("%s: %s is refused", key, host)
			}
		}
	}
}

// Every * of the catalogue says why every name that fits may have the credential.
func TestWildcardsHaveReasons(t *testing.T) {
	n := 0
	for _, c := range catalogue(t) {
		for _, h := range c.Hosts {
			literal := templateInHost.ReplaceAllString(h.Pattern, "")
			if !strings.Contains(literal, "*") {
				continue
			}
			n++
			if h.Wildcard != "vendor" && h.Wildcard != "signed" || len(strings.Fields(h.Reason)) < 5 {
				t.Errorf("%s: host %s: wildcard %q, reason %q", c.Key, h, h.Wildcard, h.Reason)
			}
		}
	}
	if n < 50 {
		t.Errorf("the catalogue has %d wildcards, want at least 50: is this test blind?", n)
	}
}

// Every connector that asks for a host takes one with a port, an IPv6 address
// too, and the credential goes there and to no other port of it.
func TestHostsWithPorts(t *testing.T) {
	connectors := map[string]bool{}
	for _, c := range catalogue(t) {
		for _, o := range c.Options {
			for _, f := range o.Fields {
				if f.Format != providers.FormatHost {
					if got, err := o.Validate(secret.Values{f.Name: secret.New("svc.example.com:8443")}); (err == nil || !strings.Contains(err.Error(), "field "+f.Name+" ")) &&
						slices.ContainsFunc(c.Hosts, func(h *providers.Host) bool { return h.Pattern == "{fields."+f.Name+"}" }) {
						t.Errorf("%s, option %s: field %s takes %v and has no format host", c.Key, o.Name, f.Name, got)
					}
					continue
				}
				connectors[c.Key] = true
				for pasted, want := range map[string][2]string{
					"svc.example.com:8443":           {"svc.example.com", "8443"},
					" https://SVC.Example.com:8443/": {"svc.example.com", "8443"},
					"[2001:db8::1]:9443":             {"2001:db8::1", "9443"},
					"2001:DB8::1":                    {"2001:db8::1", "443"},
					"192.0.2.7:443":                  {"192.0.2.7", "443"},
				} {
					given := secret.Values{f.Name: secret.New(pasted)}
					for _, e := range c.Environments {
						if slices.ContainsFunc(e.Fields, func(asked providers.FieldDef) bool { return asked.Name == f.Name }) {
							given["environment"] = secret.New(e.Name)
						}
					}
					values, _ := o.Validate(given)
					checkOwn(t, c, o, &expr.Vars{Cred: &secret.Credential{Fields: values}}, want[0], want[1])
				}
			}
		}
	}
	if len(connectors) < 45 {
		t.Errorf("%d connectors ask for a host, want at least 45", len(connectors))
	}
}

// checkOwn looks a host up as the forward door does, and by the base URL as the
// other doors do.
func checkOwn(t *testing.T, c *providers.Connector, o *providers.Option, v *expr.Vars, host, port string) {
	t.Helper()
	x, err := providers.NewIndex([]*providers.Connector{c}, c.Bindings("a", v)...)
	if err != nil {
		t.Fatal(err)
	}
	path := c.Hosts[0].Path
	for _, h := range c.Hosts {
		if h.Environment != "" && h.Environment == v.Value("fields.environment") {
			path = h.Path
		}
	}
	es := x.Lookup(nil, "a", host, port, path)
	if len(es) == 0 || !es[0].Host.Allows(host, port, v) || !x.Known("a", host, port) {
		t.Errorf("%s, option %s: %s port %s with path %s is not found", c.Key, o.Name, host, port, path)
	}
	if es := x.Lookup(nil, "a", host, "8444", path); len(es) > 0 && es[0].Host.Allows(host, "8444", v) {
		t.Errorf("%s, option %s: port 8444 of %s is allowed, too", c.Key, o.Name, host)
	}
	if len(x.Lookup(nil, "b", host, port, path)) > 0 || x.Known("b", host, port) {
		t.Errorf("%s, option %s: another organisation sees the host", c.Key, o.Name)
	}
	u, err := c.Origin(v)
	if err != nil {
		t.Errorf("%s, option %s: base URL: %v", c.Key, o.Name, err)
		return
	}
	h, p, err := providers.ParseAuthority(u.Host)
	if p == "" {
		p = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	if err != nil || h != host || p != port || c.HostFor(h, p, path, v) == nil {
		t.Errorf("%s, option %s: the base URL is %v (%v), want port %s of %s", c.Key, o.Name, u, err, port, host)
	}
}

// Values that lead elsewhere neither become a host nor a base URL that a
// credential goes to.
func TestFieldsStayInTheirPlace(t *testing.T) {
	for _, c := range catalogue(t) {
		for _, o := range c.Options {
			for _, f := range o.Fields {
				if !slices.ContainsFunc(c.Hosts, func(h *providers.Host) bool { return strings.Contains(h.Pattern, "{fields."+f.Name+"}") }) {
					continue
				}
				for _, v := range []string{"evil.example#", "evil.example/", "evil.example/x", "evil.example?", "x@evil.example", "x:y@evil.example", `evil.example\`, "evil.example%2f", "*", "evil\n", "ev\nil", "", ".", "..", "http://evil.example", "evil.example:0", "evil.example:65536", "[::1", "évil\x00"} {
					_, err := o.Validate(secret.Values{f.Name: secret.New(v)})
					pasted := f.Format == providers.FormatHost && v == "evil.example/" || v == "evil\n" // is brought into shape: white space around goes
					if refused := err != nil && strings.Contains(err.Error(), "field "+f.Name+" "); !refused && v != "" && !pasted {
						t.Errorf("%s, option %s: field %s takes %q", c.Key, o.Name, f.Name, v)
					}
					// An account that has it all the same, from another door or an older time.
					raw := &expr.Vars{Cred: &secret.Credential{Fields: secret.Values{f.Name: secret.New(v)}}}
					for _, b := range c.Bindings("a", raw) {
						if strings.ContainsAny(b.Name, "*/#?@\\%\n") || b.Name == "" {
							t.Errorf("%s: field %s = %q binds %q", c.Key, f.Name, v, b.Name)
						}
					}
					if u, err := c.Origin(raw); err == nil {
						if h, p, err := providers.ParseAuthority(u.Host); err == nil && h == "evil.example" && c.HostFor(h, "443", "/", raw) != nil && p == "" && strings.ContainsAny(v, "#?@\\%") {
							t.Errorf("%s: field %s = %q leads the base URL to %s", c.Key, f.Name, v, u)
						}
					}
				}
			}
		}
	}
}

func TestHostMistakes(t *testing.T) {
	connector := func(hosts, fields string) string {
		return "key: a\nhosts:\n" + hosts + "auth: {k: {type: credentials, fields: {" + fields + "k: {secret: true}}, sign: bearer}}\n"
	}
	for name, c := range map[string]struct{ src, want string }{
		"a bare wildcard":           {connector("  - \"*.odoo.example\"\n", ""), `host "*.odoo.example": below it others may have names`},
		"a star in a label":         {connector("  - api-*.vendor.example\n", ""), "below it others may have names"},
		"a region":                  {connector("  - s3.*.vendor.example\n", ""), "below it others may have names"},
		"a star beside a field":     {connector("  - \"*.{fields.t}.vendor.example\"\n", "t: {}, "), "below it others may have names"},
		"vendor without a reason":   {connector("  - {host: \"*.v.example\", wildcard: vendor}\n", ""), "says why"},
		"a reason without a word":   {connector("  - {host: \"*.v.example\", reason: x}\n", ""), "go together"},
		"another word":              {connector("  - {host: \"*.v.example\", wildcard: ours, reason: x}\n", ""), "want vendor or signed"},
		"signed, and a bearer":      {connector("  - {host: \"*.v.example\", wildcard: signed, reason: x}\n", ""), "for signatures over the host"},
		"vendor of an exact host":   {connector("  - {host: v.example, wildcard: vendor, reason: x}\n", ""), "for a host with a *"},
		"labels of an exact host":   {connector("  - {host: v.example, labels: x}\n", ""), "for a host with a *"},
		"bad labels":                {connector("  - {host: \"*.v.example\", wildcard: vendor, reason: x, labels: \"(\"}\n", ""), "labels"},
		"a registry's suffix":       {connector("  - {host: \"*.co.uk\", wildcard: vendor, reason: x}\n", ""), "too wide"},
		"a star before a suffix":    {connector("  - {host: \"api-*.co.uk\", wildcard: vendor, reason: x}\n", ""), "too wide"},
		"nobody asks":               {connector("  - \"{fields.t}.v.example\"\n", ""), "no auth option asks for the field t"},
		"not begun":                 {connector("  - \"{fields.t}.v.example\"\n", `t: {pattern: "[a-z]+$"}, `), "admits"},
		"not ended":                 {connector("  - \"{fields.t}.v.example\"\n", `t: {pattern: "^[a-z]+"}, `), "admits"},
		"everything":                {connector("  - \"{fields.t}.v.example\"\n", `t: {pattern: "^.*$"}, `), "admits"},
		"anything at the end":       {connector("  - \"v.{fields.t}\"\n", "t: {}, "), "decides whose it is"},
		"dots at the end":           {connector("  - \"v.{fields.t}\"\n", `t: {pattern: "^[a-z.]+$"}, `), "admits"},
		"an enum with a slash":      {connector("  - \"{fields.t}.v.example\"\n", `t: {enum: [a, b/c]}, `), "no part of a host name"},
		"a whole host by a pattern": {connector("  - \"{fields.t}\"\n", `t: {pattern: "^[a-z.]+$"}, `), "write format: host"},
		"format of a part":          {connector("  - \"{fields.t}.v.example\"\n", `t: {format: host}, `), "only a part"},
		"an enum at the end":        {connector("  - \"v.{fields.t}\"\n", `t: {enum: [com, eu]}, `), ""},
		"a field without pattern":   {connector("  - \"{fields.t}.v.example\"\n", "t: {}, "), ""},
		"vendor":                    {connector("  - {host: \"*.v.example\", wildcard: vendor, reason: ours, labels: \"[a-z]+\"}\n", ""), ""},
		"a port of its own":         {connector("  - \"{fields.t}:{fields.p}\"\n", "t: {}, p: {}, "), ""},
	} {
		d, err := providers.Parse("test.yaml", []byte(c.src))
		if err == nil {
			_, err = providers.Compile(d)
		}
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: error = %v, want %q", name, err, c.want)
		}
	}
}

// Where the port is a field of its own, it is that port.
func TestPortField(t *testing.T) {
	c := compile(t, "key: a\nhosts: [\"{fields.host}:{fields.port}\"]\nauth: {k: {type: credentials, fields: {host: {}, port: {}, k: {secret: true}}, sign: bearer}}\n")
	v := &expr.Vars{Cred: &secret.Credential{Fields: secret.Values{"host": secret.New("svc.example"), "port": secret.New("8006")}}}
	checkOwn(t, c, c.Options[0], v, "svc.example", "8006")
	u, _ := url.Parse("https://svc.example:8006")
	if got, err := c.Origin(v); err != nil || got.Host != u.Host {
		t.Errorf("Origin = %v, %v, want %v", got, err, u)
	}
}

// An organisation sees its own connectors and hosts, and everybody's.
func TestIndexOfOrganisations(t *testing.T) {
	git, forge := compile(t, withHosts("git", "git.example")), compile(t, withHosts("forge", "{fields.host}"))
	v := &expr.Vars{Cred: &secret.Credential{Fields: secret.Values{"host": secret.New("git.example")}}}
	x, err := providers.NewIndexFor([]providers.Use{{Connector: git, Organisations: map[string]bool{"a": true}}, {Connector: forge, Organisations: map[string]bool{"b": true}}}, forge.Bindings("b", v)...)
	if err != nil {
		t.Fatal(err)
	}
	for org, want := range map[string]string{"a": "git", "b": "forge", "c": ""} {
		var got []string
		for _, e := range x.Lookup(nil, org, "git.example", "443", "/") {
			got = append(got, e.Connector.Key)
		}
		if strings.Join(got, " ") != want || x.Known(org, "git.example", "443") != (want != "") {
			t.Errorf("organisation %s sees %v, want %q", org, got, want)
		}
		for _, key := range slices.Sorted(maps.Keys(map[string]bool{"git": true, "forge": true})) {
			if _, ok := x.For(org, key); ok != (key == want) {
				t.Errorf("For(%s, %s) = %v", org, key, ok)
			}
		}
	}
}
