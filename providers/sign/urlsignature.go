package sign

import (
	"net/http"
	"slices"
	"strings"

	"github.com/attache-proxy/attache/providers/expr"
	"github.com/attache-proxy/attache/providers/sign/sigv4"
)

// URLSignature is a signature that stands in a request's query, as in presigned
// URLs: an authentication of its own, perhaps of somebody else's key.
type URLSignature struct {
	// KeyID names the key, as far as the query tells; a shared access signature
	// of Azure does not.
	KeyID string
	// V4 says that it is one of AWS's version 4, or of those that copied it.
	V4 bool

	names []string // its parameters, in lower case
}

// urlScheme is a way to sign a query. Names are in lower case.
type urlScheme struct {
	signature, key string
	// with must stand beside them: their names alone are not telling enough.
	with []string
	more []string
	// keyID reads the key's id out of the value of key; nil: it is all of it.
	keyID func(string) string
}

// v4Vendors are those whose version 4 has X-VENDOR-Signature and so on; the
// empty one is Volcengine's.
var v4Vendors = []string{"amz-", "goog-", "oss-", "tos-", "obs-", "cos-", "jdcloud-", "ncp-", ""}

var urlSchemes = func() []urlScheme {
	var all []urlScheme
	for _, v := range v4Vendors {
		s := urlScheme{signature: "x-" + v + "signature", key: "x-" + v + "credential", keyID: func(v string) string { id, _, _ := strings.Cut(v, "/"); return id }}
		for _, n := range []string{"algorithm", "date", "expires", "signedheaders", "security-token", "region-set", "signature-version", "additional-headers", "signedqueries", "notsignbody"} {
			s.more = append(s.more, "x-"+v+n)
		}
		all = append(all, s)
	}
	// Version 2 and its copies: of S3 and its like, Google, Alibaba, Kingsoft, Huawei, Netease, CloudFront.
	for _, key := range []string{"awsaccesskeyid", "googleaccessid", "ossaccesskeyid", "kssaccesskeyid", "accesskeyid", "nosaccesskeyid", "key-pair-id"} {
		all = append(all, urlScheme{signature: "signature", key: key, with: []string{"expires", "policy"},
			more: []string{"expires", "policy", "x-amz-security-token", "security-token", "x-obs-security-token"}})
	}
	return append(all,
		urlScheme{signature: "q-signature", key: "q-ak",
			more: []string{"q-sign-algorithm", "q-sign-time", "q-key-time", "q-header-list", "q-url-param-list", "x-cos-security-token"}}, // Tencent
		urlScheme{signature: "sign", key: "sign", keyID: between("q-ak=", "&"), more: []string{"x-cos-security-token"}},
		urlScheme{signature: "authorization", key: "authorization", keyID: between("bce-auth-v1/", "/"), more: []string{"x-bce-security-token"}}, // Baidu
		urlScheme{signature: "token", key: "token", with: []string{"e"}, keyID: between("", ":"), more: []string{"e"}},                           // Qiniu
		urlScheme{signature: "sig", with: []string{"se", "si", "sp", "sr", "srt"},
			more: []string{"sv", "ss", "srt", "sr", "sp", "st", "se", "si", "sip", "spr", "ses", "skoid", "sktid", "skt", "ske", "sks", "skv", "saoid", "suoid", "scid", "sdd", "sduoid", "skdutid"}}, // Azure
	)
}()

// between reads what stands after one mark and before another, both of which must be there.
func between(after, before string) func(string) string {
	return func(v string) string {
		_, rest, ok := strings.Cut(v, after)
		id, _, there := strings.Cut(rest, before)
		if !ok || !there {
			return notThis
		}
		return id
	}
}

// notThis is what keyID says of a value that is no signature of its scheme.
const notThis = "\x00"

// URLSignatures are the signatures in a raw query.
func URLSignatures(raw string) (out []URLSignature) {
	if !mayBeSigned(raw) {
		return nil
	}
	pairs := expr.ParsePairs(raw)
	values := map[string][]string{}
	for _, p := range pairs {
		name := strings.ToLower(p.Name)
		values[name] = append(values[name], p.Value)
	}
	for i, s := range urlSchemes {
		if len(values[s.signature]) == 0 || s.key != "" && len(values[s.key]) == 0 {
			continue
		}
		if len(s.with) > 0 && !slices.ContainsFunc(s.with, func(n string) bool { return len(values[n]) > 0 }) {
			continue
		}
		ids := []string{""}
		if s.key != "" {
			ids = values[s.key]
		}
		for _, id := range ids {
			if s.keyID != nil {
				id = s.keyID(id)
			}
			if id != notThis {
				out = append(out, URLSignature{id, i < len(v4Vendors), append([]string{s.signature, s.key}, s.more...)})
			}
		}
	}
	return out
}

