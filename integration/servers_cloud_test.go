package integration_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// awsCloud is an STS and a service that take what AWS would take: signatures of
// keys that they know, verified here from the published algorithm.
type awsCloud struct {
	STS, Service *service

	mu    sync.Mutex
	keys  map[string]awsKeys // by access key id
	calls []url.Values       // AssumeRole and AssumeRoleWithWebIdentity, in order
	Wrong []string           // why requests were refused
	life  time.Duration      // of what STS hands out
}

type awsKeys struct{ secret, session string }

const roleARN = "arn:aws:iam::123456789012:role/reader"

func newAWSCloud(t testing.TB) *awsCloud {
	t.Helper()
	c := &awsCloud{keys: map[string]awsKeys{"AKIDOWN": {secret: "own-secret-6a1f"}}, life: time.Hour}
	c.STS = newPlainService(t, http.HandlerFunc(c.sts))
	c.Service = newPlainService(t, http.HandlerFunc(c.serve))
	return c
}

// serve says whose keys signed.
func (c *awsCloud) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	id, err := c.verify(r, body, "eu-central-1", "s3")
	if err != nil {
		c.refuse(w, err)
		return
	}
	answer(w, http.StatusOK, map[string]any{"key": id})
}

func (c *awsCloud) refuse(w http.ResponseWriter, err error) {
	c.mu.Lock()
	c.Wrong = append(c.Wrong, err.Error())
	c.mu.Unlock()
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(http.StatusForbidden)
	fmt.Fprintf(w, "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>")
}

// sts is https://docs.aws.amazon.com/STS/latest/APIReference/ for two actions.
func (c *awsCloud) sts(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	form, err := url.ParseQuery(string(body))
	action := form.Get("Action")
	switch {
	case err != nil || form.Get("Version") != "2011-06-15" || form.Get("RoleArn") != roleARN:
		err = errors.New("not a call of STS for the role")
	case action == "AssumeRole":
		_, err = c.verify(r, body, "us-east-1", "sts")
	case action == "AssumeRoleWithWebIdentity":
		if form.Get("WebIdentityToken") != "a-web-identity" || r.Header.Get("Authorization") != "" {
			err = errors.New("not the web identity, or signed")
		}
	default:
		err = errors.New("unknown action")
	}
	if name := form.Get("RoleSessionName"); err == nil && !sessionName(name) {
		err = fmt.Errorf("RoleSessionName %q", name)
	}
	if err != nil {
		c.refuse(w, err)
		return
	}
	c.mu.Lock()
	c.calls = append(c.calls, form)
	id := fmt.Sprintf("ASIA%d", len(c.calls))
	c.keys[id] = awsKeys{secret: "temporary-secret-" + id, session: "session-token/+=" + id}
	end := time.Now().Add(c.life)
	c.mu.Unlock()
	w.Header().Set("Content-Type", "text/xml")
	fmt.Fprintf(w, `<%[1]sResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><%[1]sResult>
<AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/reader/x</Arn></AssumedRoleUser>
<Credentials><AccessKeyId>%[2]s</AccessKeyId><SecretAccessKey>temporary-secret-%[2]s</SecretAccessKey><SessionToken>session-token/+=%[2]s</SessionToken><Expiration>%[3]s</Expiration></Credentials>
</%[1]sResult></%[1]sResponse>`, action, id, end.UTC().Format(time.RFC3339))
}

// sessionName is the rule of the API's reference: [\w+=,.@-]{2,64}.
func sessionName(s string) bool {
	return len(s) >= 2 && len(s) <= 64 && strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_+=,.@-", r))
	}) < 0
}

