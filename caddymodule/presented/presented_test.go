package presented_test

import (
	"encoding/base64"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/caddymodule/presented"
)

// TestFind: the token is found in each form in which SDKs send a key, and nothing of
// it is left; other parameters and the scope of a signature are.
func TestFind(t *testing.T) {
	const token = "att_tok"
	basic := func(s string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(s)) }
	for _, c := range []struct{ header, value, query, left string }{
		{"Authorization", "Bearer att_tok", "", ""},
		{"Authorization", "token att_tok", "", ""},
		{"Authorization", "Bot att_tok", "", ""},
		{"Authorization", "SSWS att_tok", "", ""},
		{"Authorization", "att_tok", "", ""},
		{"Authorization", "key=att_tok", "", ""},
		{"Authorization", `Token token="att_tok"`, "", ""},
		{"Authorization", "Token token=att_tok, email=a@b.c", "", ""},
		{"Authorization", `OAuth oauth_consumer_key="x", oauth_token="att_tok"`, "", ""},
		{"Authorization", basic("me:att_tok"), "", ""},
		{"Authorization", basic("att_tok:"), "", ""},
		{"Authorization", basic("att_tok:x-oauth-basic"), "", ""},
		{"Authorization", basic("me@example.com/token:att_tok"), "", ""},
		{"Authorization", "AWS4-HMAC-SHA256 Credential=att_tok/20261129/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=ab", "", "AWS4-HMAC-SHA256 Credential=attache/20261129/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=ab"},
		{"Authorization", "AWS4-HMAC-SHA256 Credential=att_tok/20261129/us-east-1/s3/aws4_request,SignedHeaders=host,Signature=ab", "", "AWS4-HMAC-SHA256 Credential=attache/20261129/us-east-1/s3/aws4_request,SignedHeaders=host,Signature=ab"},
		{"Authorization", "GOOG4-RSA-SHA256 Credential=att_tok/20261129/auto/storage/goog4_request, SignedHeaders=host, Signature=ab", "", "GOOG4-RSA-SHA256 Credential=attache/20261129/auto/storage/goog4_request, SignedHeaders=host, Signature=ab"},
		{"Authorization", "AWS att_tok:c2ln", "", "AWS attache:c2ln"},
		{"Authorization", "SharedKey att_tok:c2ln", "", "SharedKey attache:c2ln"},
		{"X-Goog-Api-Key", "att_tok", "", ""},
		{"Api-Key", "att_tok", "", ""},
		{"X-Api-Key", "att_tok", "", ""},
		{"Ocp-Apim-Subscription-Key", "att_tok", "", ""},
		{"Private-Token", "att_tok", "", ""},
		{"X-Own-Header", "att_tok", "", ""},
		{"", "", "a=1&key=att_tok&b=%20", "a=1&b=%20"},
		{"", "", "API_KEY=att_tok", ""},
		{"", "", "access_token=att_tok&a", "a"},
		{"", "", "own=att_tok&a", "a"},
		{"", "", "X-Amz-Credential=att_tok%2F20261129%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Signature=ab", "X-Amz-Credential=attache%2F20261129%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Signature=ab"},
		{"", "", "a=1&AWSAccessKeyId=att_tok&Signature=ab", "a=1&AWSAccessKeyId=attache&Signature=ab"},
	} {
		r := httptest.NewRequest("GET", "/x?"+c.query, nil)
		if c.header != "" {
			r.Header.Set(c.header, c.value)
		}
		found := false
		_, err := presented.Find(r.Header, r.URL, []string{"X-Own-Header"}, []string{"own"}, func(p presented.Token) (bool, error) {
			found = p.Text == token
			return found, nil
		})
		left := r.URL.RawQuery
		if c.header != "" {
			left = r.Header.Get(c.header)
		}
		if !found || err != nil || left != c.left {
			t.Errorf("%s: %s %s: found %v, %v, left %q, want %q", c.header, c.value, r.URL.RawQuery, found, err, left, c.left)
		}
	}
}

// TestFindLeaves: what is no token stays as it came, and few are tried of one request.
func TestFindLeaves(t *testing.T) {
	r := httptest.NewRequest("GET", "/x?key=a&token=b&key=c&"+strings.Repeat("key=d&", 100), nil)
	r.Header.Set("Authorization", "token mine")
	r.Header.Set("X-Api-Key", "mine")
	query, tried := r.URL.RawQuery, 0
	seen, err := presented.Find(r.Header, r.URL, nil, nil, func(presented.Token) (bool, error) { tried++; return false, nil })
	if !seen || err != nil || r.URL.RawQuery != query || r.Header.Get("Authorization") != "token mine" || r.Header.Get("X-Api-Key") != "mine" || tried > 16 {
		t.Errorf("seen %v, %v, tried %d: %v", seen, err, tried, r)
	}
	failed := errors.New("failed")
	if _, err := presented.Find(r.Header, r.URL, nil, nil, func(presented.Token) (bool, error) { return false, failed }); err != failed {
		t.Errorf("err = %v, want %v", err, failed)
	}
	none := httptest.NewRequest("GET", "/x?a=1", nil)
	if seen, _ := presented.Find(none.Header, none.URL, nil, nil, nil); seen {
		t.Error("seen in a request that presents nothing")
	}
}
