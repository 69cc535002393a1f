package resolver_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver"
)

const bodyConnector = `
key: svc
hosts: [svc.example]
auth:
  key:
    type: credentials
    fields: {key: {secret: true}}
    sign: {header: {X-Sum: "{hex(sha256(request.body))}", X-Key: "{fields.key}"}}
`

// hashing answers with the hash and the length of the body that came, if the
// header has the same hash.
func hashing(w http.ResponseWriter, r *http.Request) {
	sum := sha256.New()
	n, _ := io.Copy(sum, r.Body)
	if got := hex.EncodeToString(sum.Sum(nil)); r.Header.Get("X-Sum") != got || r.ContentLength >= 0 && n != r.ContentLength {
		w.WriteHeader(http.StatusForbidden)
	}
	fmt.Fprint(w, n)
}

// openSpools counts this process's open files without a name.
func openSpools(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc")
	}
	n := 0
	for _, e := range entries {
		if to, _ := os.Readlink("/proc/self/fd/" + e.Name()); strings.Contains(to, "attache-body-") {
			n++
		}
	}
	return n
}

// unknown hides a reader's length, as a chunked request does.
type unknown struct{ io.Reader }

func TestSignedBodies(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	acct := &resolver.Account{Name: "one", Fields: secret.Values{"key": secret.New("k")}}
	w := newWorld(t, worldConfig{yaml: bodyConnector, accounts: []*resolver.Account{acct}, service: http.HandlerFunc(hashing)})
	const mib = 1 << 20
	for _, c := range []struct {
		size   int
		status int // 413: refused by us
	}{{0, 200}, {1, 200}, {mib - 1, 200}, {mib, 200}, {mib + 1, 200}, {5*mib + 7, 200}, {16 * mib, 200}, {16*mib + 1, 413}, {40 * mib, 413}} {
		for _, chunked := range []bool{false, true} {
			var body io.Reader = bytes.NewReader(bytes.Repeat([]byte{'b'}, c.size))
			if chunked {
				body = unknown{body}
			}
			res, err := w.do(http.MethodPost, "/x", body)
			if c.status == 413 {
				if ref, ok := resolver.AsRefusal(err); !ok || ref.HTTPStatus() != 413 || ref.Code != "cannot_sign" || !strings.Contains(ref.Detail, "larger than 16 MiB") {
					t.Errorf("%d bytes, chunked %v: %v, want 413 cannot_sign", c.size, chunked, err)
				}
				continue
			}
			if err != nil {
				t.Errorf("%d bytes, chunked %v: %v", c.size, chunked, err)
				continue
			}
			if n := openSpools(t); n > 0 != (c.size > mib) {
				t.Errorf("%d bytes, chunked %v: %d files while it is sent", c.size, chunked, n)
			}
			b, _ := io.ReadAll(res.Body)
			res.Body.Close()
			if res.StatusCode != 200 || string(b) != fmt.Sprint(c.size) {
				t.Errorf("%d bytes, chunked %v: the service got %s with status %d", c.size, chunked, b, res.StatusCode)
			}
		}
	}
	runtime.Gosched()
	if n := openSpools(t); n != 0 {
		t.Errorf("%d files are left open", n)
	}
	if left, _ := os.ReadDir(os.TempDir()); len(left) != 0 {
		t.Errorf("files are left: %v", left)
	}
}

// A body that cannot be kept is our failure, not the client's.
func TestSignedBodyWithoutDisk(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir()+"/nosuch")
	acct := &resolver.Account{Name: "one", Fields: secret.Values{"key": secret.New("k")}}
	w := newWorld(t, worldConfig{yaml: bodyConnector, accounts: []*resolver.Account{acct}, service: http.HandlerFunc(hashing)})
	_, err := w.do(http.MethodPost, "/x", bytes.NewReader(make([]byte, 2<<20)))
	if ref, ok := resolver.AsRefusal(err); !ok || ref.HTTPStatus() != http.StatusServiceUnavailable || strings.Contains(ref.Detail, "nosuch") {
		t.Errorf("without a directory for it: %v, want 503", err)
	}
}
