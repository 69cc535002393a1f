package intercept_test

import (
	"io"
	"net"
	"testing"

	"golang.org/x/net/nettest"

	"github.com/attache-proxy/attache/caddymodule/intercept"
)

// The pair must behave as a net.Conn does in every way that net/http and
// crypto/tls rely on.
func TestPairIsAConn(t *testing.T) {
	nettest.TestConn(t, func() (a, b net.Conn, stop func(), err error) {
		a, b = intercept.Pair()
		return a, b, func() { _ = a.Close(); _ = b.Close() }, nil
	})
}

func TestPairHalfClose(t *testing.T) {
	a, b := intercept.Pair()
	if err := a.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if n, err := b.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("Read after the other's CloseWrite = %d, %v, want 0, EOF", n, err)
	}
	go func() { _, _ = b.Write([]byte("late")); _ = b.Close() }()
	if got, err := io.ReadAll(a); string(got) != "late" || err != nil {
		t.Errorf("the other direction = %q, %v, want late", got, err)
	}
}
