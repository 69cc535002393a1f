package intercept_test

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// TestMatrix sends every kind of exchange through every kind of tunnel.
func TestMatrix(t *testing.T) {
	p := startProxy(t)
	for _, outer := range []string{outerPlain, outerTLS, outerH2, outerUnix} {
		for _, inner := range []string{innerH1, innerH2, innerPlain, innerH2C} {
			t.Run(outer+"/"+inner, func(t *testing.T) {
				c, origin := p.client(t, outer, inner)
				h2 := inner == innerH2 || inner == innerH2C
				t.Run("get", func(t *testing.T) { testGet(t, c, origin, outer, inner, h2) })
				t.Run("sse", func(t *testing.T) { testSSE(t, c, origin) })
				t.Run("hints", func(t *testing.T) { testHints(t, c, origin) })
				t.Run("trailers", func(t *testing.T) { testTrailers(t, c, origin) })
				t.Run("upload", func(t *testing.T) { testUpload(t, c, origin) })
				t.Run("bidi", func(t *testing.T) { testBidi(t, c, origin) })
				t.Run("panic", func(t *testing.T) { testPanic(t, c, origin) })
				if !h2 {
					t.Run("websocket", func(t *testing.T) { testWebSocket(t, c, origin) })
				}
			})
		}
	}
	if got := p.warnings(); len(got) != 16 { // one "panic serving" for each cell
		t.Errorf("warnings = %d %q, want 16 panics", len(got), got)
	}
}

func get(t testing.TB, c *http.Client, url string) *http.Response {
	t.Helper()
	resp, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

func whoIs(t testing.TB, c *http.Client, origin string) (w who) {
	t.Helper()
	resp := get(t, c, origin+"/who")
	if err := json.NewDecoder(resp.Body).Decode(&w); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	return w
}

func testGet(t *testing.T, c *http.Client, origin, outer, inner string, h2 bool) {
	got := whoIs(t, c, origin)
	want := who{Proto: "HTTP/1.1", Host: "api.example.com", TunnelHost: "api.example.com", TunnelPort: "80", Remote: got.Remote}
	if h2 {
		want.Proto = "HTTP/2.0"
	}
	if strings.HasPrefix(origin, "https") {
		want.TunnelPort, want.SNI, want.TLS, want.Resumed = "443", "api.example.com", true, got.Resumed
	}
	if got != want {
		t.Errorf("GET /who = %+v, want %+v", got, want)
	}
	if host, _, err := net.SplitHostPort(got.Remote); outer != outerUnix && (err != nil || host != "127.0.0.1") {
		t.Errorf("remote address = %q, want the client's", got.Remote)
	}
	if again := whoIs(t, c, origin); again.Remote != got.Remote {
		t.Errorf("the second request came from %s, the first from %s: no keep-alive", again.Remote, got.Remote)
	}
}

func testSSE(t *testing.T, c *http.Client, origin string) {
	resp := get(t, c, origin+"/sse?n=3&ms=20")
	s := bufio.NewScanner(resp.Body)
	var got []string
	for s.Scan() {
		if s.Text() != "" {
			got = append(got, s.Text())
		}
	}
	if want := "data: 0 data: 1 data: 2"; strings.Join(got, " ") != want || s.Err() != nil {
		t.Errorf("events = %q, %v, want %q", got, s.Err(), want)
	}
}

func testHints(t *testing.T, c *http.Client, origin string) {
	r, _ := http.NewRequest(http.MethodGet, origin+"/hints", nil)
	var codes []int
	r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(code int, h textproto.MIMEHeader) error { codes = append(codes, code); return nil },
	}))
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	if len(codes) != 1 || codes[0] != http.StatusEarlyHints || string(body) != "hinted" {
		t.Errorf("1xx = %v, body %q, want [103], hinted", codes, body)
	}
}

func testTrailers(t *testing.T, c *http.Client, origin string) {
	r, _ := http.NewRequest(http.MethodPost, origin+"/trailers", io.MultiReader(strings.NewReader("x")))
	r.Trailer = http.Header{"Sent": {"17"}}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	if got := resp.Trailer.Get("Checksum"); got != "sum of 17" {
		t.Errorf("trailer = %q, want sum of 17", got)
	}
}

func testUpload(t *testing.T, c *http.Client, origin string) {
	body := make([]byte, 3<<20+17)
	_, _ = rand.Read(body)
	resp, err := c.Post(origin+"/echo", "application/octet-stream", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(resp.Body)
	if !bytes.Equal(got, body) || err != nil {
		t.Errorf("echo of %d bytes = %d bytes, %v; want the same", len(body), len(got), err)
	}
}

// testBidi has the answer to the first message before it sends the second.
func testBidi(t *testing.T, c *http.Client, origin string) {
	body, send := io.Pipe()
	r, _ := http.NewRequest(http.MethodPost, origin+"/bidi", body)
	go func() { _, _ = io.WriteString(send, "one") }()
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"one", "two", "three"} {
		if word != "one" {
			_, _ = io.WriteString(send, word)
		}
		got := make([]byte, len(word)+1)
		if _, err := io.ReadFull(resp.Body, got); string(got) != word+"!" || err != nil {
			t.Fatalf("answer = %q, %v, want %s!", got, err, word)
		}
	}
	_ = send.Close()
	if rest, err := io.ReadAll(resp.Body); len(rest) > 0 || err != nil {
		t.Errorf("end = %q, %v, want nothing", rest, err)
	}
}

func testPanic(t *testing.T, c *http.Client, origin string) {
	if resp, err := c.Get(origin + "/panic"); err == nil {
		t.Errorf("GET /panic = %s, want an error", resp.Status)
	}
	whoIs(t, c, origin) // and the proxy lives
}

func testWebSocket(t *testing.T, c *http.Client, origin string) {
	ws, _, err := websocket.Dial(t.Context(), origin+"/ws", &websocket.DialOptions{HTTPClient: &http.Client{Transport: c.Transport}})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []string{"hello", strings.Repeat("x", 20_000)} {
		if err := ws.Write(t.Context(), websocket.MessageText, []byte(m)); err != nil {
			t.Fatal(err)
		}
		if _, got, err := ws.Read(t.Context()); string(got) != m || err != nil {
			t.Errorf("echo of %d bytes = %d bytes, %v", len(m), len(got), err)
		}
	}
	// The service may close the connection before our TLS has said goodbye.
	_ = ws.Close(websocket.StatusNormalClosure, "")
}
