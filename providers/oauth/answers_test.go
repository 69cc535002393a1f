package oauth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/providers/secret"
)

var now = time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return now }

// answerCase is one answer of a token endpoint, to a connector that declares
// nothing but what stands in response.
type answerCase struct {
	name     string
	status   int
	media    string
	body     string
	header   http.Header
	response oauth.ResponseSpec

	wantToken  string
	wantExpiry time.Duration // from now; 0: no expiry
	wantErr    string        // part of the error
	wantCode   string
}

const jsonType = "application/json"

// answers are those of which other proxies passed some on, or died.
var answers = []answerCase{
	{name: "plain", body: `{"access_token":"tok-1","token_type":"Bearer","expires_in":3600}`, wantToken: "tok-1", wantExpiry: time.Hour},
	{name: "media with charset", media: "application/json; charset=utf-8", body: `{"access_token":"tok-1"}`, wantToken: "tok-1"},
	{name: "no media", media: "-", body: `{"access_token":"tok-1"}`, wantToken: "tok-1"},
	{name: "problem+json", media: "application/foo+json", body: `{"access_token":"tok-1"}`, wantToken: "tok-1"},
	{name: "201 undeclared", status: 201, body: `{"access_token":"tok-1"}`, wantErr: "declare response.status"},
	{name: "201 declared", status: 201, response: oauth.ResponseSpec{Status: []int{200, 201}}, body: `{"access_token":"tok-1"}`, wantToken: "tok-1"},
	{name: "204", status: 204, media: "-", wantErr: "answered 204"},
	{name: "text", media: "text/plain", body: `{"access_token":"tok-1"}`, wantErr: "text/plain"},
	{name: "text declared json", media: "text/plain", response: oauth.ResponseSpec{Format: "json"}, body: `{"access_token":"tok-1"}`, wantToken: "tok-1"},
	{name: "html", media: "text/html", body: `<html>tok-1</html>`, wantErr: "text/html"},
	{name: "html called json", body: `<html>tok-1</html>`, wantErr: "not the JSON"},
	{name: "html 502", status: 502, media: "text/html", body: `<html>tok-1</html>`, wantErr: "answered 502"},
	{name: "empty", body: ``, wantErr: "not the JSON"},
	{name: "null", body: `null`, wantErr: "not the JSON"},
	{name: "array", body: `["tok-1"]`, wantErr: "no access token"},
	{name: "cut off", body: `{"access_token":"tok-1"`, wantErr: "not the JSON"},
	{name: "two documents", body: `{"access_token":"tok-1"}{"access_token":"tok-2"}`, wantErr: "something follows"},
	{name: "nested undeclared", body: `{"data":{"access_token":"tok-1"}}`, wantErr: "no access token"},
	{name: "nested declared", response: oauth.ResponseSpec{AccessToken: "data.access_token", ExpiresIn: "data.ttl"}, body: `{"data":{"access_token":"tok-1","ttl":60}}`, wantToken: "tok-1", wantExpiry: time.Minute},
	{name: "nested in array", response: oauth.ResponseSpec{AccessToken: "items.1.t"}, body: `{"items":[{"t":"no"},{"t":"tok-1"}]}`, wantToken: "tok-1"},
	{name: "token is an object", body: `{"access_token":{"access_token":"tok-1"}}`, wantErr: "no access token"},
	{name: "token is null", body: `{"access_token":null}`, wantErr: "no access token"},
	{name: "token is empty", body: `{"access_token":""}`, wantErr: "no access token"},
	{name: "token is true", body: `{"access_token":true}`, wantErr: "no access token"},
	{name: "token has a line break", body: `{"access_token":"tok-1\r\nX-Evil: 1"}`, wantErr: "no access token"},
	{name: "token of 100 KB", body: `{"access_token":"` + strings.Repeat("x", 100_000) + `"}`, wantErr: "no access token"},
	{name: "token type case", body: `{"access_token":"tok-1","token_type":"bEARER"}`, wantToken: "tok-1"},
	{name: "token type mac", body: `{"access_token":"tok-1","token_type":"mac"}`, wantErr: `token_type "mac"`},
	{name: "token type declared", response: oauth.ResponseSpec{TokenType: oauth.List{"user access token"}}, body: `{"access_token":"tok-1","token_type":"User Access Token"}`, wantToken: "tok-1"},
	{name: "token type any", response: oauth.ResponseSpec{TokenType: oauth.List{"any"}}, body: `{"access_token":"tok-1","token_type":"bot"}`, wantToken: "tok-1"},
	{name: "token type is a secret", body: `{"access_token":"tok-1","token_type":"s3cr3t-client"}`, wantErr: "unknown_error"},

	{name: "expires_in absent", body: `{"access_token":"tok-1"}`, wantToken: "tok-1"},
	{name: "expires_in null", body: `{"access_token":"tok-1","expires_in":null}`, wantToken: "tok-1"},
	{name: "expires_in absent, lifetime declared", response: oauth.ResponseSpec{Lifetime: oauth.Duration(time.Minute)}, body: `{"access_token":"tok-1"}`, wantToken: "tok-1", wantExpiry: time.Minute},
	{name: "expires_in string", body: `{"access_token":"tok-1","expires_in":"14399"}`, wantToken: "tok-1", wantExpiry: 14399 * time.Second},
	{name: "expires_in float", body: `{"access_token":"tok-1","expires_in":3600.5}`, wantToken: "tok-1", wantExpiry: 3600500 * time.Millisecond},
	{name: "expires_in float string", body: `{"access_token":"tok-1","expires_in":"3600.0"}`, wantToken: "tok-1", wantExpiry: time.Hour},
	{name: "expires_in exponent", body: `{"access_token":"tok-1","expires_in":3.6e3}`, wantToken: "tok-1", wantExpiry: time.Hour},
	{name: "expires_in zero", body: `{"access_token":"tok-1","expires_in":0}`, wantErr: "expired already"},
	{name: "expires_in zero means never", response: oauth.ResponseSpec{ExpiresZero: "never"}, body: `{"access_token":"tok-1","expires_in":0}`, wantToken: "tok-1"},
	{name: "expires_in negative", body: `{"access_token":"tok-1","expires_in":-1}`, wantErr: "expired already"},
	{name: "expires_in negative, zero means never", response: oauth.ResponseSpec{ExpiresZero: "never"}, body: `{"access_token":"tok-1","expires_in":-5}`, wantErr: "expired already"},
	{name: "expires_in huge", body: `{"access_token":"tok-1","expires_in":9223372036854775807}`, wantToken: "tok-1", wantExpiry: 87600 * time.Hour},
	{name: "expires_in beyond float", body: `{"access_token":"tok-1","expires_in":1e999}`, wantToken: "tok-1", wantExpiry: 87600 * time.Hour},
	{name: "expires_in word", body: `{"access_token":"tok-1","expires_in":"1h"}`, wantErr: "expiry"},
	{name: "expires_in NaN", body: `{"access_token":"tok-1","expires_in":"NaN"}`, wantErr: "expiry"},
	{name: "expires_in Inf", body: `{"access_token":"tok-1","expires_in":"Inf"}`, wantErr: "expiry"},
	{name: "expires_in empty", body: `{"access_token":"tok-1","expires_in":""}`, wantErr: "expiry"},
	{name: "expires_in object", body: `{"access_token":"tok-1","expires_in":{}}`, wantErr: "expiry"},
	{name: "expires_in true", body: `{"access_token":"tok-1","expires_in":true}`, wantErr: "expiry"},
	{name: "ms", response: oauth.ResponseSpec{ExpiresUnit: "ms"}, body: `{"access_token":"tok-1","expires_in":60000}`, wantToken: "tok-1", wantExpiry: time.Minute},
	{name: "hms", response: oauth.ResponseSpec{ExpiresUnit: "hms"}, body: `{"access_token":"tok-1","expires_in":"240:00:30"}`, wantToken: "tok-1", wantExpiry: 240*time.Hour + 30*time.Second},
	{name: "hms broken", response: oauth.ResponseSpec{ExpiresUnit: "hms"}, body: `{"access_token":"tok-1","expires_in":"240:-1:30"}`, wantErr: "expiry"},
	{name: "at ISO", response: oauth.ResponseSpec{ExpiresAt: "expires_at"}, body: `{"access_token":"tok-1","expires_at":"2026-08-01T13:00:00Z"}`, wantToken: "tok-1", wantExpiry: time.Hour},
	{name: "at Unix", response: oauth.ResponseSpec{ExpiresAt: "expires_at"}, body: fmt.Sprintf(`{"access_token":"tok-1","expires_at":%d}`, now.Unix()+60), wantToken: "tok-1", wantExpiry: time.Minute},
	{name: "at ms", response: oauth.ResponseSpec{ExpiresAt: "expires_at"}, body: fmt.Sprintf(`{"access_token":"tok-1","expires_at":%d}`, now.UnixMilli()+60000), wantToken: "tok-1", wantExpiry: time.Minute},
	{name: "at huge", response: oauth.ResponseSpec{ExpiresAt: "expires_at"}, body: `{"access_token":"tok-1","expires_at":1e300}`, wantToken: "tok-1", wantExpiry: 87600 * time.Hour},
	{name: "at past", response: oauth.ResponseSpec{ExpiresAt: "expires_at"}, body: `{"access_token":"tok-1","expires_at":"2020-01-01T00:00:00Z"}`, wantErr: "expired already"},
	{name: "at nonsense", response: oauth.ResponseSpec{ExpiresAt: "expires_at"}, body: `{"access_token":"tok-1","expires_at":"soon"}`, wantErr: "expiry"},

	{name: "form by media", media: "application/x-www-form-urlencoded; charset=utf-8", body: `access_token=tok-1&expires_in=60&token_type=bearer`, wantToken: "tok-1", wantExpiry: time.Minute},
	{name: "form declared", media: "text/plain", response: oauth.ResponseSpec{Format: "form"}, body: "access_token=tok-1\n", wantToken: "tok-1"},
	{name: "form twice", media: "application/x-www-form-urlencoded", body: `access_token=tok-1&access_token=tok-2`, wantErr: "twice"},
	{name: "form but JSON", media: "application/x-www-form-urlencoded", body: `{"access_token":"tok-1"}`, wantErr: "no access token"},
	{name: "bare JSON string", response: oauth.ResponseSpec{Format: "string"}, body: `"tok-1"`, wantToken: "tok-1"},
	{name: "bare text", media: "text/plain", response: oauth.ResponseSpec{Format: "string"}, body: "tok-1\r\n", wantToken: "tok-1"},
	{name: "bare but a page", media: "text/html", response: oauth.ResponseSpec{Format: "string"}, body: `<p>tok-1`, wantErr: "not the string"},
	{name: "bare but an error", response: oauth.ResponseSpec{Format: "string", ErrorDescription: "message"}, body: `{"message":"wrong password"}`, wantErr: "no access token"},
	{name: "XML", media: "text/xml", response: oauth.ResponseSpec{Format: "xml", AccessToken: "response.api.sessionid"}, body: `<?xml version="1.0"?><response><control/><api><sessionid>tok-1</sessionid></api></response>`, wantToken: "tok-1"},
	{name: "XML broken", media: "text/xml", response: oauth.ResponseSpec{Format: "xml"}, body: `<response><api>`, wantErr: "not the XML"},
	{name: "in a header", status: 201, header: http.Header{"X-Subject-Token": {"tok-1"}}, response: oauth.ResponseSpec{Status: []int{201}, AccessToken: "header:X-Subject-Token", ExpiresAt: "token.expires_at"}, body: `{"token":{"expires_at":"2026-08-01T13:00:00.000000Z"}}`, wantToken: "tok-1", wantExpiry: time.Hour},
	{name: "in a cookie", header: http.Header{"Set-Cookie": {"ROUTEID=.n1", "B1SESSION=tok-1; HttpOnly"}}, response: oauth.ResponseSpec{AccessToken: "cookie:B1SESSION", ExpiresIn: "SessionTimeout", ExpiresUnit: "min"}, body: `{"SessionTimeout":30}`, wantToken: "tok-1", wantExpiry: 30 * time.Minute},

	{name: "error 400", status: 400, body: `{"error":"invalid_client","error_description":"who are you"}`, wantErr: "invalid_client: who are you", wantCode: "invalid_client"},
	{name: "error in a 200", body: `{"error":"bad_verification_code","error_description":"The code is wrong"}`, wantErr: "bad_verification_code", wantCode: "bad_verification_code"},
	{name: "error in a 200 form", media: "application/x-www-form-urlencoded", body: `error=incorrect_client_credentials`, wantErr: "incorrect_client", wantCode: "incorrect_client_credentials"},
	{name: "error in a 200 with a token", body: `{"error":"invalid_scope","access_token":"tok-1"}`, wantErr: "invalid_scope", wantCode: "invalid_scope"},
	{name: "ok false", response: oauth.ResponseSpec{OK: map[string]string{"ok": "true"}}, body: `{"ok":false,"error":"token_revoked"}`, wantErr: "token_revoked", wantCode: "token_revoked"},
	{name: "ok absent", response: oauth.ResponseSpec{OK: map[string]string{"ok": "true"}}, body: `{"access_token":"tok-1"}`, wantErr: "response.ok"},
	{name: "code 0", response: oauth.ResponseSpec{OK: map[string]string{"errcode": "0"}, Error: "errcode", ErrorDescription: "errmsg"}, body: `{"errcode":0,"access_token":"tok-1"}`, wantToken: "tok-1"},
	{name: "code 40013", response: oauth.ResponseSpec{OK: map[string]string{"errcode": "0"}, Error: "errcode", ErrorDescription: "errmsg"}, body: `{"errcode":40013,"errmsg":"invalid appid"}`, wantErr: "40013: invalid appid", wantCode: "40013"},
	{name: "mapped code", response: oauth.ResponseSpec{Errors: map[string]string{"bad_refresh_token": "invalid_grant"}}, body: `{"error":"bad_refresh_token"}`, wantErr: "invalid_grant", wantCode: "invalid_grant"},
	{name: "error is an object", status: 400, response: oauth.ResponseSpec{Error: "error.code", ErrorDescription: "error.message"}, body: `{"error":{"code":"E17","message":"no"}}`, wantErr: "E17: no", wantCode: "E17"},
	{name: "error with our secret", status: 401, body: `{"error":"invalid_client","error_description":"secret s3cr3t-client is wrong"}`, wantErr: "[redacted] is wrong", wantCode: "invalid_client"},
	{name: "error with our secret, encoded", status: 401, body: `{"error":"invalid_client","error_description":"got client_secret=fie%26ld"}`, wantErr: "[redacted]", wantCode: "invalid_client"},
	{name: "error with a token", status: 400, body: `{"error":"invalid_request","error_description":"token eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.c2ln expired"}`, wantErr: "token [redacted] expired", wantCode: "invalid_request"},
	{name: "error code is our secret", status: 400, body: `{"error":"s3cr3t-client"}`, wantErr: "unknown_error", wantCode: "unknown_error"},
	{name: "error of 1 MB", status: 400, body: `{"error":"x","error_description":"` + strings.Repeat("no ", 300_000) + `"}`, wantErr: "…", wantCode: "x"},
	{name: "error with escapes", status: 400, body: `{"error":"x","error_description":"a\u001b[31m\nb\u202e"}`, wantErr: "x: a [31m b", wantCode: "x"},
	{name: "302", status: 302, header: http.Header{"Location": {"/elsewhere"}}, body: ``, wantErr: "redirects are not followed"},
	{name: "307", status: 307, header: http.Header{"Location": {"/elsewhere"}}, body: ``, wantErr: "redirects are not followed"},
	{name: "500", status: 500, body: `{}`, wantErr: "answered 500"},
	{name: "10 MB", body: `{"access_token":"tok-1","pad":"` + strings.Repeat("x", 10<<20) + `"}`, wantErr: "larger than 1 MiB"},
}

