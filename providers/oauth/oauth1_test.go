package oauth_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/providers/secret"
)

// signed5849 is the signature base string of RFC 5849 §3.4.1, written anew: a
// checker that shares no code with what it checks.
func signed5849(method, base string, params map[string]string) string {
	esc := func(s string) string {
		var b strings.Builder
		for _, c := range []byte(s) {
			if strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~", c) >= 0 {
				b.WriteByte(c)
			} else {
				fmt.Fprintf(&b, "%%%02X", c)
			}
		}
		return b.String()
	}
	var pairs []string
	for k, v := range params {
		pairs = append(pairs, esc(k)+"="+esc(v))
	}
	slices.Sort(pairs)
	return method + "&" + esc(base) + "&" + esc(strings.Join(pairs, "&"))
}

func mac5849(h func() hash.Hash, key, base string) string {
	m := hmac.New(h, []byte(key))
	m.Write([]byte(base))
	return base64.StdEncoding.EncodeToString(m.Sum(nil))
}

// TestCheckerOAuth1 holds the checker against a published signature.
// https://docs.x.com/resources/fundamentals/authentication/oauth-1-0a/creating-a-signature
func TestCheckerOAuth1(t *testing.T) {
	base := signed5849("POST", "https://api.twitter.com/1.1/statuses/update.json", map[string]string{
		"include_entities": "true", "status": "Hello Ladies + Gentlemen, a signed OAuth request!",
		"oauth_consumer_key": "xvz1evFS4wEEPTGEFPHBog", "oauth_nonce": "kYjzVBB8Y0ZFabxSWbWovY3uYSQ2pTgmZeNu2VS4cg",
		"oauth_signature_method": "HMAC-SHA1", "oauth_timestamp": "1318622958", "oauth_version": "1.0",
		"oauth_token": "370773112-GmHxMAgYyLbNEtIKZeRNFsMKPR9EyMZeS9weJAEb",
	})
	key := "kAcSOqF21Fu85e7zjz7ZN2U4ZRhfV3WpwPAoE3Z7kBw&LswwdoUaIvS8ltyTt5jkRh4J50vUPVVHtR2YPi5kE"
	if got, want := mac5849(sha1.New, key, base), "hCtSmYh+iHYCEqBWrE7C7hYmtUk="; got != want {
		t.Errorf("signature = %s, want %s", got, want)
	}
}

// authorization reads an OAuth header.
func authorization(t *testing.T, r *http.Request) map[string]string {
	t.Helper()
	rest, ok := strings.CutPrefix(r.Header.Get("Authorization"), "OAuth ")
	if !ok {
		t.Fatalf("Authorization = %q", r.Header.Get("Authorization"))
	}
	params := map[string]string{}
	for p := range strings.SplitSeq(rest, ", ") {
		k, v, _ := strings.Cut(p, "=")
		u, err := url.PathUnescape(strings.Trim(v, `"`))
		if err != nil {
			t.Fatal(err)
		}
		params[k] = u
	}
	return params
}

func TestOAuth1ThreeLegs(t *testing.T) {
	for method, check := range map[string]func(base, key, sig string) bool{
		"": func(base, key, sig string) bool { return sig == mac5849(sha1.New, key, base) },
		"hmac-sha256": func(base, key, sig string) bool {
			return sig == mac5849(sha256.New, key, base)
		},
		"plaintext": func(_, key, sig string) bool { return sig == key },
		"rsa-sha1": func(base, _, sig string) bool {
			raw, _ := base64.StdEncoding.DecodeString(sig)
			sum := sha1.Sum([]byte(base))
			return rsa.VerifyPKCS1v15(&rsaKey().PublicKey, crypto.SHA1, sum[:], raw) == nil
		},
	} {
		t.Run("method "+method, func(t *testing.T) { threeLegs(t, method, check) })
	}
}

