// Package headers knows the names by which a request asks to be taken for another:
// of another method, from elsewhere, or somebody else's. A service may heed any of
// them, or none.
package headers

import (
	"net/http"
	"slices"
	"strings"
)

var (
	// methodHeaders name another method.
	methodHeaders = headerSet(
		"x-http-method-override", "x-http-method", "x-method-override", "x-method", "x-http-override", "x-override-method", "x-request-method",
		"http-method-override", "http-method", "http-x-http-method-override", "method-override", "x-original-method", "x-rewrite-method", "x-forwarded-method", "x-envoy-original-method",
		"x-http-verb", "x-http-verb-override", "x-verb", "x-real-method", "x-tunneled-method", "x-tunnel-method", "x-tunneling-method", "x-original-http-method",
		"x-http-request-method", "x-request-http-method", "x-real-http-method", "x-requested-method", "method", "x-rest-method", "rest-method",
	)
	// squashedMethods are the names of methodHeaders without what parts their words, for
	// which clients and services have no one way (X-HTTPMethodOverride).
	squashedMethods = func() map[string]bool {
		set := map[string]bool{}
		for name := range methodHeaders {
			set[squashed(name)] = true
		}
		return set
	}()
	// originHeaders say where a request is for or where it comes from, and are
	// believed by services behind proxies of their own.
	originHeaders = headerSet(
		"forwarded", "x-forwarded", "forwarded-for", "forwarded-host", "forwarded-proto", "client-ip", "true-client-ip", "x-real-ip", "x-real-host", "x-client-ip", "x-cluster-client-ip", "x-remote-ip", "x-remote-addr", "x-remote-host", "x-remote-user", "x-originating-ip",
		"x-originating-host", "x-proxyuser-ip", "x-azure-clientip", "x-azure-socketip", "x-appengine-user-ip", "cf-connecting-ip", "cf-connecting-ipv6", "cf-pseudo-ipv4", "fastly-client-ip", "ali-cdn-real-ip", "cdn-src-ip", "wl-proxy-client-ip", "proxy-client-ip",
		"x-host", "x-host-override", "x-http-host-override", "x-http-host", "x-forwarder-for", "x-server-name", "x-override-host", "proxy-host", "proxy-url", "proxy-uri",
		"x-override-url", "x-override-uri", "x-override-path", "x-proxy-url", "x-proxy-uri", "x-proxy-path", "x-request-uri", "x-request-url", "x-request-path", "x-path", "x-uri", "x-url", "x-http-url", "x-http-uri", "x-http-path", "x-http-path-override",
		"x-http-destinationurl", "request-uri", "x-backend", "x-backend-host", "x-upstream", "x-target-url", "x-accel-redirect", "x-sendfile", "x-script-name", "x-path-info", "x-waws-unencoded-url", "x-arr-url", "x-arr-ssl",
		"x-scheme", "x-protocol", "x-url-scheme", "front-end-https", "x-real-url", "x-real-uri", "x-real-path", "x-orig-url", "x-orig-uri", "x-orig-host", "x-forward-for", "x-forward-host",
		"forward-for", "x-originally-forwarded-for", "x-custom-ip-authorization", "fly-client-ip", "do-connecting-ip", "incap-client-ip", "remote-user", "x-webauth-user", "x-ssl-client-cert",
		"x-ms-client-principal", "x-ms-client-principal-id", "client-cert", "client-cert-chain", "ssl-client-cert", "x-ssl-cert", "x-arr-clientcert", "x-client-cert", "x-ms-original-url", "x-apigateway-api-userinfo", "x-endpoint-api-userinfo", "x-ms-client-principal-name", "host-override", "base-url",
	)
	// originFamilies begin such names. Among them are those by which proxies in front
	// of a service say who was signed in there (Kubernetes' X-Remote-Group).
	originFamilies = []string{
		"X-Forwarded-", "X-Original-", "X-Rewrite-", "X-Envoy-", "X-Vercel-Forwarded-", "X-Middleware-", "X-Ssl-Client-",
		"X-Remote-", "X-Auth-Request-", "X-Auth-Couchdb-", "Ssl-Client-", "X-Client-Cert-", "X-Authenticated-", "X-Consumer-", "X-Authentik-", "X-Pomerium-", "X-Goog-Authenticated-User-", "X-Amzn-Oidc-", "Tailscale-User-", "Cf-Access-Authenticated-", "X-Webauth-",
	}
	// actingHeaders make a call somebody else's where the credential may do that:
	// Kubernetes, GitLab and Gitea, Box, Smartsheet, Dynamics 365, Dropbox, Redmine,
	// Zendesk, Greenhouse, DocuSign, Elasticsearch and OpenSearch, Trino, Hasura, Google,
	// PayPal, Mimir and Loki, Discourse, ClickHouse, Adobe Sign, NiFi, Stripe.
	actingHeaders = headerSet(
		"sudo", "x-sudo", "as-user", "as-member", "assume-user", "mscrmcallerid", "callerobjectid", "dropbox-api-select-user", "dropbox-api-select-admin", "x-redmine-switch-user", "x-switch-user",
		"on-behalf-of", "x-on-behalf-of", "x-on-behalf-of-user", "x-docusign-act-on-behalf", "x-docusign-act-as-user", "es-security-runas-user", "opendistro-security-impersonate-as", "opensearch-security-impersonate-as", "plugins-security-impersonate-as",
		"x-act-as", "x-act-as-user", "x-acting-as", "x-acting-user", "act-as", "x-run-as", "x-run-as-user", "run-as", "x-impersonate", "impersonate", "x-delegate-user", "x-proxy-user", "doas", "x-doas", "x-trino-user", "x-presto-user", "x-hasura-role", "x-hasura-user-id", "x-goog-iam-authority-selector", "paypal-auth-assertion", "x-scope-orgid",
		"api-username", "x-clickhouse-user", "x-api-user", "x-proxiedentitieschain", "x-proxied-entities-chain", "stripe-account",
	)
	// actingWords are in the names of more of them (X-Egnyte-Act-As-Email).
	actingWords = []string{"Impersonat", "Act-As", "Acting-As", "Run-As", "Runas", "On-Behalf-Of", "Switch-User"}
)

