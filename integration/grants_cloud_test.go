package integration_test

import (
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// AWS in every way that the proxy comes by keys: its own, temporary ones, of a
// role, by a web identity, of the machine. STS and the service verify each
// signature.
func TestAWSThroughProxy(t *testing.T) {
	c := newAWSCloud(t)
	c.keys["ASIAGIVEN"] = awsKeys{secret: "given-secret-77aa", session: "given-session/token"}
	c.keys["AKIDMACHINE"] = awsKeys{secret: "machine-secret-21c3"}
	dir := t.TempDir()
	const sign = "sign: {sigv4: {service: s3, region: eu-central-1}}"
	var blocks, keys []string
	add := func(key, option, use string) {
		writeFile(t, filepath.Join(dir, key+".yaml"), fmt.Sprintf("key: %s\nhosts: [%s.test]\nauth: {aws: {type: oauth2, grant_type: aws_iam, %s, %s}}\n", key, key, option, sign))
		blocks = append(blocks, fmt.Sprintf("connector %s {\n\tupstream %s\n\tuse {\n%s\n}\n}", key, c.Service.URL, use))
		keys = append(keys, key)
	}
	const fields = "fields: {access_key_id: {optional: true}, secret_access_key: {secret: true, optional: true}, session_token: {secret: true, optional: true}, who: {optional: true}, id_token: {secret: true, optional: true}}"
	role := "aws: {endpoint: " + c.STS.URL + "/, role_arn: '" + roleARN + "', duration: 1h, "
	const own = "access_key_id AKIDOWN\nsecret_access_key {env.OWN}\n"
	add("static", fields, own)
	add("session", fields, "access_key_id ASIAGIVEN\nsecret_access_key {env.GIVEN}\nsession_token {env.SESSION}")
	add("role", fields+", "+role+"external_id: '{fields.external}', tags: {agent: '{fields.who}'}}", own+"who research")
	add("long-session-name", fields+", "+role+"session_name: '{fields.who}'}", own+`who "`+strings.Repeat("a b/é", 30)+`"`)
	add("web-identity", fields+", "+role+"web_identity_token: '{fields.id_token}'}", "id_token {env.IDENTITY}")
	add("machine", fields, "")
	add("role-of-machine", fields+", "+role+"}", "")
	a := newAttache(t, setup{
		Attache: fmt.Sprintf("allow_address 127.0.0.1\nconnectors %s\n%s\n%s", dir, strings.Join(blocks, "\n"), agentLocal(keys...)),
		Env: []string{"OWN=own-secret-6a1f", "GIVEN=given-secret-77aa", "SESSION=given-session/token", "IDENTITY=a-web-identity",
			"AWS_ACCESS_KEY_ID=AKIDMACHINE", "AWS_SECRET_ACCESS_KEY=machine-secret-21c3", "AWS_EC2_METADATA_DISABLED=true"},
	})
	want := map[string]string{"static": "AKIDOWN", "session": "ASIAGIVEN", "machine": "AKIDMACHINE"}
	for i, key := range []string{"role", "long-session-name", "web-identity", "role-of-machine"} {
		want[key] = fmt.Sprintf("ASIA%d", i+1)
	}
	for _, key := range keys {
		for range 2 { // the second time from the cache
			r := a.curl(t, "-H", "Authorization: AWS4-HMAC-SHA256 Credential=AKIAATTACHEDUMMY", "-d", "a body", a.URL+"/"+key+"/bucket/key%20x?list-type=2&prefix=a%2Fb")
			checkCurl(t, r, fmt.Sprintf(`{"key":%q}`, want[key])+"\n200 1.1")
		}
	}
	if len(c.Wrong) > 0 {
		t.Errorf("AWS refused: %s", strings.Join(c.Wrong, "\n"))
	}
	if len(c.calls) != 4 {
		t.Fatalf("%d calls of STS, want one for each account with a role: %v", len(c.calls), c.calls)
	}
	first := c.calls[0]
	if first.Get("RoleSessionName") != "default" || first.Get("DurationSeconds") != "3600" || first.Get("Tags.member.1.Value") != "research" || first.Has("ExternalId") {
		t.Errorf("AssumeRole with %v", first)
	}
	if name := c.calls[1].Get("RoleSessionName"); len(name) != 64 || strings.Trim(name, "ab-") != "" {
		t.Errorf("a long session name became %q", name)
	}
	for _, secret := range []string{"own-secret-6a1f", "temporary-secret-", "session-token/", "machine-secret-21c3", "a-web-identity"} {
		if strings.Contains(a.Log.String(), secret) {
			t.Errorf("%s… is in the log", secret)
		}
	}
}

// A role's keys are renewed before they end.
func TestRoleKeysAreRenewed(t *testing.T) {
	c := newAWSCloud(t)
	c.life = 6 * time.Second
	a := newAttache(t, setup{
		Attache: fmt.Sprintf(`allow_address 127.0.0.1
		connector aws {
			upstream %s
			use role {
				role_arn %s
				access_key_id AKIDOWN
				secret_access_key {env.OWN}
			}
		}
		%s`, c.Service.URL, roleARN, agentLocal("aws")),
		Env:     []string{"OWN=own-secret-6a1f"},
		Stopped: true,
	})
	// The catalogue's connector, with an STS of the test.
	dir := t.TempDir()
	src := readFile(t, "../providers/catalog/aws.yaml")
	src = strings.Replace(src, "aws: {region:", "aws: {endpoint: "+c.STS.URL+"/, region:", 1)
	writeFile(t, filepath.Join(dir, "aws.yaml"), src)
	writeFile(t, a.Caddyfile, strings.Replace(readFile(t, a.Caddyfile), "allow_address", "connectors "+dir+"\nallow_address", 1))
	a.start()
	key := func() string {
		return strings.TrimSpace(client{}.run(t, "curl", "-sS", "-x", a.URL, "--cacert", a.CA, "https://s3.eu-central-1.amazonaws.com/bucket").Stdout)
	}
	if got := key(); got != `{"key":"ASIA1"}` {
		t.Fatalf("the service says %s", got)
	}
	time.Sleep(4 * time.Second)
	if got := key(); got != `{"key":"ASIA1"}` {
		t.Errorf("keys with a third of their life left: %s", got)
	}
	waitFor(t, "the next keys", func() bool { return key() == `{"key":"ASIA2"}` })
}

// googleServer is Google's token endpoint and a storage API.
type googleServer struct {
	Tokens, Service *service
	claims          []map[string]any // of the assertions that were right
	wrong           []string
}

func newGoogleServer(t testing.TB, key *rsa.PublicKey) *googleServer {
	t.Helper()
	g := &googleServer{}
	g.Tokens = newPlainService(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		form := parameters(r)
		header, claims, err := verifyRS256(form.Get("assertion"), key, time.Hour)
		switch {
		case err != nil:
		case form.Get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer":
			err = fmt.Errorf("grant_type %s", form.Get("grant_type"))
		case header["kid"] != "kid-1" || claims["iss"] != "sa@project.iam.gserviceaccount.com" || claims["aud"] != g.Tokens.URL+"/token":
			err = fmt.Errorf("kid %v, claims %v", header["kid"], claims)
		}
		if err != nil {
			g.wrong = append(g.wrong, err.Error())
			answer(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant"})
			return
		}
		g.claims = append(g.claims, claims)
		answer(w, http.StatusOK, map[string]any{"access_token": fmt.Sprintf("ya29.a-token-of-google-%d", len(g.claims)), "expires_in": 3599, "token_type": "Bearer"})
	}))
	g.Service = newPlainService(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if number, ok := strings.CutPrefix(token, "ya29.a-token-of-google-"); ok {
			answer(w, http.StatusOK, map[string]any{"token": number})
			return
		}
		_, claims, err := verifyRS256(token, key, time.Hour)
		if err != nil || claims["aud"] != "https://storage.googleapis.com/" || claims["sub"] != "sa@project.iam.gserviceaccount.com" {
			answer(w, http.StatusUnauthorized, map[string]any{"error": fmt.Sprint(err, claims)})
			return
		}
		answer(w, http.StatusOK, map[string]any{"self-signed for": claims["aud"]})
	}))
	return g
}

