package upstream

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"
)

// tape is a connection on which an answer has already come, in pieces.
type tape struct {
	net.Conn // nil: nothing else is called
	in       []byte
	piece    int
	closed   bool
	out      bytes.Buffer
}

func (c *tape) Read(p []byte) (int, error) {
	if len(c.in) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), c.piece)], c.in)
	c.in = c.in[n:]
	return n, nil
}

func (c *tape) Write(p []byte) (int, error) { return c.out.Write(p) }
func (c *tape) Close() error                { c.closed = true; return nil }

// FuzzAnswer reads whatever a service may send, and compares with what net/http
// reads: never more is taken as an answer, and what is taken is the same. A
// connection is kept only after an answer that is whole.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		ok, "HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\nto the end",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: T\r\n\r\n3\r\nabc\r\n0\r\nT: v\r\n\r\n",
		"HTTP/1.1 103 Hints\r\nLink: a\r\n\r\n" + ok, ok + ok, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 200\nX : y\n\n", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
	} {
		f.Add([]byte(s), "GET", uint8(7))
		f.Add([]byte(s), "HEAD", uint8(1))
	}
	tr := New(&http.Transport{MaxIdleConnsPerHost: 1}, true)
	f.Fuzz(func(t *testing.T, answer []byte, method string, piece uint8) {
		if method != "HEAD" {
			method = "GET"
		}
		req, _ := http.NewRequest(method, "http://service.example/", nil)
		want, wantBody, wantErr := byNetHTTP(answer, req)
		c := &tape{in: bytes.Clone(answer), piece: int(piece) + 1}
		m, err := compose(req)
		if err != nil {
			t.Fatal(err)
		}
		at := newConn(place{addr: "service.example:80"}, c)
		kept := false
		res, err := at.exchange(tr, req, m, nil)
		var body []byte
		if err == nil {
			body, err = io.ReadAll(res.Body)
			kept = tr.idle() > 0
			tr.pool.pop(at.place)
		}
		switch {
		case err != nil && (wantErr == nil && !stricter(want)):
			t.Fatalf("error %v where net/http has none", err)
		case err != nil:
			if kept {
				t.Fatal("kept after an error")
			}
			return
		case wantErr != nil:
			t.Fatalf("no error where net/http has %v", wantErr)
		}
		if res.StatusCode != want.StatusCode || !bytes.Equal(body, wantBody) || !reflect.DeepEqual(res.Trailer, want.Trailer) || res.ContentLength != want.ContentLength {
			t.Fatalf("got %d %q, net/http %d %q", res.StatusCode, body, want.StatusCode, wantBody)
		}
		for name, vs := range res.Header {
			if !reflect.DeepEqual(vs, want.Header[name]) {
				t.Fatalf("header %q: %q, net/http %q", name, vs, want.Header[name])
			}
		}
		if kept && (res.Close || c.closed) {
			t.Fatalf("kept, although close is %v and closed %v", res.Close, c.closed)
		}
	})
}

// stricter are the answers that net/http takes and we do not.
func stricter(res *http.Response) bool {
	return res.StatusCode < 100 || res.StatusCode == http.StatusSwitchingProtocols || cleanHeader(res.Header.Clone()) != nil
}

func byNetHTTP(answer []byte, req *http.Request) (*http.Response, []byte, error) {
	br := bufio.NewReaderSize(bytes.NewReader(answer), readerSize)
	for range maxInformational {
		res, err := http.ReadResponse(br, req)
		if err != nil {
			return nil, nil, err
		}
		if res.StatusCode >= 100 && res.StatusCode < 200 && res.StatusCode != 101 {
			continue
		}
		body, err := io.ReadAll(res.Body)
		return res, body, err
	}
	return nil, nil, errors.New("too many")
}

// FuzzHead writes requests and compares with net/http's bytes. What net/http
// would write and we refuse must be ambiguous; what we write reads as one request.
func FuzzHead(f *testing.F) {
	f.Add("GET", "/a?b=c", "example.com", "X-A", "v", "", "")
	f.Add("POST", "/", "example.com", "content-length", "3", "T", "v")
	f.Add("PUT", "/a b", "h", "Transfer-Encoding", "chunked", "Content-Length", "1")
	f.Add("G T", "/%00", "h\r\nX: y", "User-Agent", "", "", "")
	f.Fuzz(func(t *testing.T, method, uri, host, name, value, trailer, body string) {
		u, err := url.ParseRequestURI(uri)
		if err != nil || u.Opaque != "" || u.Host != "" || method == http.MethodConnect {
			return
		}
		u.Scheme, u.Host = "http", "service.example:80"
		req := &http.Request{Method: method, URL: u, Host: host, Header: http.Header{name: {value}}, ProtoMajor: 1, ProtoMinor: 1}
		if req.Header["User-Agent"] == nil {
			req.Header["User-Agent"] = []string{""}
		}
		if body != "" {
			req.ContentLength = int64(len(body))
			if trailer != "" {
				req.ContentLength, req.Trailer = -1, http.Header{trailer: {"v"}}
			}
		}
		if !ordinary(req.WithContext(context.Background())) {
			return
		}
		var got bytes.Buffer
		if err := whole(&got, req, body); err != nil {
			return // refused
		}
		var want bytes.Buffer
		req.Body = io.NopCloser(strings.NewReader(body))
		if body == "" {
			req.Body = nil
		}
		if err := req.Write(&want); err != nil {
			t.Fatalf("written, and net/http refuses it: %v\n%q", err, got.String())
		}
		if !bytes.Equal(got.Bytes(), want.Bytes()) && isASCII(host) {
			t.Fatalf("got\n%q, net/http writes\n%q", got.String(), want.String())
		}
		br := bufio.NewReader(&got)
		read, err := http.ReadRequest(br)
		if err != nil {
			return // net/http's server is stricter about hosts
		}
		b, err := io.ReadAll(read.Body)
		if err != nil || string(b) != body || br.Buffered() > 0 {
			t.Fatalf("read back: body %q, want %q; error %v; %d bytes are left", b, body, err, br.Buffered())
		}
	})
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 })
}

// whole is all that is written for a request with that body.
func whole(b *bytes.Buffer, req *http.Request, body string) error {
	if body != "" {
		req.Body = io.NopCloser(io.MultiReader(strings.NewReader(body)))
	}
	m, err := compose(req)
	if err != nil {
		return err
	}
	defer m.release()
	c := &tape{}
	if !m.stream {
		_, err = b.Write(m.out.Bytes())
		return err
	}
	s := &sending{done: make(chan struct{}), goOn: make(chan bool, 1)}
	s.goOn <- true
	newConn(place{}, c).send(New(&http.Transport{ExpectContinueTimeout: time.Second}, true), m, req, s)
	b.Write(c.out.Bytes())
	return s.err
}
