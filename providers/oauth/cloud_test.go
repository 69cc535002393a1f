package oauth_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/providers/oauth/ambient"
	"github.com/attache-proxy/attache/providers/secret"
)

var _ oauth.Ambient = ambient.Machine{}

// machine is an ambient identity for tests.
type machine struct{ err error }

func (m machine) AWS(context.Context, string) (secret.Values, time.Time, error) {
	return secret.Values{"access_key_id": secret.New("AKIDAMB"), "secret_access_key": secret.New("ambsecret"), "session_token": secret.New("ambsession")}, now.Add(time.Hour), m.err
}

func (m machine) Google(_ context.Context, scopes []string) (secret.Value, time.Time, error) {
	return secret.New("adc " + strings.Join(scopes, ",")), now.Add(time.Hour), m.err
}

func serviceAccount(t *testing.T) secret.Value {
	t.Helper()
	b, err := json.Marshal(map[string]string{
		"type": "service_account", "client_email": "sa@p.iam.gserviceaccount.com", "private_key_id": "kid{1}",
		"private_key": pkcs8(rsaKey()), "token_uri": "https://evil.example/token",
	})
	if err != nil {
		t.Fatal(err)
	}
	return secret.New(string(b))
}

func TestGoogleServiceAccount(t *testing.T) {
	for name, c := range map[string]struct {
		spec    oauth.GoogleSpec
		scopes  oauth.List
		subject any
	}{
		"scopes":     {oauth.GoogleSpec{}, oauth.List{"https://a", "https://b"}, nil},
		"delegation": {oauth.GoogleSpec{Key: "{fields.service_account}", Subject: "{fields.subject}"}, oauth.List{"https://a", "https://b"}, "boss{x}@acme.example"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, err := oauth.Compile(oauth.Spec{GrantType: "gcs_service_account", Scopes: c.scopes, Google: c.spec})
			if err != nil {
				t.Fatal(err)
			}
			send := doer(func(r *http.Request) (*http.Response, error) {
				if r.URL.String() != "https://oauth2.googleapis.com/token" {
					t.Errorf("asked %s", r.URL)
				}
				h, claims := open(t, form(t, r).Get("assertion"), rsaKey().Public(), jose.RS256)
				if h.KeyID != "kid{1}" || claims["iss"] != "sa@p.iam.gserviceaccount.com" || claims["aud"] != "https://oauth2.googleapis.com/token" ||
					claims["scope"] != "https://a https://b" || claims["sub"] != c.subject || claims["exp"].(float64) != float64(now.Unix()+3600) {
					t.Errorf("kid %q, claims %v", h.KeyID, claims)
				}
				return reply(200, `{"access_token":"ya29.x","expires_in":3599,"token_type":"Bearer"}`), nil
			})
			tok, err := cfg.Token(t.Context(), oauth.Request{HTTP: send, Now: clock, Ambient: machine{}, Fields: secret.Values{"service_account": serviceAccount(t), "subject": secret.New("boss{x}@acme.example")}})
			if err != nil {
				t.Fatal(err)
			}
			if tok.Credential.Token.Reveal() != "ya29.x" {
				t.Errorf("token = %q", tok.Credential.Token.Reveal())
			}
		})
	}
}

func TestGoogleSelfSigned(t *testing.T) {
	for name, c := range map[string]struct {
		spec   oauth.Spec
		claims map[string]any
	}{
		"audience": {oauth.Spec{Google: oauth.GoogleSpec{SelfSigned: true, Audience: "https://storage.googleapis.com/"}, Scopes: oauth.List{"x"}}, map[string]any{"aud": "https://storage.googleapis.com/"}},
		"scopes":   {oauth.Spec{Google: oauth.GoogleSpec{SelfSigned: true}, Scopes: oauth.List{"https://a"}}, map[string]any{"scope": "https://a"}},
	} {
		t.Run(name, func(t *testing.T) {
			c.spec.GrantType = "gcs_service_account"
			cfg, err := oauth.Compile(c.spec)
			if err != nil {
				t.Fatal(err)
			}
			tok, err := cfg.Token(t.Context(), oauth.Request{HTTP: nobody(t), Now: clock, Fields: secret.Values{"service_account": serviceAccount(t)}})
			if err != nil {
				t.Fatal(err)
			}
			_, claims := open(t, tok.Credential.Token.Reveal(), rsaKey().Public(), jose.RS256)
			for name, v := range map[string]any{"iss": "sa@p.iam.gserviceaccount.com", "sub": "sa@p.iam.gserviceaccount.com", "iat": float64(now.Unix()), "exp": float64(now.Unix() + 3600)} {
				c.claims[name] = v
			}
			if fmt.Sprint(claims) != fmt.Sprint(c.claims) {
				t.Errorf("claims = %v, want %v", claims, c.claims)
			}
			if !tok.Credential.Expiry.Equal(now.Add(time.Hour)) {
				t.Errorf("expiry = %v", tok.Credential.Expiry)
			}
		})
	}
}