// mayBeSigned is a quick no for most queries.
func mayBeSigned(raw string) bool {
	if len(raw) < 8 {
		return false
	}
	lower := strings.ToLower(raw)
	return strings.Contains(lower, "sig") || strings.Contains(lower, "credential") || strings.Contains(lower, "%") || strings.Contains(lower, "authorization=") || strings.Contains(lower, "token=")
}

// SignsURLs reports whether s signs as S3 does, so that URLs may come which
// somebody else has signed.
func SignsURLs(s Signer) bool {
	own, ok := s.(*signer)
	return ok && slices.ContainsFunc(own.steps, func(st *step) bool {
		return slices.ContainsFunc(st.placers, func(p placer) bool { _, is := p.(*awsSigner); return is })
	})
}

// URLUnsigned takes the signatures off r's query, whole or in part, so that a
// Signer is the only one to authenticate it: two authentications on one request
// are refused by services, or the wrong one counts. Headers that an SDK has moved
// into the query (x-amz-acl) go back to where services want them.
//
// Where s is not nil, what it will replace in the query stays.
func URLUnsigned(r *http.Request, s Signer) {
	if !mayBeSigned(r.URL.RawQuery) {
		return
	}
	kept := replaces(s, r)
	has := map[string]bool{}
	for _, p := range expr.ParsePairs(strings.ReplaceAll(r.URL.RawQuery, ";", "&")) { // some services part by both
		has[strings.ToLower(p.Name)] = true
	}
	var names []string
	v4 := false
	for i, s := range urlSchemes {
		is4 := i < len(v4Vendors)
		switch {
		case is4 && (!has[s.signature] && !has[s.key] && (kept != "" || !has["x-"+v4Vendors[i]+"security-token"]) || s.key == kept), !is4 && !(has[s.signature] && (s.key == "" || has[s.key])):
			continue
		case len(s.with) > 0 && !telling[s.key] && !slices.ContainsFunc(s.with, func(n string) bool { return has[n] }):
			continue
		}
		names, v4 = append(append(names, s.signature, s.key), s.more...), v4 || is4
	}
	if len(names) == 0 {
		return
	}
	r.URL.RawQuery = expr.QueryWithoutFold(r.URL.RawQuery, names...)
	if v4 {
		unhoist(r)
	}
}

// telling are names of keys that stand in no query but beside a signature, so that
// also one which lacks its end goes.
var telling = map[string]bool{"awsaccesskeyid": true, "googleaccessid": true, "ossaccesskeyid": true, "kssaccesskeyid": true, "nosaccesskeyid": true}

// replaces is the name, in lower case, of the key of the signature that s will
// make anew in r's query; empty where it will make none.
func replaces(s Signer, r *http.Request) string {
	own, ok := s.(*signer)
	if !ok {
		return ""
	}
	found := ""
	for _, st := range own.steps {
		for _, p := range st.placers {
			if a, ok := p.(*awsSigner); ok && found != "" {
				return "" // which of them is not known here
			} else if ok {
				if _, ok := sigv4.ParsePresigned(queryMap(r), a.scheme.Title()); !ok {
					return ""
				}
				found = strings.ToLower(a.scheme.Title()) + "credential"
			}
		}
	}
	return found
}

// unhoist moves x-amz- and x-goog- parameters of the query to the headers. Sums
// stay: SDKs hoist that of an empty body before they know the body, and services
// do not compare what stands in the query.
func unhoist(r *http.Request) {
	for _, p := range expr.ParsePairs(r.URL.RawQuery) {
		lower := strings.ToLower(p.Name)
		if !strings.HasPrefix(lower, "x-amz-") && !strings.HasPrefix(lower, "x-goog-") || strings.Contains(lower, "checksum") || !isToken(p.Name) || hasControl(p.Value) {
			continue
		}
		if name := http.CanonicalHeaderKey(p.Name); len(r.Header[name]) == 0 {
			r.Header[name] = []string{p.Value}
		}
		r.URL.RawQuery = expr.QueryWithout(r.URL.RawQuery, p.Name)
	}
}
