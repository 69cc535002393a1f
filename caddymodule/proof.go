package caddymodule

import (
	"crypto/rand"
	"encoding/hex"
	"net"
	"net/http"
	"strings"

	"github.com/attache-proxy/attache/caddymodule/client"
	"github.com/attache-proxy/attache/resolver"
)

// nobody is the digest of no token: who asks for one that we do not know gets a
// proof like any other, and does not learn which tokens there are.
var nobody = func() (b [32]byte) {
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return b
}()

// prove shows a client that we know its token, before it sends it: a program
// that took our port does not.
func (v *visit) prove() error {
	query := v.r.URL.Query()
	prefix, nonce := strings.ToLower(query.Get("token")), query.Get("nonce")
	if !isHex(prefix, client.ProofPrefix) || !isHex(nonce, client.NonceLen) {
		return &resolver.Refusal{Code: "bad_request", Status: http.StatusBadRequest,
			Detail: "a proof wants the first 8 hexadecimal digits of the token's SHA-256, and a nonce of 64",
			Next:   "GET " + client.ProofPath + "?token=PREFIX&nonce=NONCE."}
	}
	digests, err := v.h.app.resolver.TokenDigests(v.r.Context(), prefix)
	if err != nil {
		return v.notIdentified(err, false)
	}
	if key := v.h.app.runs.LaunchKey; key != nil && strings.HasPrefix(hex.EncodeToString(key), prefix) {
		digests = append(digests, key)
	}
	if len(digests) == 0 { // as wrong as a token that nobody has
		if err := v.slow(); err != nil {
			return err
		}
		digests = [][]byte{nobody[:]}
	}
	address := ""
	if local, ok := v.r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		address = local.String()
	}
	return v.json(http.StatusOK, client.NewProof(nonce, address, v.h.app.rootPEM(), digests...))
}

func isHex(s string, digits int) bool {
	_, err := hex.DecodeString(s)
	return err == nil && len(s) == digits
}
