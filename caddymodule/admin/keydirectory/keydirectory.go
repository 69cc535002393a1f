// Package keydirectory publishes the public halves of the keys with which accounts sign
// HTTP messages (draft-meunier-http-message-signatures-directory): services that are
// called with Web Bot Auth find them by the Signature-Agent of a request.
package keydirectory

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/attache-proxy/attache/providers/expr"
	"github.com/attache-proxy/attache/providers/secret"
)

// mediaType is the directory's own, and tag that of its signatures.
const (
	mediaType = "application/http-message-signatures-directory+json"
	tag       = "http-message-signatures-directory"
)

const (
	// fresh is how long what was read is shown, here and in the caches of others: a
	// directory that anybody may ask for must not open the vault each time.
	fresh = time.Minute
	// signedFor is how long the proof that we have the keys is good.
	signedFor = 5 * time.Minute
	// maxKeys bounds the document, each of whose keys is signed with.
	maxKeys = 100
)

// Directory answers with the keys that Keys lists, private ones; those that are not
// Ed25519 are left out.
type Directory struct {
	Keys func(context.Context) ([]secret.Value, error)
	Log  *slog.Logger

	mu     sync.Mutex
	read   time.Time
	keys   []key
	failed error
}

// key is one key with its name.
type key struct {
	private ed25519.PrivateKey
	jwk     json.RawMessage
	id      string // the thumbprint (RFC 7638)
}

// ServeHTTP implements http.Handler. The directory is public, as its keys are.
func (d *Directory) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "want GET", http.StatusMethodNotAllowed)
		return
	}
	keys, err := d.current(r.Context())
	if err != nil {
		d.Log.Warn("reading the keys of the directory", "error", err)
		http.Error(w, "the keys cannot be read at the moment", http.StatusServiceUnavailable)
		return
	}
	doc := struct {
		Keys []json.RawMessage `json:"keys"`
	}{[]json.RawMessage{}}
	for _, k := range keys {
		doc.Keys = append(doc.Keys, k.jwk)
	}
	body, _ := json.Marshal(doc) // of what is JSON already
	h := w.Header()
	h.Set("Content-Type", mediaType)
	h.Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(fresh.Seconds())))
	prove(h, strings.ToLower(r.Host), keys, time.Now())
	_, _ = w.Write(append(body, '\n'))
}

// prove signs the answer with each key: who serves a directory has what is in it.
func prove(h http.Header, authority string, keys []key, now time.Time) {
	var inputs, signatures []string
	for i, k := range keys {
		var nonce [64]byte
		_, _ = rand.Read(nonce[:]) // never fails (crypto/rand)
		params := fmt.Sprintf(`("@authority";req);created=%d;expires=%d;keyid=%q;alg="ed25519";nonce=%q;tag=%q`,
			now.Unix(), now.Add(signedFor).Unix(), k.id, base64.StdEncoding.EncodeToString(nonce[:]), tag)
		base := "\"@authority\";req: " + authority + "\n\"@signature-params\": " + params
		inputs = append(inputs, fmt.Sprintf("binding%d=%s", i, params))
		signatures = append(signatures, fmt.Sprintf("binding%d=:%s:", i, base64.StdEncoding.EncodeToString(ed25519.Sign(k.private, []byte(base)))))
	}
	if len(keys) > 0 {
		h.Set("Signature-Input", strings.Join(inputs, ", "))
		h.Set("Signature", strings.Join(signatures, ", "))
	}
}

// current are the keys, read anew when they are older than a minute.
func (d *Directory) current(ctx context.Context) ([]key, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if time.Since(d.read) < fresh {
		return d.keys, d.failed
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	private, err := d.Keys(ctx)
	d.read, d.failed = time.Now(), err
	if err != nil {
		return nil, err
	}
	d.keys = nil
	for _, p := range private {
		if k, ok := parse(p); ok && len(d.keys) < maxKeys && !slices.ContainsFunc(d.keys, func(o key) bool { return o.id == k.id }) {
			d.keys = append(d.keys, k)
		}
	}
	slices.SortFunc(d.keys, func(a, b key) int { return strings.Compare(a.id, b.id) })
	return d.keys, nil
}

func parse(v secret.Value) (key, bool) {
	k, err := expr.ParseKey([]byte(v.Reveal()))
	private, ok := k.(ed25519.PrivateKey)
	if err != nil || !ok {
		return key{}, false
	}
	jwk, err := expr.PublicJWK([]byte(v.Reveal()))
	if err != nil {
		return key{}, false
	}
	sum := sha256.Sum256([]byte(jwk))
	id := base64.RawURLEncoding.EncodeToString(sum[:])
	doc := bytes.Replace([]byte(jwk), []byte("{"), []byte(`{"kid":"`+id+`","use":"sig",`), 1)
	return key{private, doc, id}, true
}
