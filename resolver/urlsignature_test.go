package resolver_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver"
)

// A URL that somebody else signed passes as it is; one of our own keys, or of a
// placeholder, is signed anew, and only once.
func TestSignedURLs(t *testing.T) {
	s := &seen{}
	const host = "https://b.s3.us-east-1.amazonaws.com"
	v4 := func(id string) string {
		return "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=" + id + "%2F20240101%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20240101T000000Z&X-Amz-Expires=604800&X-Amz-SignedHeaders=host&X-Amz-Signature=00ff"
	}
	for _, c := range []struct {
		name, query           string
		granted, presign      bool
		others, inQuery, code string // of others: passes; of inQuery: what must stand there
	}{
		{"somebody else's", v4("ASIAOTHER") + "&x=%7e", true, false, "yes", "X-Amz-Signature=00ff", ""},
		{"somebody else's, without a grant", v4("ASIAOTHER"), false, false, "yes", "X-Amz-Signature=00ff", ""},
		{"somebody else's, encoded oddly", strings.ReplaceAll(v4("ASIAOTHER"), "X-Amz-S", "X%2damz-S"), true, true, "yes", "00ff", ""},
		{"Google's", "X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Credential=a%40b.iam%2F1&X-Goog-Signature=1f", true, false, "yes", "X-Goog-Signature=1f", ""},
		{"version 2", "AWSAccessKeyId=AKIDOTHER&Expires=1&Signature=x%3D", true, false, "yes", "Signature=x%3D", ""},
		{"Google's version 2", "GoogleAccessId=a%40b&Expires=1&Signature=x", true, false, "yes", "Signature=x", ""},
		{"OSS", "OSSAccessKeyId=OTHER&Expires=1&Signature=x", true, false, "yes", "OSSAccessKeyId=OTHER", ""},
		{"OSS version 4", "x-oss-credential=OTHER%2F1&x-oss-signature=x", true, false, "yes", "x-oss-signature", ""},
		{"COS", "q-sign-algorithm=sha1&q-ak=OTHER&q-signature=x", true, false, "yes", "q-signature", ""},
		{"BOS", "authorization=bce-auth-v1%2FOTHER%2F1%2F1%2F%2Fx", true, false, "yes", "bce-auth-v1", ""},
		{"Azure's", "sv=2024-01-01&se=2030&sr=b&sp=r&sig=x%3D", true, false, "yes", "sig=x%3D", ""},
		{"CloudFront's", "Expires=1&Signature=x&Key-Pair-Id=K", true, false, "yes", "Key-Pair-Id", ""},
		{"our own key", v4("AKIDEXAMPLE"), true, false, "", "", ""},
		{"a placeholder", v4("attache"), true, false, "", "", ""},
		{"our own key, version 2", "AWSAccessKeyId=AKIDEXAMPLE&Expires=1&Signature=x&versionId=3", true, false, "", "", ""},
		{"a placeholder, version 2 in other letters", "awsaccesskeyid=attache&expires=1&SIGNATURE=x", true, false, "", "", ""},
		{"a key and no signature", "X-Amz-Credential=OTHER%2F1&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=9", true, false, "", "", ""},
		{"ours and another's", v4("attache") + "&AWSAccessKeyId=OTHER&Expires=1&Signature=x", true, false, "", "", ""},
		{"version 2 behind a semicolon", "a=1;AWSAccessKeyId=OTHER&Expires=1&Signature=x", true, false, "", "", ""},
		{"a session's token alone", "a=1&X-Amz-Security-Token=signature-of-another", true, false, "", "", ""},
		{"ours, and presign", v4("AKIDEXAMPLE"), true, true, "", "X-Amz-Expires=3600&", ""},
		{"ours and a part of version 2", v4("attache") + "&AWSAccessKeyId=OTHER&Signature=x", true, false, "", "", ""},
		{"ours and a part of version 2, and presign", v4("attache") + "&AWSAccessKeyId=OTHER&Signature=x", true, true, "", "X-Amz-Expires=3600&", ""},
		{"ours and version 2, and presign", v4("attache") + "&AWSAccessKeyId=OTHER&Expires=1&Signature=x", true, true, "", "X-Amz-Expires=3600&", ""},
		{"version 2, and presign", "AWSAccessKeyId=attache&Expires=1&Signature=x", true, true, "", "", ""},
		{"our own key, without a grant", v4("attache"), false, false, "", "", "not_permitted"},
	} {
		grants := []resolver.Grant{{Connector: "svc", Presign: c.presign}}
		if !c.granted {
			grants = []resolver.Grant{}
		}
		w := newWorld(t, worldConfig{yaml: s3Connector, accounts: []*resolver.Account{s3Account("one", resolver.StateActive)}, grants: grants, service: s})
		req := httptest.NewRequestWithContext(t.Context(), "GET", host+"/k?"+c.query, nil)
		req.Header.Set("X-Real-Ip", "agent's own")
		if c.others == "yes" && !c.granted {
			ask := resolver.AskOf(req, req.URL)
			ask.Agent, ask.Target = w.agent, resolver.Target{Host: req.URL.Hostname(), Port: "443"}
			if call, err := w.Decide(t.Context(), ask); err != nil || call.Connector != nil || call.Signed == nil {
				t.Errorf("%s: %v, connector %v; want it passed", c.name, err, call.Connector)
			}
			continue
		}
		call, err := w.send(req)
		if c.code != "" {
			wantRefusal(t, c.name, err, c.code, "")
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		got, auth := s.last().URL.RawQuery, s.last().Header.Get("Authorization")
		signed := strings.Contains(strings.ToLower(got), "signature") || strings.Contains(got, "sig=") || strings.Contains(got, "bce-auth")
		switch {
		case c.others == "yes" && (got != c.query || auth != "" || call.Connector != nil || s.last().Header.Get("X-Real-Ip") == ""):
			t.Errorf("%s: arrived as ?%s with %q; want it untouched", c.name, got, auth)
		case c.others == "" && c.inQuery == "" && (signed || !strings.HasPrefix(auth, "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")):
			t.Errorf("%s: arrived as ?%s with %q; want a signature in the headers alone", c.name, got, auth)
		case c.others == "" && c.inQuery != "" && (!strings.Contains(got, c.inQuery) || auth != "" || strings.Contains(got, "00ff") || strings.Contains(got, "OTHER") || !strings.Contains(got, "AKIDEXAMPLE")):
			t.Errorf("%s: arrived as ?%s with %q; want a new signature in the query, with %s", c.name, got, auth, c.inQuery)
		}
	}
	// What an SDK moved into the query goes back into the headers.
	w := newWorld(t, worldConfig{yaml: s3Connector, accounts: []*resolver.Account{s3Account("one", resolver.StateActive)}, service: s})
	req := httptest.NewRequestWithContext(t.Context(), "PUT", host+"/k?"+v4("attache")+"&x-amz-acl=public-read&X-Amz-Meta-N=v%201&x-id=PutObject", strings.NewReader("data"))
	if _, err := w.send(req); err != nil || s.last().Header.Get("X-Amz-Acl") != "public-read" || s.last().Header.Get("X-Amz-Meta-N") != "v 1" || s.last().URL.RawQuery != "x-id=PutObject" {
		t.Errorf("arrived as ?%s %v, %v", s.last().URL.RawQuery, s.last().Header, err)
	}
	// At the doors that name the connector it passes untouched as well.
	req = httptest.NewRequestWithContext(t.Context(), "GET", host+"/k?"+v4("ASIAOTHER")+"&x=%7e", nil)
	ask := resolver.AskOf(req, req.URL)
	ask.Agent, ask.Connector = w.agent, "svc"
	call, err := w.Decide(t.Context(), ask)
	if err != nil {
		t.Fatal(err)
	}
	res, err := w.Send(req, call)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if got := s.last(); got.URL.RawQuery != req.URL.RawQuery || got.Header.Get("Authorization") != "" || call.Connector != nil || call.Target.Host == "" {
		t.Errorf("by the base URL it arrived as ?%s with %q at %s", got.URL.RawQuery, got.Header.Get("Authorization"), call.Target.Host)
	}
	// At a service that has no such URLs the same query is its own affair.
	w = newWorld(t, worldConfig{yaml: readingYAML, accounts: []*resolver.Account{{Name: "one", Fields: secret.Values{"key": secret.New("k-0123456789")}}}, service: s})
	req = httptest.NewRequestWithContext(t.Context(), "GET", "https://svc.example/x?"+v4("OTHER"), nil)
	if _, err := w.send(req); err != nil || s.last().Header.Get("Authorization") == "" || s.last().URL.RawQuery != v4("OTHER") {
		t.Errorf("a service without signed URLs: ?%s, %v", s.last().URL.RawQuery, err)
	}
}

func TestPresignRefusesHeaders(t *testing.T) {
	acct := s3Account("one", resolver.StateActive)
	w := newWorld(t, worldConfig{yaml: s3Connector, accounts: []*resolver.Account{acct}})
	many := http.Header{}
	for i := range 65 {
		many["X-"+strings.Repeat("a", i+1)] = []string{"v"}
	}
	for what, h := range map[string]http.Header{
		"a space in the name": {"X A": {"v"}}, "a colon": {"X:A": {"v"}}, "a line break in the name": {"X-A\r\nY": {"v"}}, "no name": {"": {"v"}}, "another alphabet": {"X-Ä": {"v"}}, "a NUL": {"X-\x00": {"v"}},
		"a line break": {"X-A": {"v\r\nY: z"}}, "a bare LF": {"X-A": {"v\nz"}}, "a NUL in the value": {"X-A": {"\x00"}}, "DEL": {"X-A": {"\x7f"}}, "white space": {"X-A": {" v"}}, "a tab at the end": {"X-A": {"v\t"}}, "no value": {"X-A": {}},
		"two spellings": {"X-A": {"v"}, "x-a": {"v"}}, "lower-case authorization": {"authorization": {"v"}}, "connection": {"Connection": {"X-A"}}, "framing": {"Transfer-Encoding": {"chunked"}}, "length": {"content-length": {"3"}},
		"override": {"X-HTTP-Method-Override": {"DELETE"}}, "long": {"X-A": {strings.Repeat("v", 9<<10)}}, "many": many,
	} {
		_, _, err := w.Presign(t.Context(), resolver.Presigning{Account: acct, URL: "/b/k", Header: h})
		wantRefusal(t, what, err, "cannot_presign", "")
	}
	if _, _, err := w.Presign(t.Context(), resolver.Presigning{Account: acct, URL: "/b/k", Header: http.Header{"x-amz-meta-a": {"Ünï"}, "Content-Type": {"text/plain; charset=x"}}}); err != nil {
		t.Errorf("good headers: %v", err)
	}
}
