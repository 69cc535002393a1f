package integration_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"strings"
	"testing"
	"time"
)

// door is a way to the demo service, with a client that takes it.
type door struct {
	name string
	base string // what a path is appended to
	http *http.Client
	h2   bool // HTTP/2 between the client and the proxy
}

// doors are the ways that differ in how bytes travel.
func (d *demo) doors(t testing.TB) []door {
	return []door{
		{"base URL", d.URL + "/demo", d.plainClient(t), false},
		{"absolute form", "http://demo.test", d.goClient(t, false), false},
		{"CONNECT, HTTP1 inside", "https://demo.test", d.goClient(t, false), false},
		{"CONNECT, HTTP2 inside", "https://demo.test", d.goClient(t, true), true},
		{"CONNECT over HTTP2, HTTP2 inside", "https://demo.test", d.h2TunnelClient(t, "h2"), true},
		{"CONNECT over HTTP2, HTTP1 inside", "https://demo.test", d.h2TunnelClient(t, "http/1.1"), false},
	}
}

// plainClient goes straight to the listener.
func (a *attache) plainClient(t testing.TB) *http.Client {
	tr := &http.Transport{Proxy: nil, DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// eachDoor runs a test at every door of one proxy.
func eachDoor(t *testing.T, d *demo, test func(t *testing.T, at door)) {
	for _, at := range d.doors(t) {
		t.Run(at.name, func(t *testing.T) { test(t, at) })
	}
}

// eachDoorAndProtocol does so with HTTP/2 and with HTTP/1.1 to the service.
func eachDoorAndProtocol(t *testing.T, test func(t *testing.T, at door)) {
	eachProtocol(t, func(t *testing.T, d *demo) { eachDoor(t, d, test) })
}

// get is GET with a deadline of 30 s.
func (at door) get(t testing.TB, path string) *http.Response {
	t.Helper()
	return at.do(t, http.MethodGet, path, nil, nil)
}

// do sends a request whose answer has 30 s, body included.
func (at door) do(t testing.TB, method, path string, body io.Reader, change func(*http.Request)) *http.Response {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, method, at.base+path, body)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(r)
	}
	res, err := at.http.Do(r)
	if err != nil {
		t.Fatalf("%s %s = %v", method, r.URL, err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}

// body reads an answer to its end.
func body(t testing.TB, res *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Errorf("reading the body: %v after %q", err, clip(string(b)))
	}
	return string(b)
}

// Each event is there when it was sent, not when the next one or the end comes:
// the service sends the next one when this one has arrived.
func TestServerSentEvents(t *testing.T) {
	eachDoorAndProtocol(t, func(t *testing.T, at door) {
		read := make(chan time.Time, 4)
		gates.Store(t.Name(), read)
		defer gates.Delete(t.Name())
		res := at.get(t, "/events?n=4&gate="+url.QueryEscape(t.Name()))
		if got := res.Header.Get("Content-Type"); got != "text/event-stream" {
			t.Errorf("Content-Type = %q", got)
		}
		lines := bufio.NewScanner(res.Body)
		for i := 0; i < 4; {
			if !lines.Scan() { // also where the deadline ends it
				t.Fatalf("event %d of 4 did not come: %v", i, lines.Err())
			}
			if lines.Text() != "" {
				i++
				read <- time.Now()
			}
		}
	})
}

// uploaded is what the service says of an upload.
type uploaded struct {
	Bytes   int64
	Sum     uint64
	Length  int64
	Spread  int64 // ms
	Trailer map[string]string
}

// A chunked upload goes on as its parts are written, with its trailer.
func TestChunkedUpload(t *testing.T) {
	eachDoorAndProtocol(t, func(t *testing.T, at door) {
		got := uploadParts(t, at)
		for try := 0; got.Spread < 100 && try < 4; try++ { // of 450; less where the first connection took its time
			got = uploadParts(t, at)
		}
		if got.Spread < 100 {
			t.Errorf("the parts reached the service within %d ms, want at least 100: the upload was buffered", got.Spread)
		}
	})
}

// uploadParts sends four parts, apart in time, and says what the service saw.
func uploadParts(t *testing.T, at door) (got uploaded) {
	t.Helper()
	r, w := io.Pipe()
	go func() {
		for range 4 {
			io.WriteString(w, "some part of it ")
			time.Sleep(150 * time.Millisecond)
		}
		w.Close()
	}()
	res := at.do(t, http.MethodPost, "/upload", r, func(r *http.Request) {
		r.ContentLength = -1
		r.Trailer = http.Header{"X-Sum": {"abc"}}
	})
	if s := body(t, res); json.Unmarshal([]byte(s), &got) != nil {
		t.Fatalf("status %s, body %s", res.Status, s)
	}
	if got.Bytes != 64 || got.Length != -1 {
		t.Errorf("the service got %d bytes with length %d, want 64 of unknown length", got.Bytes, got.Length)
	}
	if got.Trailer["X-Sum"] != "abc" {
		t.Errorf("trailers of the request = %v, want X-Sum: abc", got.Trailer)
	}
	return got
}

func TestTrailers(t *testing.T) {
	eachDoorAndProtocol(t, func(t *testing.T, at door) {
		res := at.do(t, http.MethodGet, "/trailers", nil, func(r *http.Request) { r.Header.Set("TE", "trailers") })
		if s := body(t, res); s != "body" {
			t.Errorf("body = %q", s)
		}
		if got := res.Trailer.Get("X-Checksum"); got != "abc" {
			t.Errorf("announced trailer X-Checksum = %q, want abc; all: %v", got, res.Trailer)
		}
		if got := res.Trailer.Get("X-Late"); got != "yes" {
			t.Errorf("trailer X-Late that was not announced = %q, want yes; all: %v", got, res.Trailer)
		}
		if got := res.Trailer.Get("X-Echo"); !strings.HasPrefix(got, "Bearer ***") || strings.Contains(got, demoToken) {
			t.Errorf("a trailer that echoes the credential = %q", got)
		}
		for _, name := range notTrailers {
			if len(res.Trailer[name])+len(res.Header[name]) > 0 {
				t.Errorf("the service's trailer %s passed: %v, head %v", name, res.Trailer, res.Header)
			}
		}
	})
}

func TestEarlyHints(t *testing.T) {
	eachDoorAndProtocol(t, func(t *testing.T, at door) {
		var hinted []string
		trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			hinted = append(hinted, fmt.Sprint(code, " ", h.Get("Link")))
			return nil
		}}
		res := at.do(t, http.MethodGet, "/hints", nil, func(r *http.Request) {
			*r = *r.WithContext(httptrace.WithClientTrace(r.Context(), trace))
		})
		if s := body(t, res); s != "after the hints" {
			t.Errorf("body = %q", s)
		}
		if got := strings.Join(hinted, ", "); got != "103 </style.css>; rel=preload" {
			t.Errorf("1xx answers = %q, want one 103 with its Link", got)
		}
	})
}

