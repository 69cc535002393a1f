package sign

import (
	"cmp"
	"crypto/md5"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
	"net/http"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/attache-proxy/attache/providers/expr"
	"github.com/attache-proxy/attache/providers/strictyaml"
)

// digestParams is what stands under `digest:`: two templates.
type digestParams struct {
	Username string `yaml:"username"` // default {fields.username}
	Password string `yaml:"password"` // default {fields.password}
}

// digest is HTTP Digest (RFC 7616). The service must first send a challenge, so
// the first request to it goes out unsigned, is answered 401, and is signed and
// sent again; see Again. The challenge is remembered for the requests after it.
type digest struct {
	username, password *expr.Template
}

// challenge is one WWW-Authenticate: Digest that we can answer.
type challenge struct {
	realm, nonce, opaque, algorithm, qop string // qop is auth, auth-int or empty
	userhash                             bool
	count                                uint32 // of requests that used the nonce
}

// digestHashes are the algorithms that we can, each also with -sess (RFC 7616 §6.1).
var digestHashes = map[string]func() hash.Hash{"MD5": md5.New, "SHA-256": sha256.New, "SHA-512-256": sha512.New512_256}

func newDigest(c *compiler, n *yaml.Node) (placer, error) {
	var p digestParams
	if n != nil {
		if err := strictyaml.Decode(n, &p); err != nil {
			return nil, err
		}
	}
	d := &digest{}
	var err error
	if d.username, err = c.param("username", p.Username, true); err != nil {
		return nil, err
	}
	d.password, err = c.param("password", p.Password, true)
	return d, err
}

func (d *digest) places(p *Places) { p.Headers = append(p.Headers, "Authorization") }

// needsBody is true because the first request must be sent twice, and because
// of qop auth-int.
func (d *digest) needsBody() bool { return true }

func (d *digest) place(r *http.Request, in *Input) error {
	user, err := d.username.Eval(&in.Vars)
	if err != nil {
		return explain("digest username", err)
	}
	password, err := d.password.Eval(&in.Vars)
	if err != nil {
		return explain("digest password", err)
	}
	if hasControl(user) {
		return cannot("digest username: it holds a control character")
	}
	ch, ok := in.Memory.useChallenge(digestHost(r), user)
	if !ok {
		return nil // the service has not asked yet
	}
	var body []byte
	if ch.qop == "auth-int" {
		if body, err = bodyBytes(in); err != nil {
			return err
		}
	}
	in.placed("header", "Authorization", user, d.username.Origin())
	r.Header["Authorization"] = []string{ch.answer(r.Method, r.URL.RequestURI(), user, password, in.Random(), body)}
	return nil
}

// again remembers the challenge of a 401. It reports whether signing once more
// can help: not when the same nonce was refused, for then the password is wrong.
// Servers that forget nonces do not all say that one is stale.
func (d *digest) again(in *Input, res *http.Response) bool {
	if res.StatusCode != http.StatusUnauthorized || in.Request == nil || in.Memory == nil {
		return false
	}
	ch, ok := parseChallenges(res.Header["Www-Authenticate"])
	if !ok {
		return false
	}
	user, err := d.username.Eval(&in.Vars)
	if err != nil {
		return false
	}
	in.Memory.setChallenge(digestHost(in.Request), user, ch.challenge)
	return ch.stale || !strings.Contains(in.Request.Header.Get("Authorization"), `nonce="`+ch.nonce+`"`)
}

func digestHost(r *http.Request) string { return r.URL.Scheme + "://" + expr.Host(r) }

// offer is a challenge as it stands in an answer.
type offer struct {
	challenge
	stale bool
}

// parseChallenges picks the strongest Digest challenge that we can answer.
func parseChallenges(headers []string) (best offer, found bool) {
	rank := map[string]int{"MD5": 1, "SHA-256": 2, "SHA-512-256": 3}
	for _, text := range headers {
		for _, c := range splitChallenges(text) {
			o, ok := parseOffer(c)
			if ok && (!found || rank[baseAlgorithm(o.algorithm)] > rank[baseAlgorithm(best.algorithm)]) {
				best, found = o, true
			}
		}
	}
	return best, found
}

func baseAlgorithm(a string) string { return strings.TrimSuffix(strings.ToUpper(a), "-SESS") }

// parseOffer reads the parameters of one Digest challenge.
func parseOffer(params map[string]string) (offer, bool) {
	o := offer{challenge{realm: params["realm"], nonce: params["nonce"], opaque: params["opaque"],
		algorithm: cmp.Or(params["algorithm"], "MD5"), userhash: strings.EqualFold(params["userhash"], "true")},
		strings.EqualFold(params["stale"], "true")}
	if digestHashes[baseAlgorithm(o.algorithm)] == nil || o.nonce == "" {
		return o, false
	}
	if qop, given := params["qop"]; given {
		for word := range strings.SplitSeq(qop, ",") {
			if word = strings.ToLower(strings.TrimSpace(word)); word == "auth" || word == "auth-int" && o.qop == "" {
				o.qop = word
			}
		}
		return o, o.qop != ""
	}
	return o, true
}