// A service account of Google: a token with scopes, on somebody's behalf, a JWT
// of our own, and application default credentials where no account is named.
// The endpoint verifies each assertion.
func TestGoogleThroughProxy(t *testing.T) {
	private, public := rsaPair(t)
	g := newGoogleServer(t, public)
	file, err := json.Marshal(map[string]string{
		"type": "service_account", "client_email": "sa@project.iam.gserviceaccount.com", "private_key_id": "kid-1", "private_key": private,
		"token_uri": g.Tokens.URL + "/token", // used by application default credentials alone
	})
	if err != nil {
		t.Fatal(err)
	}
	keyFile := writeFile(t, filepath.Join(t.TempDir(), "key.json"), string(file))
	dir := t.TempDir()
	var blocks, keys []string
	add := func(key, option, use string) {
		writeFile(t, filepath.Join(dir, key+".yaml"), fmt.Sprintf("key: %s\nhosts: [%s.test]\nauth: {google: {type: oauth2, grant_type: gcs_service_account, token_url: %s/token, scopes: [https://scope/a, https://scope/b], %s}}\n", key, key, g.Tokens.URL, option))
		blocks = append(blocks, fmt.Sprintf("connector %s {\n\tupstream %s\n\tuse {\n%s\n}\n}", key, g.Service.URL, use))
		keys = append(keys, key)
	}
	const fields = "fields: {service_account: {secret: true, optional: true}, subject: {optional: true}}"
	use := "service_account {file." + keyFile + "}"
	add("scopes", fields, use)
	add("delegated", fields+`, google: {subject: "{fields.subject}"}`, use+"\nsubject boss@example.com")
	add("self-signed", fields+`, google: {self_signed: true, audience: "https://storage.googleapis.com/"}`, use)
	add("machine", fields, "")
	a := newAttache(t, setup{
		Attache: fmt.Sprintf("allow_address 127.0.0.1\nconnectors %s\n%s\n%s", dir, strings.Join(blocks, "\n"), agentLocal(keys...)),
		Env:     []string{"GOOGLE_APPLICATION_CREDENTIALS=" + keyFile},
	})
	want := map[string]string{"scopes": `{"token":"1"}`, "delegated": `{"token":"2"}`, "self-signed": `{"self-signed for":"https://storage.googleapis.com/"}`, "machine": `{"token":"3"}`}
	for _, key := range keys {
		for range 2 {
			checkCurl(t, a.curl(t, a.URL+"/"+key+"/storage/v1/b"), want[key]+"\n200 1.1")
		}
	}
	if len(g.wrong) > 0 || len(g.claims) != 3 {
		t.Fatalf("the endpoint refused %v and took %d assertions, want 3", g.wrong, len(g.claims))
	}
	for i, sub := range []any{nil, "boss@example.com", nil} {
		if got := g.claims[i]; got["scope"] != "https://scope/a https://scope/b" || i < 2 && got["sub"] != sub {
			t.Errorf("assertion %d: %v, want both scopes and sub %v", i+1, got, sub)
		}
	}
	if strings.Contains(a.Log.String(), "PRIVATE KEY") || strings.Contains(a.Log.String(), "ya29.") {
		t.Error("a key or a token is in the log")
	}
}