// Expect: 100-continue is answered by the service: a refusal comes before the
// body was sent, a 100 lets it through.
func TestExpectContinue(t *testing.T) {
	eachProtocol(t, func(t *testing.T, d *demo) {
		for _, at := range d.doors(t) {
			if at.h2 {
				continue // the header means nothing there to Go's client
			}
			t.Run(at.name, func(t *testing.T) {
				at.http.Transport.(*http.Transport).ExpectContinueTimeout = 5 * time.Second
				sent := &countingReader{r: strings.NewReader(strings.Repeat("x", 1<<20))}
				res := at.do(t, http.MethodPost, "/status/403", sent, func(r *http.Request) {
					r.Header.Set("Expect", "100-continue")
					r.ContentLength = 1 << 20
				})
				if res.StatusCode != 403 || sent.n != 0 {
					t.Errorf("a refused upload = %s after %d bytes of body, want 403 after none", res.Status, sent.n)
				}
				res = at.do(t, http.MethodPost, "/status/403", sent, func(r *http.Request) {
					r.Header.Set("Expect", "100-continue")
					r.Header.Set("Attache-Account", "nobody") // our own refusal
					r.ContentLength = 1 << 20
				})
				if res.StatusCode != 404 || sent.n != 0 {
					t.Errorf("an upload that we refuse = %s after %d bytes of body, want 404 after none", res.Status, sent.n)
				}
				res = at.do(t, http.MethodPost, "/upload", strings.NewReader("accepted"), func(r *http.Request) {
					r.Header.Set("Expect", "100-continue")
				})
				if s := body(t, res); !strings.Contains(s, `"bytes":8`) {
					t.Errorf("an accepted upload = %s %s", res.Status, s)
				}
			})
		}
	})
}