func TestAnswers(t *testing.T) {
	for _, c := range answers {
		t.Run(c.name, func(t *testing.T) {
			calls := 0
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				calls++
				c.write(w)
			}))
			defer srv.Close()
			tok, err := fetch(srv, oauth.Spec{GrantType: "client_credentials", TokenURL: srv.URL + "/token", AllowHTTP: true, Response: c.response})
			if calls != 1 {
				t.Errorf("token requests = %d, want 1", calls)
			}
			c.check(t, tok, err)
		})
	}
}

func (c *answerCase) write(w http.ResponseWriter) {
	for name, vs := range c.header {
		w.Header()[name] = vs
	}
	switch c.media {
	case "":
		w.Header().Set("Content-Type", jsonType)
	case "-":
		w.Header()["Content-Type"] = nil
	default:
		w.Header().Set("Content-Type", c.media)
	}
	if c.status != 0 {
		w.WriteHeader(c.status)
	}
	_, _ = w.Write([]byte(c.body))
}

func (c *answerCase) check(t *testing.T, tok *oauth.Token, err error) {
	t.Helper()
	if c.wantErr == "" {
		if err != nil {
			t.Fatalf("Token() = %v, want a token", err)
		}
		if got := tok.Credential.Token.Reveal(); got != c.wantToken {
			t.Errorf("token = %q, want %q", got, c.wantToken)
		}
		want := time.Time{}
		if c.wantExpiry != 0 {
			want = now.Add(c.wantExpiry)
		}
		if got := tok.Credential.Expiry; !got.Equal(want) {
			t.Errorf("expiry = %v, want %v", got, want)
		}
		return
	}
	if err == nil {
		t.Fatalf("Token() = a token, want an error with %q", c.wantErr)
	}
	var e *oauth.Error
	if !errors.As(err, &e) {
		t.Fatalf("Token() = %T, want *oauth.Error", err)
	}
	if e.Code != c.wantCode {
		t.Errorf("code = %q, want %q", e.Code, c.wantCode)
	}
	printed := fmt.Sprintf("%v %+v %#v", err, err, err)
	if !strings.Contains(printed, c.wantErr) {
		t.Errorf("error = %q, want it to say %q", err, c.wantErr)
	}
	for _, s := range []string{"tok-1", "s3cr3t-client", "fie&ld", "fie%26ld", "eyJ", "/token"} {
		if strings.Contains(printed, s) {
			t.Errorf("error %q holds %q", printed, s)
		}
	}
	if len(e.Error()) > 400 {
		t.Errorf("error of %d bytes, want a short one", len(e.Error()))
	}
	if want := c.status >= 500; e.Temporary != want {
		t.Errorf("Temporary = %v, want %v", e.Temporary, want)
	}
	if got, want := errors.Is(err, oauth.ErrInvalidGrant), c.wantCode == "invalid_grant"; got != want {
		t.Errorf("Is(ErrInvalidGrant) = %v, want %v", got, want)
	}
}

// fetch compiles spec and asks srv for a token.
func fetch(srv *httptest.Server, spec oauth.Spec, change ...func(*oauth.Request)) (*oauth.Token, error) {
	c, err := oauth.Compile(spec)
	if err != nil {
		return nil, err
	}
	r := oauth.Request{
		HTTP:   srv.Client(),
		App:    secret.Values{"client_id": secret.New("id"), "client_secret": secret.New("s3cr3t-client")},
		Fields: secret.Values{"key": secret.New("fie&ld")},
		Now:    clock,
	}
	for _, f := range change {
		f(&r)
	}
	return c.Token(context.Background(), r)
}
