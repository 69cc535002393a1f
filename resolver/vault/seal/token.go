package seal

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"time"

	"github.com/attache-proxy/attache/providers/secret"
)

// Tokens that we give out are 32 random bytes with a prefix that secret scanners
// can know. What is stored is their SHA-256. A slow hash (bcrypt, argon2) makes
// guessing passwords expensive; nobody guesses 256 random bits, so that a slow
// hash would protect nothing here, and would cost each cold request some
// milliseconds and give strangers a way to keep our processor busy.
const (
	AgentToken   = "att_"
	AdminToken   = "atm_"
	SessionToken = "ats_"
	SignInToken  = "atp_"
)

// NewToken makes a token, what is stored of it, and what people may see of it.
func NewToken(prefix string) (token secret.Value, hash, hint string) {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	s := prefix + base64.RawURLEncoding.EncodeToString(b)
	return secret.New(s), Hash(s), s[len(s)-tailLen:]
}

// Hash is also the index: a look-up by hash takes the same time for every
// wrong token, and tells nothing about how much of it was right.
func Hash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// TokenInfo is what may be known of a token that was given out.
type TokenInfo struct {
	ID        string
	Name      string
	Hint      string // the last four characters
	CreatedAt time.Time
	ExpiresAt time.Time // zero: never
}

// Over reports whether an end that may be zero (never) lies before now.
func Over(end, now time.Time) bool { return !end.IsZero() && !now.Before(end) }

// LooksLike reports whether s has the form of a token of that prefix. It tells rubbish
// from tokens without asking the database.
func LooksLike(prefix, s string) bool {
	rest, ok := strings.CutPrefix(s, prefix)
	if !ok {
		return false
	}
	b, err := base64.RawURLEncoding.DecodeString(rest)
	return err == nil && len(b) == 32
}