type countingReader struct {
	r io.Reader
	n int
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

// Answers without a body, and parts of one.
func TestBodilessAndRange(t *testing.T) {
	eachDoorAndProtocol(t, func(t *testing.T, at door) {
		for _, code := range []int{204, 304} {
			res := at.get(t, fmt.Sprintf("/status/%d", code))
			if s := body(t, res); res.StatusCode != code || s != "" || res.Header.Get("ETag") != `"v1"` {
				t.Errorf("%d came as %s, ETag %q, body %q", code, res.Status, res.Header.Get("ETag"), s)
			}
		}
		res := at.do(t, http.MethodHead, "/file", nil, nil)
		if s := body(t, res); res.StatusCode != 200 || res.ContentLength != 1<<20 || s != "" {
			t.Errorf("HEAD = %s, length %d, %d bytes of body; want 200, 1 MiB, none", res.Status, res.ContentLength, len(s))
		}
		res = at.do(t, http.MethodGet, "/file", nil, func(r *http.Request) { r.Header.Set("Range", "bytes=1000-1007") })
		got := body(t, res)
		want := make([]byte, 8)
		(&pattern{size: 1 << 20, at: 1000}).Read(want)
		if res.StatusCode != 206 || got != string(want) || res.Header.Get("Content-Range") != "bytes 1000-1007/1048576" {
			t.Errorf("range = %s, %q, %x; want 206 with %x", res.Status, res.Header.Get("Content-Range"), got, want)
		}
		res = at.do(t, http.MethodGet, "/file", nil, func(r *http.Request) { r.Header.Set("If-None-Match", `"v1"`) })
		if s := body(t, res); res.StatusCode != 304 || s != "" {
			t.Errorf("If-None-Match = %s with %q, want 304", res.Status, s)
		}
	})
}

// Both directions of one exchange at once, as gRPC does it (HTTP/2 only).
func TestBidirectional(t *testing.T) {
	d := newDemo(t)
	for _, at := range d.doors(t) {
		if !at.h2 {
			continue
		}
		t.Run(at.name, func(t *testing.T) {
			r, w := io.Pipe()
			defer w.Close()
			res := at.do(t, http.MethodPost, "/bidi", r, nil)
			in := bufio.NewReader(res.Body)
			for i := range 5 {
				fmt.Fprintf(w, "line %d\n", i)
				got, err := in.ReadString('\n')
				if want := fmt.Sprintf("echo line %d\n", i); got != want {
					t.Fatalf("answer %d = %q, %v, want %q", i, got, err, want)
				}
			}
			w.Close()
			io.Copy(io.Discard, in)
			if got := res.Trailer.Get("X-Status"); got != "done" {
				t.Errorf("trailer X-Status = %q, want done", got)
			}
		})
	}
}

// A client that hangs up ends the request at the service, and is no error in
// the proxy's log.
func TestClientHangsUp(t *testing.T) {
	eachProtocol(t, func(t *testing.T, d *demo) {
		for _, at := range d.doors(t) {
			t.Run(at.name, func(t *testing.T) {
				from := d.Log.Len()
				ended := make(chan struct{})
				before := len(d.Service.Requests())
				ctx, cancel := context.WithCancel(context.Background())
				r, _ := http.NewRequestWithContext(ctx, http.MethodGet, at.base+"/events?n=0&every=50ms", nil)
				res, err := at.http.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				io.ReadFull(res.Body, make([]byte, 10))
				cancel()
				res.Body.Close()
				go func() {
					for len(d.Service.Requests()) <= before || d.Service.open() > 0 {
						time.Sleep(10 * time.Millisecond)
					}
					close(ended)
				}()
				select {
				case <-ended:
				case <-time.After(10 * time.Second):
					t.Fatal("10 s after the client hung up the service still writes")
				}
				for line := range strings.Lines(d.Log.String()[from:]) {
					if strings.Contains(line, `"level":"error"`) {
						t.Errorf("an error in the log for a client that hung up: %s", line)
					}
				}
			})
		}
	})
}