// verify checks a Signature Version 4 from what arrived
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html)
// and returns the id of the keys that made it.
func (c *awsCloud) verify(r *http.Request, body []byte, region, service string) (string, error) {
	rest, ok := strings.CutPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ")
	parts := map[string]string{}
	for p := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		parts[name] = value
	}
	date := r.Header.Get("X-Amz-Date")
	at, err := time.Parse("20060102T150405Z", date)
	if !ok || err != nil || time.Since(at).Abs() > 15*time.Minute {
		return "", fmt.Errorf("Authorization %q, X-Amz-Date %q", r.Header.Get("Authorization"), date)
	}
	scope := strings.Join([]string{date[:8], region, service, "aws4_request"}, "/")
	id, found := strings.CutSuffix(parts["Credential"], "/"+scope)
	c.mu.Lock()
	keys, known := c.keys[id]
	c.mu.Unlock()
	signed := strings.Split(parts["SignedHeaders"], ";")
	switch {
	case !found || !known:
		return "", fmt.Errorf("Credential %q, want a known key in %s", parts["Credential"], scope)
	case keys.session != r.Header.Get("X-Amz-Security-Token"):
		return "", errors.New("not the session token of these keys")
	case keys.session != "" && !slices.Contains(signed, "x-amz-security-token"):
		return "", errors.New("the session token is not signed")
	case !slices.Contains(signed, "host"):
		return "", errors.New("the host is not signed")
	}
	var canonical strings.Builder
	fmt.Fprintf(&canonical, "%s\n%s\n%s\n", r.Method, r.URL.EscapedPath(), r.URL.Query().Encode())
	for _, name := range signed {
		value := strings.Join(r.Header.Values(name), ",")
		switch name {
		case "host":
			value = r.Host
		case "content-length":
			value = fmt.Sprint(r.ContentLength)
		}
		fmt.Fprintf(&canonical, "%s:%s\n", name, strings.TrimSpace(value))
	}
	payload := r.Header.Get("X-Amz-Content-Sha256")
	if sum := sha256.Sum256(body); payload == "" || payload != "UNSIGNED-PAYLOAD" {
		payload = hex.EncodeToString(sum[:])
	}
	fmt.Fprintf(&canonical, "\n%s\n%s", parts["SignedHeaders"], payload)
	sum := sha256.Sum256([]byte(canonical.String()))
	mac := []byte("AWS4" + keys.secret)
	for _, s := range []string{date[:8], region, service, "aws4_request", "AWS4-HMAC-SHA256\n" + date + "\n" + scope + "\n" + hex.EncodeToString(sum[:])} {
		m := hmac.New(sha256.New, mac)
		m.Write([]byte(s))
		mac = m.Sum(nil)
	}
	if parts["Signature"] != hex.EncodeToString(mac) {
		return "", fmt.Errorf("the signature is not that of\n%s", canonical.String())
	}
	return id, nil
}

// rsaPair is a key as PEM, and its public half.
func rsaPair(t testing.TB) (privatePEM string, public *rsa.PublicKey) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), &key.PublicKey
}

// verifyRS256 checks a JWT from its bytes (RFC 7515 §5.2), and that it is within its
// time and lives no longer than it may. It returns header and claims.
func verifyRS256(token string, key *rsa.PublicKey, longest time.Duration) (header, claims map[string]any, err error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, nil, errors.New("not a JWT")
	}
	var raw [3][]byte
	for i, p := range parts {
		if raw[i], err = base64.RawURLEncoding.DecodeString(p); err != nil {
			return nil, nil, err
		}
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], raw[2]); err != nil {
		return nil, nil, err
	}
	if err := errors.Join(json.Unmarshal(raw[0], &header), json.Unmarshal(raw[1], &claims)); err != nil {
		return nil, nil, err
	}
	iat, _ := claims["iat"].(float64)
	exp, _ := claims["exp"].(float64)
	now := float64(time.Now().Unix())
	switch {
	case header["alg"] != "RS256":
		return nil, nil, fmt.Errorf("alg %v", header["alg"])
	case iat > now+5 || exp < now || exp-iat > longest.Seconds():
		return nil, nil, fmt.Errorf("iat %v, exp %v, now %v", iat, exp, now)
	}
	return header, claims, nil
}