func TestGoogleWithoutKey(t *testing.T) {
	for _, spec := range []oauth.GoogleSpec{{}, {Key: "{fields.service_account_json}"}} {
		cfg, err := oauth.Compile(oauth.Spec{GrantType: "gcs_service_account", Scopes: oauth.List{"https://a"}, Google: spec})
		if err != nil {
			t.Fatal(err)
		}
		r := oauth.Request{HTTP: nobody(t), Now: clock}
		if _, err := cfg.Token(t.Context(), r); err == nil || !strings.Contains(err.Error(), "only for accounts in the operator's configuration") {
			t.Errorf("Token() of an account without a key = %v, want a refusal", err)
		}
		r.Ambient = machine{}
		tok, err := cfg.Token(t.Context(), r)
		if err != nil || tok.Credential.Token.Reveal() != "adc https://a" {
			t.Errorf("Token() with an ambient identity = %v, %v", tok, err)
		}
		r.Ambient = machine{errors.New("none")}
		if _, err := cfg.Token(t.Context(), r); err == nil {
			t.Error("Token() of a machine without an identity = a token")
		}
	}
}

func TestGoogleBadKey(t *testing.T) {
	cfg, err := oauth.Compile(oauth.Spec{GrantType: "gcs_service_account"})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{
		"hunter2hunter2", `{"type":"external_account","credential_source":{"url":"http://169.254.169.254/"}}`,
		`{"type":"authorized_user","client_email":"x"}`, `{"type":"service_account"}`,
		`{"type":"service_account","client_email":"x","private_key":"hunter2hunter2"}`,
	} {
		_, err := cfg.Token(t.Context(), oauth.Request{HTTP: nobody(t), Now: clock, Ambient: machine{}, Fields: secret.Values{"service_account": secret.New(key)}})
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("Token() with key %q = %v, want an error without it", key, err)
		}
	}
}

const roleAnswer = `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
<AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/r/s</Arn></AssumedRoleUser>
<Credentials><AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>rolesecret</SecretAccessKey><SessionToken>rolesession</SessionToken><Expiration>2026-08-01T13:00:00Z</Expiration></Credentials>
</AssumeRoleResult></AssumeRoleResponse>`

func awsAnswer(status int, body string) *http.Response {
	r := reply(status, body)
	r.Header.Set("Content-Type", "text/xml")
	return r
}

func awsFields(names ...string) secret.Values {
	all := secret.Values{"access_key_id": secret.New("AKID1"), "secret_access_key": secret.New("s3cr3tkey"), "session_token": secret.New("session1")}
	fields := secret.Values{}
	for _, name := range names {
		fields[name] = all[name]
	}
	return fields
}

func TestAWSKeys(t *testing.T) {
	cfg, err := oauth.Compile(oauth.Spec{GrantType: "aws_iam"})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		fields  secret.Values
		ambient oauth.Ambient
		want    string
		wantErr string
	}{
		"static":     {fields: awsFields("access_key_id", "secret_access_key"), want: "AKID1 s3cr3tkey  0001"},
		"session":    {fields: awsFields("access_key_id", "secret_access_key", "session_token"), want: "AKID1 s3cr3tkey session1 0001"},
		"half":       {fields: awsFields("access_key_id"), ambient: machine{}, wantErr: "but not the other"},
		"none":       {wantErr: "only for accounts in the operator's configuration"},
		"machine":    {ambient: machine{}, want: "AKIDAMB ambsecret ambsession 2026"},
		"no machine": {ambient: machine{errors.New("nothing")}, wantErr: "nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			tok, err := cfg.Token(t.Context(), oauth.Request{HTTP: nobody(t), Now: clock, Fields: c.fields, Ambient: c.ambient})
			if c.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), c.wantErr) {
					t.Errorf("Token() = %v, want an error with %q", err, c.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			f := tok.Credential.Fields
			got := fmt.Sprintf("%s %s %s %04d", f.Get("access_key_id").Reveal(), f.Get("secret_access_key").Reveal(), f.Get("session_token").Reveal(), tok.Credential.Expiry.Year())
			if got != c.want {
				t.Errorf("keys = %s, want %s", got, c.want)
			}
		})
	}
}

