package upstream

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// echo answers with what it got, in the way that the path names.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	h := w.Header()
	h.Set("Got", fmt.Sprint(r.Method, " ", r.RequestURI, " ", r.ContentLength, " ", r.TransferEncoding, " ", len(body), " ", err, " ", r.Trailer))
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		h.Add("Got-Header", name+"="+strings.Join(r.Header[name], "|"))
	}
	kind, arg, _ := strings.Cut(r.URL.Path[1:], "/")
	n, _ := strconv.Atoi(arg)
	switch kind {
	case "status":
		w.WriteHeader(n)
	case "length":
		h.Set("Content-Length", arg)
		w.Write(bytes.Repeat([]byte("x"), n))
	case "chunks":
		h.Set("Trailer", "Known")
		for range n {
			w.Write(bytes.Repeat([]byte("y"), 1000))
			http.NewResponseController(w).Flush()
		}
		h.Set("Known", "1")
		h.Set(http.TrailerPrefix+"Surprise", "2")
	case "hints":
		for i := range n {
			h.Set("Link", fmt.Sprint("<", i, ">"))
			w.WriteHeader(103)
		}
		w.Write([]byte("after"))
	case "close":
		h.Set("Connection", "close")
		w.Write([]byte("bye"))
	}
}

// seen is what a caller sees of an exchange.
type seen struct {
	Status       int
	Proto        string
	Length       int64
	Header       http.Header
	Trailer      http.Header
	Body, Errors string
	Hints        []string
}

