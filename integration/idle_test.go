package integration_test

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"
)

// idle is longer than the minute after which Caddy 2.11 lets a silent body
// time out, in both directions. Models think that long before their first byte.
const idle = 70 * time.Second

// Silence is no failure: before the first byte, between two bytes, in a
// request that goes on, and in a WebSocket.
func TestLongSilence(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 140 s")
	}
	d := newDemo(t)
	t.Run("at once", func(t *testing.T) {
		for _, at := range d.doors(t) {
			t.Run("first and last byte/"+at.name, func(t *testing.T) {
				t.Parallel()
				res := at.patient(t, http.MethodPost, "/slow?twice=1&for="+idle.String(), nil)
				if s := body(t, res); res.StatusCode != 200 || s != "first last" {
					t.Errorf("after %v of silence, twice: %s %q, want 200 \"first last\"", idle, res.Status, s)
				}
			})
			if at.h2 {
				t.Run("bidirectional/"+at.name, func(t *testing.T) {
					t.Parallel()
					r, w := io.Pipe()
					res := at.patient(t, http.MethodPost, "/bidi", r)
					time.Sleep(idle)
					io.WriteString(w, "late\n")
					w.Close()
					if s := body(t, res); s != "echo late\n" {
						t.Errorf("a request silent for %v = %q, want \"echo late\"", idle, s)
					}
				})
			}
		}
		t.Run("WebSocket", func(t *testing.T) {
			t.Parallel()
			silentWebSocket(t, d)
		})
		t.Run("opaque tunnel", func(t *testing.T) {
			t.Parallel()
			silentTunnel(t)
		})
	})
}

// patient is do with five minutes.
func (at door) patient(t testing.TB, method, path string, body io.Reader) *http.Response {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, method, at.base+path, body)
	if err != nil {
		t.Fatal(err)
	}
	res, err := at.http.Do(r)
	if err != nil {
		t.Fatalf("%s %s = %v", method, r.URL, err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}