// headerSet are headers by their canonical names.
func headerSet(names ...string) map[string]bool {
	set := make(map[string]bool, len(names))
	for _, name := range names {
		set[canonicalWords(name)] = true
	}
	return set
}

// canonicalWords is a header's name as CGI, WSGI and their like fold it, with -
// for everything that is no letter or digit, in Go's case.
func canonicalWords(name string) string {
	for i := range len(name) {
		if c := name[i]; c != '-' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return http.CanonicalHeaderKey(Words(name))
		}
	}
	return http.CanonicalHeaderKey(name)
}

// Words is a header's name as CGI, WSGI and their like fold it: in lower
// case, with - for everything that is no letter or digit.
func Words(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r + ('a' - 'A')
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		}
		return '-'
	}, name)
}

// ClaimsOrigin reports a header that is taken off what goes to a connector's
// service: it would name another path, host or sender than the request has.
func ClaimsOrigin(name string) bool {
	name = canonicalWords(name)
	if originHeaders[name] {
		return true
	}
	return !methodHeaders[name] && slices.ContainsFunc(originFamilies, func(f string) bool { return strings.HasPrefix(name, f) })
}

// OverridesMethod reports a header by which a request names another method.
func OverridesMethod(name string) bool {
	name = canonicalWords(name)
	if methodHeaders[name] {
		return true
	}
	return (strings.Contains(name, "ethod") || strings.Contains(name, "erb")) && squashedMethods[squashed(name)]
}

// squashed is a header's canonical name in small letters and digits alone.
func squashed(name string) string { return strings.ToLower(strings.ReplaceAll(name, "-", "")) }

// ActsForAnother reports a header by which a request is somebody else's than the
// credential's, where that may be.
func ActsForAnother(name string) bool {
	name = canonicalWords(name)
	return actingHeaders[name] || slices.ContainsFunc(actingWords, func(w string) bool { return strings.Contains(name, w) })
}

// Same reports whether two names are one once they are folded.
func Same(a, b string) bool { return canonicalWords(a) == canonicalWords(b) }