func see(tr http.RoundTripper, req *http.Request) (s seen) {
	trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		s.Hints = append(s.Hints, fmt.Sprint(code, h))
		return nil
	}}
	res, err := tr.RoundTrip(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
	if err != nil {
		return seen{Errors: err.Error()}
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	res.Header.Del("Date")
	s.Status, s.Proto, s.Length, s.Header, s.Trailer, s.Body = res.StatusCode, res.Proto, res.ContentLength, res.Header, res.Trailer, string(b)
	if err != nil {
		s.Errors = err.Error()
	}
	return s
}

// TestSameAsNetHTTP sends the same requests by net/http and by ourselves, again
// and again over the same connections: services and callers see no difference.
func TestSameAsNetHTTP(t *testing.T) {
	type request struct {
		method, path string
		body         func() io.Reader
		length       int64
		header       http.Header
		trailer      http.Header
	}
	text := func(n int) func() io.Reader {
		return func() io.Reader { return io.MultiReader(strings.NewReader(strings.Repeat("b", n))) }
	}
	long := http.Header{"X-Long": {strings.Repeat("a", maxWhole)}} // no body follows in the same piece
	requests := []request{
		{"GET", "/length/0", nil, 0, nil, nil},
		{"GET", "/length/100?q=%20a+b&c", nil, 0, http.Header{"Accept": {"a", "b"}, "X-Lower": {" trimmed "}, "Te": {"trailers"}}, nil},
		{"", "/length/5", nil, 0, http.Header{"User-Agent": {"sdk/1"}}, nil},
		{"HEAD", "/length/100", nil, 0, nil, nil},
		{"GET", "/length/3000000", nil, 0, nil, nil},
		{"GET", "/chunks/0", nil, 0, nil, nil},
		{"GET", "/chunks/20", nil, 0, nil, nil},
		{"GET", "/status/204", nil, 0, nil, nil},
		{"GET", "/status/304", nil, 0, nil, nil},
		{"GET", "/status/999", nil, 0, nil, nil},
		{"GET", "/hints/3", nil, 0, nil, nil},
		{"GET", "/close", nil, 0, nil, nil},
		{"OPTIONS", "/a%2Fb//c", nil, 0, nil, nil},
		{"DELETE", "/status/200", nil, 0, nil, nil},
		{"POST", "/length/10", nil, 0, nil, nil},
		{"POST", "/length/10", text(10), 10, http.Header{"Content-Type": {"text/plain"}}, nil},
		{"PUT", "/length/10", text(maxWhole + 1), maxWhole + 1, nil, nil},
		{"POST", "/length/10", text(3_000_000), 3_000_000, nil, nil},
		{"POST", "/length/10", text(3_000_000), -1, nil, nil},
		{"POST", "/length/10", text(0), -1, nil, nil},
		{"POST", "/length/10", text(500), -1, nil, http.Header{"X-Sum": {"1"}, "B": {"2", "3"}}},
		{"PUT", "/length/10", text(200_000), 200_000, http.Header{"Expect": {"100-continue"}}, nil},
		{"PUT", "/length/10", text(20), 20, http.Header{"Expect": {"100-continue"}}, nil},
		{"GET", "/length/10", text(20), 20, nil, nil},
		{"GET", "/length/10", text(20), -1, nil, nil},
		{"GET", "/length/10", nil, 0, long, nil},
		{"GET", "/length/10?" + strings.Repeat("q", maxWhole), nil, 0, nil, nil},
		{"HEAD", "/length/10", nil, 0, long, nil},
		{"POST", "/length/10", nil, 0, long, nil},
		{"POST", "/length/10", text(20), 20, long, nil},
		{"POST", "/length/10", text(20), -1, long, nil},
		{"PUT", "/length/10", nil, 0, http.Header{"Expect": {"100-continue"}}, nil},
	}
	for _, secure := range []bool{false, true} {
		svc := httptest.NewUnstartedServer(http.HandlerFunc(echo))
		if secure {
			svc.StartTLS()
		} else {
			svc.Start()
		}
		defer svc.Close()
		ours := newTransport(t, func(tr *http.Transport) {
			if secure {
				tr.TLSClientConfig = svc.Client().Transport.(*http.Transport).TLSClientConfig
			}
		})
		make := func(r request) *http.Request {
			var body io.Reader
			if r.body != nil {
				body = r.body()
			}
			req, err := http.NewRequest(r.method, svc.URL+r.path, body)
			if err != nil {
				t.Fatal(err)
			}
			req.ContentLength, req.Trailer = r.length, r.trailer
			if r.header != nil {
				req.Header = r.header.Clone()
			}
			if req.Header["User-Agent"] == nil {
				req.Header["User-Agent"] = []string{""}
			}
			return req
		}
		for round := range 2 {
			for i, r := range requests {
				want, got := see(ours.std, make(r)), see(ours, make(r))
				if !reflect.DeepEqual(got, want) {
					t.Errorf("tls %v, round %d, request %d (%s %s):\n got %.600v\nwant %.600v", secure, round, i, r.method, r.path, got, want)
				}
			}
		}
		if n := ours.idle(); n != 1 {
			t.Errorf("tls %v: %d idle connections, want 1: one after the other needs no more", secure, n)
		}
	}
}

func TestTLSPlaces(t *testing.T) {
	svc := httptest.NewUnstartedServer(http.HandlerFunc(echo))
	svc.EnableHTTP2 = true
	svc.StartTLS()
	defer svc.Close()
	tr := newTransport(t, func(tr *http.Transport) {
		tr.TLSClientConfig = svc.Client().Transport.(*http.Transport).TLSClientConfig
	})
	req := func(body string) *http.Request {
		r, _ := http.NewRequest("POST", svc.URL+"/length/3", strings.NewReader(body))
		return r
	}
	for range 2 {
		if res, _ := mustGet(t, tr, req("a")); res.ProtoMajor != 2 {
			t.Errorf("a service that has HTTP/2 was asked by %s", res.Proto)
		}
	}
	// A place that spoke HTTP/1.1 and learns HTTP/2 is noticed when it is dialled.
	addr := strings.TrimPrefix(svc.URL, "https://")
	tr.seen.set(addr, http1)
	res, _ := mustGet(t, tr, req("the body"))
	if res.ProtoMajor != 2 || !strings.Contains(res.Header.Get("Got"), " 8 ") {
		t.Errorf("%s, the service got %q; want HTTP/2.0 and the whole body", res.Proto, res.Header.Get("Got"))
	}
	if v := tr.seen.of(addr); v != http2 {
		t.Errorf("remembered version %d, want HTTP/2", v)
	}
}
