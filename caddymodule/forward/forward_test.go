package forward

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"reflect"
	"strings"
	"testing"
)

func TestOnward(t *testing.T) {
	tests := []struct {
		name     string
		in, want http.Header
	}{
		{"hop by hop", http.Header{"Connection": {"keep-alive, X-Mine", "x-other"}, "X-Mine": {"1"}, "X-Other": {"1"}, "Keep-Alive": {"5"}, "Proxy-Connection": {"x"},
			"Proxy-Authorization": {"x"}, "Te": {"gzip"}, "Trailer": {"X"}, "Transfer-Encoding": {"chunked"}, "Upgrade": {"x"}, "Accept": {"*/*"}, "User-Agent": {"a"}},
			http.Header{"Accept": {"*/*"}, "User-Agent": {"a"}}},
		{"no user agent", http.Header{}, http.Header{"User-Agent": {""}}},
		{"trailers are taken", http.Header{"Te": {"gzip, trailers"}, "User-Agent": {"a"}}, http.Header{"Te": {"trailers"}, "User-Agent": {"a"}}},
		{"connection names te", http.Header{"Connection": {"TE"}, "Te": {"trailers"}, "User-Agent": {"a"}}, http.Header{"Te": {"trailers"}, "User-Agent": {"a"}}},
	}
	for _, test := range tests {
		r := &http.Request{Header: test.in}
		if Onward(r); !reflect.DeepEqual(r.Header, test.want) {
			t.Errorf("%s: %v, want %v", test.name, r.Header, test.want)
		}
	}
}

func TestOnwardBody(t *testing.T) {
	body := func() io.ReadCloser { return io.NopCloser(strings.NewReader("x")) }
	for _, test := range []struct {
		name    string
		r       http.Request
		length  int64
		hasBody bool
	}{
		{"none", http.Request{Body: http.NoBody}, 0, false},
		{"empty", http.Request{Body: body()}, 0, false},
		{"known", http.Request{Body: body(), ContentLength: 1}, 1, true},
		{"unknown", http.Request{Body: body(), ContentLength: -1}, -1, true},
		{"known, with trailers", http.Request{Body: body(), ContentLength: 1, Trailer: http.Header{"X": nil}}, -1, true},
	} {
		test.r.Header = http.Header{}
		if Onward(&test.r); test.r.ContentLength != test.length || (test.r.Body != nil) != test.hasBody {
			t.Errorf("%s: length %d, body %v", test.name, test.r.ContentLength, test.r.Body)
		}
	}
}

func TestUpgrades(t *testing.T) {
	for _, test := range []struct {
		method string
		h      http.Header
		want   bool
	}{
		{"GET", http.Header{"Connection": {"keep-alive, Upgrade"}, "Upgrade": {"websocket"}}, true},
		{"GET", http.Header{"Upgrade": {"websocket"}}, false},
		{"GET", http.Header{"Connection": {"Upgrade"}}, false},
		{"CONNECT", http.Header{":protocol": {"websocket"}}, true},
	} {
		if got := Upgrades(&http.Request{Method: test.method, Header: test.h}); got != test.want {
			t.Errorf("%s %v: %v, want %v", test.method, test.h, got, test.want)
		}
	}
}

// pieces is a body of which some can be read without waiting.
type pieces struct {
	parts []string
	ready []int // before each read
	err   error
}

func (p *pieces) Buffered() int {
	if len(p.ready) == 0 {
		return 0
	}
	return p.ready[0]
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.ready) > 0 {
		p.ready = p.ready[1:]
	}
	if len(p.parts) == 0 {
		return 0, p.err
	}
	n := copy(b, p.parts[0])
	p.parts = p.parts[1:]
	return n, nil
}

func (p *pieces) Close() error { return nil }

// flushing counts flushes.
type flushing struct {
	*httptest.ResponseRecorder
	at []int // how much was written at each flush
}

func (f *flushing) Flush() { f.at = append(f.at, f.Body.Len()); f.ResponseRecorder.Flush() }

// TestFlushes: what was written is flushed before anything is waited for, and
// not more often.
func TestFlushes(t *testing.T) {
	for _, test := range []struct {
		name   string
		length int64
		kind   string
		ready  []int
		want   []int
	}{
		{"a known length", 6, "image/png", nil, nil},
		{"events of known length", 6, "Text/Event-Stream; charset=utf-8", nil, []int{0, 3, 6}},
		{"unknown length", -1, "", nil, []int{0, 3, 6}},
		{"all is there", -1, "", []int{9, 9, 9}, nil},
		{"the second has to be waited for", -1, "", []int{9, 0, 9}, []int{3}},
	} {
		w := &flushing{ResponseRecorder: httptest.NewRecorder()}
		res := &http.Response{StatusCode: 200, ProtoMajor: 1, ProtoMinor: 1, ContentLength: test.length, Header: http.Header{"Content-Type": {test.kind}, "Connection": {"X-Hop"}, "X-Hop": {"1"}},
			Body: &pieces{parts: []string{"one", "two"}, ready: test.ready, err: io.EOF}}
		w.Header().Set("Server", "Caddy")
		if err := Answer(w, res); err != nil {
			t.Error(test.name, err)
		}
		if !reflect.DeepEqual(w.at, test.want) || w.Body.String() != "onetwo" {
			t.Errorf("%s: flushed at %v, want %v; body %q", test.name, w.at, test.want, w.Body)
		}
		if h := w.Header(); h.Get("Via") != "1.1 Caddy" || h.Get("X-Hop")+h.Get("Connection")+h.Get("Server") != "" {
			t.Errorf("%s: headers %v", test.name, h)
		}
	}
}

func TestAnswerBreaksOff(t *testing.T) {
	broken := errors.New("the service broke off")
	for _, length := range []int64{10, -1} {
		res := &http.Response{StatusCode: 200, ContentLength: length, Header: http.Header{}, Body: &pieces{parts: []string{"one"}, err: broken}}
		if err := Answer(httptest.NewRecorder(), res); !errors.Is(err, broken) {
			t.Errorf("length %d: error %v, want the service's", length, err)
		}
	}
}

func TestInformational(t *testing.T) {
	w := httptest.NewRecorder()
	w.Header().Set("Own", "1")
	ctx, i := Watch(t.Context(), w)
	got := httptrace.ContextClientTrace(ctx).Got1xxResponse
	for n := range maxInformational {
		if err := got(103, map[string][]string{"Link": {"</a>"}, "Connection": {"X"}}); err != nil {
			t.Fatalf("after %d: %v", n, err)
		}
	}
	if len(w.Header()) != 1 || w.Header().Get("Own") != "1" {
		t.Errorf("headers of the final answer: %v, want our own alone", w.Header())
	}
	if err := got(103, nil); err == nil {
		t.Error("they go on for ever")
	}
	fresh := httptest.NewRecorder()
	ctx, _ = Watch(t.Context(), fresh)
	if err := httptrace.ContextClientTrace(ctx).Got1xxResponse(101, nil); err != nil || fresh.Code != 200 {
		t.Errorf("a 101 among them: %d, %v, want it left out", fresh.Code, err)
	}
	i.Over()
	if err := got(103, nil); err != nil {
		t.Errorf("after the final answer: %v", err)
	}
}
