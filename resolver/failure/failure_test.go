package failure

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/resolver/refusal"
)

// A request that changes something, and may have reached the service, is not to be
// repeated; one that surely did not reach it, or only reads, may be.
func TestUnknownOutcomes(t *testing.T) {
	dialled := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("refused")}
	reset := &net.OpError{Op: "read", Net: "tcp", Err: errors.New("reset")}
	for _, c := range []struct {
		method  string
		err     error
		unknown bool
	}{
		{http.MethodPost, reset, true}, {http.MethodDelete, io.ErrUnexpectedEOF, true}, {"PURGE", errors.New("malformed"), true}, {http.MethodPut, os.ErrDeadlineExceeded, true}, {http.MethodPatch, io.EOF, true}, {"QUERY", reset, true},
		{http.MethodPost, dialled, false}, {http.MethodGet, reset, false}, {http.MethodHead, io.EOF, false}, {http.MethodOptions, os.ErrDeadlineExceeded, false},
		{http.MethodPost, &net.DNSError{Name: "x", IsNotFound: true}, false},
	} {
		ref, ok := refusal.As(Refusal(t.Context(), c.err, "svc.example", c.method))
		if !ok {
			t.Fatalf("%s after %v is no refusal", c.method, c.err)
		}
		if says := strings.Contains(ref.Detail, "is not known") && strings.HasPrefix(ref.Next, "Do not repeat"); says != c.unknown {
			t.Errorf("%s after %v: %q, next %q; want it left open: %v", c.method, c.err, ref.Detail, ref.Next, c.unknown)
		}
	}
}
