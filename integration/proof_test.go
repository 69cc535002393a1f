package integration_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"crypto/sha256"
	"encoding/hex"
)

// Asking for proofs of tokens that nobody has is as slow as presenting them; who
// asks for one that is known does not wait.
func TestProofsOfNobodyAreSlow(t *testing.T) {
	d := newDemo(t, withAgentToken, func(s *setup) { s.Plain = true })
	ask := func(prefix string) time.Duration {
		t.Helper()
		began := time.Now()
		res, err := http.Get(fmt.Sprintf("%s/.well-known/attache/proof?token=%s&nonce=%064d", d.URL, prefix, 1))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != 200 {
			t.Fatalf("a proof of %s = %s", prefix, res.Status)
		}
		return time.Since(began)
	}
	began := time.Now()
	for i := range 80 {
		ask(fmt.Sprintf("%08x", i))
	}
	if took := time.Since(began); took < 2*time.Second {
		t.Errorf("80 proofs of nobody took %v, want them slowed down", took)
	}
	sum := sha256.Sum256([]byte(agentToken))
	if took := ask(hex.EncodeToString(sum[:])[:8]); took > 500*time.Millisecond {
		t.Errorf("a right one waits %v", took)
	}
}