// A GitHub App: GitHub verifies the app's JWT and answers 201 with a token for
// one installation.
func TestGitHubAppThroughProxy(t *testing.T) {
	private, public := rsaPair(t)
	var asked []string
	var wrong []string
	github := newPlainService(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if r.Method == "POST" {
			asked = append(asked, r.URL.Path)
			_, claims, err := verifyRS256(token, public, 10*time.Minute) // GitHub's limit
			if err != nil || claims["iss"] != "Iv23liApp" {
				wrong = append(wrong, fmt.Sprint(err, claims))
				answer(w, http.StatusUnauthorized, map[string]any{"message": "A JSON web token could not be decoded"})
				return
			}
			answer(w, http.StatusCreated, map[string]any{"token": "ghs_installation", "expires_at": time.Now().Add(time.Hour).UTC().Format(time.RFC3339), "permissions": map[string]string{"contents": "read"}})
			return
		}
		whoami(bearer("ghs_installation")).ServeHTTP(w, r)
	}))
	dir := t.TempDir()
	src := strings.Replace(readFile(t, "../providers/catalog/github.yaml"), "grant_type: github_app", "grant_type: github_app\n    token_url: "+github.URL+"/app/installations/{fields.installation_id}/access_tokens", 1)
	writeFile(t, filepath.Join(dir, "github.yaml"), src)
	a := newAttache(t, setup{
		Attache: fmt.Sprintf(`allow_address 127.0.0.1
		connectors %s
		connector github {
			upstream %s
			use app {
				client_id Iv23liApp
				private_key {env.APP_KEY}
				installation_id 4711
			}
		}
		%s`, dir, github.URL, agentLocal("github")),
		Env: []string{"APP_KEY=" + private},
	})
	for range 2 {
		checkCurl(t, a.curl(t, "-x", a.URL, "--cacert", a.CA, "https://api.github.com/repos/o/r"), authenticated+"\n200 2")
	}
	if len(wrong) > 0 || len(asked) != 1 || asked[0] != "/app/installations/4711/access_tokens" {
		t.Errorf("GitHub was asked for %q and refused %q", asked, wrong)
	}
}