// splitChallenges takes the Digest challenges out of one WWW-Authenticate
// header, which may hold several of several schemes (RFC 9110 §11.6.1).
func splitChallenges(text string) []map[string]string {
	var out []map[string]string
	var current map[string]string
	for text = strings.TrimLeft(text, ", \t"); text != ""; text = strings.TrimLeft(text, ", \t") {
		n := strings.IndexAny(text, " \t=,")
		if n < 0 {
			n = len(text)
		}
		word, rest := text[:n], strings.TrimLeft(text[n:], " \t")
		if !strings.HasPrefix(rest, "=") { // a scheme
			current = nil
			if strings.EqualFold(word, "Digest") {
				current = map[string]string{}
				out = append(out, current)
			}
			text = rest
			continue
		}
		var value string
		value, text = authValue(strings.TrimLeft(rest[1:], " \t"))
		if name := strings.ToLower(word); current != nil {
			if _, twice := current[name]; !twice {
				current[name] = value
			}
		}
	}
	return out
}

// authValue reads a token or a quoted string.
func authValue(text string) (value, rest string) {
	if !strings.HasPrefix(text, `"`) {
		n := strings.IndexAny(text, ", \t")
		if n < 0 {
			n = len(text)
		}
		return text[:n], text[n:]
	}
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '"':
			return b.String(), text[i+1:]
		case '\\':
			i++
		}
		if i < len(text) {
			b.WriteByte(text[i])
		}
	}
	return b.String(), ""
}

// answer is the Authorization header (RFC 7616 §3.4).
func (c *challenge) answer(method, uri, user, password, cnonce string, body []byte) string {
	h := func(parts ...string) string {
		d := digestHashes[baseAlgorithm(c.algorithm)]()
		d.Write([]byte(strings.Join(parts, ":")))
		return hex.EncodeToString(d.Sum(nil))
	}
	ha1 := h(user, c.realm, password)
	if strings.HasSuffix(strings.ToUpper(c.algorithm), "-SESS") {
		ha1 = h(ha1, c.nonce, cnonce)
	}
	ha2 := h(method, uri)
	if c.qop == "auth-int" {
		ha2 = h(method, uri, h(string(body)))
	}
	count := fmt.Sprintf("%08x", c.count)
	response := h(ha1, c.nonce, ha2)
	if c.qop != "" {
		response = h(ha1, c.nonce, count, cnonce, c.qop, ha2)
	}
	var b strings.Builder
	b.WriteString("Digest " + c.user(user, h))
	quoted(&b, "realm", c.realm)
	quoted(&b, "nonce", c.nonce)
	quoted(&b, "uri", uri)
	b.WriteString(", algorithm=" + c.algorithm)
	quoted(&b, "response", response)
	if c.opaque != "" {
		quoted(&b, "opaque", c.opaque)
	}
	if c.qop != "" || strings.HasSuffix(strings.ToUpper(c.algorithm), "-SESS") {
		quoted(&b, "cnonce", cnonce)
	}
	if c.qop != "" {
		b.WriteString(", qop=" + c.qop + ", nc=" + count)
	}
	if c.userhash {
		b.WriteString(", userhash=true")
	}
	return b.String()
}

// user is the user name: as it is, as its hash (§3.4.4), or, when it is not
// ASCII, in the encoding of RFC 8187.
func (c *challenge) user(name string, h func(...string) string) string {
	if c.userhash {
		return `username="` + h(name, c.realm) + `"`
	}
	for i := range len(name) {
		if name[i] >= 0x80 {
			return "username*=UTF-8''" + expr.Percent(name)
		}
	}
	return `username="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`
}

func quoted(b *strings.Builder, name, value string) {
	b.WriteString(", " + name + `="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) + `"`)
}

// Again reports whether s can sign a request better after the answer res to it:
// the service has sent a challenge (HTTP Digest), or its clock is not ours. The
// caller then signs a fresh clone, and sends it once more. It
// must not ask again about that answer.
func Again(s Signer, in *Input, res *http.Response) bool {
	own, ok := s.(*signer)
	if !ok {
		return false
	}
	for _, st := range own.steps {
		for _, p := range st.placers {
			if a, ok := p.(interface {
				again(*Input, *http.Response) bool
			}); ok && a.again(in, res) {
				return true
			}
		}
	}
	return false
}