func TestAssumeRole(t *testing.T) {
	cfg, err := oauth.Compile(oauth.Spec{GrantType: "aws_iam", AWS: oauth.AWSSpec{
		Region: "{fields.region}", RoleARN: "{fields.role_arn}", ExternalID: "{fields.external_id}", Policy: `{{"Version":"2012-10-17"}}`,
		Duration: oauth.Duration(time.Hour), Tags: map[string]string{"agent": "{account.agent}"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	send := doer(func(r *http.Request) (*http.Response, error) {
		body, _ := io.ReadAll(r.Body)
		if r.URL.String() != "https://sts.eu-west-1.amazonaws.com/" {
			t.Errorf("asked %s", r.URL)
		}
		if err := checkSigV4(r, body, "AKID1", "s3cr3tkey", "eu-west-1", "sts"); err != nil {
			t.Error(err)
		}
		got, _ := url.ParseQuery(string(body))
		want := url.Values{
			"Action": {"AssumeRole"}, "Version": {"2011-06-15"}, "RoleArn": {"arn:aws:iam::1:role/r"}, "RoleSessionName": {"my-account-1"},
			"ExternalId": {"ext"}, "Policy": {`{"Version":"2012-10-17"}`}, "DurationSeconds": {"3600"}, "Tags.member.1.Key": {"agent"}, "Tags.member.1.Value": {"research"},
		}
		if got.Encode() != want.Encode() {
			t.Errorf("form = %v\nwant %v", got, want)
		}
		return awsAnswer(200, roleAnswer), nil
	})
	fields := awsFields("access_key_id", "secret_access_key", "session_token")
	fields["region"], fields["role_arn"], fields["external_id"] = secret.New("eu-west-1"), secret.New("arn:aws:iam::1:role/r"), secret.New("ext")
	tok, err := cfg.Token(t.Context(), oauth.Request{HTTP: send, Now: clock, Fields: fields, Account: map[string]string{"name": "my/account 1", "agent": "research"}})
	if err != nil {
		t.Fatal(err)
	}
	f := tok.Credential.Fields
	if f.Get("access_key_id").Reveal() != "ASIA1" || f.Get("secret_access_key").Reveal() != "rolesecret" || f.Get("session_token").Reveal() != "rolesession" {
		t.Error("the account's own keys were not replaced by the role's")
	}
	if f.Get("region").Reveal() != "eu-west-1" {
		t.Error("the account's other fields are gone")
	}
	if !tok.Credential.Expiry.Equal(now.Add(time.Hour)) || tok.Metadata["role"] != "arn:aws:sts::1:assumed-role/r/s" {
		t.Errorf("expiry = %v, metadata = %v", tok.Credential.Expiry, tok.Metadata)
	}
}

func TestAssumeRoleWithWebIdentity(t *testing.T) {
	cfg, err := oauth.Compile(oauth.Spec{GrantType: "aws_iam", AWS: oauth.AWSSpec{RoleARN: "arn:aws:iam::1:role/r", WebIdentityToken: "{fields.oidc}", SessionName: "x"}})
	if err != nil {
		t.Fatal(err)
	}
	send := doer(func(r *http.Request) (*http.Response, error) {
		f := form(t, r)
		if r.Header.Get("Authorization") != "" || f.Get("Action") != "AssumeRoleWithWebIdentity" || f.Get("WebIdentityToken") != "idtoken" || f.Get("RoleSessionName") != "attache-x" {
			t.Errorf("Authorization %q, form %v", r.Header.Get("Authorization"), f)
		}
		return awsAnswer(200, strings.ReplaceAll(roleAnswer, "AssumeRoleRes", "AssumeRoleWithWebIdentityRes")), nil
	})
	tok, err := cfg.Token(t.Context(), oauth.Request{HTTP: send, Now: clock, Fields: secret.Values{"oidc": secret.New("idtoken")}})
	if err != nil || tok.Credential.Fields.Get("access_key_id").Reveal() != "ASIA1" {
		t.Errorf("Token() = %v, %v", tok, err)
	}
}

func TestAWSRefusals(t *testing.T) {
	spec := oauth.Spec{GrantType: "aws_iam", AWS: oauth.AWSSpec{Region: "{fields.region}", RoleARN: "arn:aws:iam::1:role/r"}}
	cfg, err := oauth.Compile(spec)
	if err != nil {
		t.Fatal(err)
	}
	fields := awsFields("access_key_id", "secret_access_key")
	for name, c := range map[string]struct {
		region, body string
		status       int
		want         string
		temporary    bool
	}{
		"denied":     {"eu-west-1", `<ErrorResponse><Error><Code>AccessDenied</Code><Message>User: arn is not authorized, s3cr3tkey</Message></Error></ErrorResponse>`, 403, "AccessDenied: User: arn is not authorized, [redacted]", false},
		"down":       {"eu-west-1", `<html>`, 503, "answered 503", true},
		"no keys":    {"eu-west-1", `<AssumeRoleResponse><AssumeRoleResult><Credentials/></AssumeRoleResult></AssumeRoleResponse>`, 200, "in the answer", false},
		"no expiry":  {"eu-west-1", strings.Replace(roleAnswer, "2026-08-01T13:00:00Z", "", 1), 200, "expiry", false},
		"bad region": {"evil.example/x", "", 0, "aws.region", false},
	} {
		t.Run(name, func(t *testing.T) {
			fields["region"] = secret.New(c.region)
			send := doer(func(*http.Request) (*http.Response, error) { return awsAnswer(c.status, c.body), nil })
			_, err := cfg.Token(t.Context(), oauth.Request{HTTP: send, Now: clock, Fields: fields})
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "s3cr3tkey") || strings.Contains(err.Error(), "rolesecret") {
				t.Errorf("Token() = %v, want an error with %q", err, c.want)
			}
			var e *oauth.Error
			if errors.As(err, &e) && e.Temporary != c.temporary {
				t.Errorf("Temporary = %v, want %v", e.Temporary, c.temporary)
			}
		})
	}
	for _, bad := range []oauth.AWSSpec{{WebIdentityToken: "x"}, {RoleARN: "x", Duration: oauth.Duration(time.Minute)}, {RoleARN: "{fields"}} {
		if _, err := oauth.Compile(oauth.Spec{GrantType: "aws_iam", AWS: bad}); err == nil {
			t.Errorf("Compile(%+v) = no error", bad)
		}
	}
}

// checkSigV4 verifies a signature from what arrived, without the SDK that made it
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html).
func checkSigV4(r *http.Request, body []byte, id, key, region, service string) error {
	auth := r.Header.Get("Authorization")
	rest, ok := strings.CutPrefix(auth, "AWS4-HMAC-SHA256 ")
	if !ok {
		return fmt.Errorf("Authorization = %q", auth)
	}
	parts := map[string]string{}
	for p := range strings.SplitSeq(rest, ", ") {
		name, value, _ := strings.Cut(p, "=")
		parts[name] = value
	}
	date := r.Header.Get("X-Amz-Date")
	scope := strings.Join([]string{date[:8], region, service, "aws4_request"}, "/")
	if parts["Credential"] != id+"/"+scope {
		return fmt.Errorf("Credential = %q, want %s/%s", parts["Credential"], id, scope)
	}
	var headers strings.Builder
	for name := range strings.SplitSeq(parts["SignedHeaders"], ";") {
		value := r.Header.Get(name)
		switch name {
		case "host":
			value = r.URL.Host
		case "content-length":
			value = fmt.Sprint(r.ContentLength)
		}
		fmt.Fprintf(&headers, "%s:%s\n", name, strings.TrimSpace(value))
	}
	if !strings.Contains(parts["SignedHeaders"], "x-amz-security-token") && r.Header.Get("X-Amz-Security-Token") != "" {
		return errors.New("the session token is not signed")
	}
	bodySum := sha256.Sum256(body)
	canonical := strings.Join([]string{r.Method, r.URL.EscapedPath(), r.URL.RawQuery, headers.String(), parts["SignedHeaders"], hex.EncodeToString(bodySum[:])}, "\n")
	sum := sha256.Sum256([]byte(canonical))
	mac := []byte("AWS4" + key)
	for _, s := range []string{date[:8], region, service, "aws4_request", "AWS4-HMAC-SHA256\n" + date + "\n" + scope + "\n" + hex.EncodeToString(sum[:])} {
		m := hmac.New(sha256.New, mac)
		m.Write([]byte(s))
		mac = m.Sum(nil)
	}
	if got, want := parts["Signature"], hex.EncodeToString(mac); got != want {
		return fmt.Errorf("Signature = %s, want %s", got, want)
	}
	return nil
}