func threeLegs(t *testing.T, method string, check func(base, key, sig string) bool) {
	c, err := oauth.Compile(oauth.Spec{
		RequestTokenURL: "https://Api.example/oauth/request_token?oauth_x=a%20b", AuthorizeURL: "https://api.example/oauth/authorize",
		TokenURL: "https://api.example:443/oauth/access_token", OAuth1Signature: method, AuthorizeParams: oauth.Params{"perms": "read"},
		Response: oauth.ResponseSpec{Capture: map[string]string{"user": "screen_name"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.GrantType() != "oauth1" {
		t.Errorf("GrantType() = %q, want oauth1", c.GrantType())
	}
	nonces := map[string]bool{}
	send := doer(func(r *http.Request) (*http.Response, error) {
		p := authorization(t, r)
		sig, token := p["oauth_signature"], p["oauth_token"]
		delete(p, "oauth_signature")
		if nonces[p["oauth_nonce"]] || p["oauth_nonce"] == "" || p["oauth_timestamp"] != fmt.Sprint(now.Unix()) || p["oauth_consumer_key"] != "my id" {
			t.Errorf("parameters = %v", p)
		}
		nonces[p["oauth_nonce"]] = true
		base, key, answer := "https://api.example/oauth/request_token", "my%26secret&", "oauth_token=rt&oauth_token_secret=rs%2F&oauth_callback_confirmed=true"
		if token == "" {
			if p["oauth_callback"] != "https://us.example/cb?a=1&state=st" {
				t.Errorf("oauth_callback = %q", p["oauth_callback"])
			}
			p["oauth_x"] = "a b"
		} else {
			if token != "rt" || p["oauth_verifier"] != "v+1" {
				t.Errorf("parameters = %v", p)
			}
			base, key, answer = "https://api.example/oauth/access_token", "my%26secret&rs%2F", "oauth_token=at&oauth_token_secret=as&screen_name=me"
		}
		if !check(signed5849("POST", base, p), key, sig) {
			t.Errorf("%s: the signature %q is wrong", r.URL.Path, sig)
		}
		resp := reply(200, answer)
		resp.Header.Set("Content-Type", "text/html")
		return resp, nil
	})
	r := oauth.Request{HTTP: send, Now: clock, RedirectURI: "https://us.example/cb?a=1", App: secret.Values{
		"client_id": secret.New("my id"), "client_secret": secret.New("my&secret"), "private_key": secret.New(pkcs8(rsaKey())),
	}}
	rt, err := c.StartOAuth1(t.Context(), r, "st")
	if err != nil {
		t.Fatal(err)
	}
	if want := "https://api.example/oauth/authorize?oauth_token=rt&perms=read"; rt.URL != want {
		t.Errorf("URL = %s, want %s", rt.URL, want)
	}
	if _, err := c.Token(t.Context(), r); err != oauth.ErrNeedsConsent {
		t.Errorf("Token() before the callback = %v, want ErrNeedsConsent", err)
	}
	r.Token, r.TokenSecret, r.Code = rt.Token, rt.Secret, secret.New("v+1")
	tok, err := c.Token(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if tok.Credential.Token.Reveal() != "at" || tok.Credential.Fields.Get("token_secret").Reveal() != "as" || tok.Metadata["user"] != "me" {
		t.Errorf("token = %q, fields %d, metadata %v", tok.Credential.Token.Reveal(), len(tok.Credential.Fields), tok.Metadata)
	}
}

func TestOAuth1Refusals(t *testing.T) {
	c, err := oauth.Compile(oauth.Spec{RequestTokenURL: "https://api.example/r", AuthorizeURL: "https://api.example/a", TokenURL: "https://api.example/t"})
	if err != nil {
		t.Fatal(err)
	}
	for name, c1 := range map[string]struct {
		status       int
		answer, want string
	}{
		"problem":       {401, "oauth_problem=consumer_key_rejected", "consumer_key_rejected"},
		"not confirmed": {200, "oauth_token=rt&oauth_token_secret=rs", "oauth_callback_confirmed"},
		"no secret":     {200, "oauth_token=rt&oauth_callback_confirmed=true", "no request token"},
		"a page":        {200, "<html>", "no request token"},
	} {
		t.Run(name, func(t *testing.T) {
			send := doer(func(*http.Request) (*http.Response, error) { return reply(c1.status, c1.answer), nil })
			_, err := c.StartOAuth1(t.Context(), oauth.Request{HTTP: send, Now: clock, RedirectURI: "https://us.example/cb", App: secret.Values{"client_id": secret.New("id")}}, "st")
			if err == nil || !strings.Contains(err.Error(), c1.want) {
				t.Errorf("StartOAuth1() = %v, want an error with %q", err, c1.want)
			}
		})
	}
	if _, err := c.StartOAuth1(t.Context(), oauth.Request{HTTP: nobody(t), RedirectURI: "https://us.example/cb"}, "st"); err == nil {
		t.Error("StartOAuth1() without a consumer key = no error")
	}
	if _, err := c.StartOAuth1(t.Context(), oauth.Request{HTTP: nobody(t), RedirectURI: "https://us.example/cb"}, ""); err == nil {
		t.Error("StartOAuth1() without a state = no error")
	}
}
