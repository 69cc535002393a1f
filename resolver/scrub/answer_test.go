package scrub

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

const canary = `canary/value+0123456789ABCDEF`

var canaries = New([]Needle{{Value: canary, Names: []string{"X-Key"}}})

// answer is a response as a transport gives it: trailers come at the end.
func answer(contentType, coding string, raw []byte, length bool) *http.Response {
	res := &http.Response{StatusCode: 200, ProtoMajor: 1, Header: http.Header{}, Trailer: http.Header{"X-End": nil, "X-" + canary: nil}, ContentLength: -1}
	if contentType != "" {
		res.Header.Set("Content-Type", contentType)
	}
	if coding != "" {
		res.Header.Set("Content-Encoding", coding)
	}
	if length {
		res.ContentLength, res.ProtoMajor = int64(len(raw)), 2 // HTTP/2 has trailers with a length too
		res.Header.Set("Content-Length", strconv.Itoa(len(raw)))
	}
	res.Body = &ending{bytes.NewReader(raw), func() {
		res.Trailer["X-End"] = []string{canary}
		res.Trailer["X-"+canary] = []string{"1"}
		res.Trailer["Grpc-Message"] = []string{strings.ReplaceAll(canary, "+", "%2B")} // not announced
		res.Trailer["Grpc-Status-Details-Bin"] = []string{base64.RawStdEncoding.EncodeToString([]byte("\x08\x02\x12" + canary))}
	}}
	return res
}

type ending struct {
	*bytes.Reader
	end func()
}

func (e *ending) Read(p []byte) (int, error) {
	n, err := e.Reader.Read(p)
	if err == io.EOF {
		e.end()
	}
	return n, err
}

func (e *ending) Close() error { return nil }

// encoded is plain in a content coding.
func encoded(t testing.TB, coding string, plain []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	var w io.WriteCloser
	switch coding {
	case "":
		return plain
	case "gzip", "x-gzip":
		w = gzip.NewWriter(&buf)
	case "deflate":
		w = zlib.NewWriter(&buf)
	case "raw deflate":
		w, _ = flate.NewWriter(&buf, 6)
	case "br":
		w = brotli.NewWriter(&buf)
	case "zstd":
		w, _ = zstd.NewWriter(&buf)
	}
	_, _ = w.Write(plain)
	_ = w.Close()
	return buf.Bytes()
}

func readAnswer(t testing.TB, res *http.Response) (string, error) {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return string(b), err
	}
	if coding := res.Header.Get("Content-Encoding"); coding != "" {
		r, err := inflating(coding, bytes.NewReader(b), windows[coding])
		if err != nil {
			t.Fatal(err)
		}
		b, err = io.ReadAll(r)
		return string(b), err
	}
	return string(b), nil
}

func hasCanary(h http.Header) bool {
	for name, vs := range h {
		for _, v := range append(vs, name) {
			low := strings.ToLower(v)
			if strings.Contains(low, strings.ToLower(canary)) || strings.Contains(low, "%2b0123456789") || strings.Contains(v, base64.RawStdEncoding.EncodeToString([]byte(canary))[4:20]) {
				return true
			}
		}
	}
	return false
}

// Every type that is not known to be no text is searched, in every coding; the
// trailers of every answer are, and the names of headers.
func TestEveryTypeAndCoding(t *testing.T) {
	plain := []byte(`{"a":"` + canary + `"}` + "\n" + strings.Repeat("filler text to make it long\n", 200))
	searched := []string{"", "application/json", "text/plain", "TEXT/HTML; charset=UTF-8", "message/http", "application/http", "multipart/mixed; boundary=x", "multipart/form-data", "application/sql",
		"application/jwt", "application/x-pem-file", "application/vnd.api+json", "image/svg+xml", "application/problem+xml", "nonsense", "a b/c; ;=", "application/vnd.acme.thing", "model/gltf+json",
		"text/event-stream", "application/x-ndjson", "image/png, text/plain", "image", "application/", "application/vnd.oasis.opendocument.text-flat-xml", "application/vnd.ms-x", "application/vnd.docker.raw-stream", "application/graphql-response+json", "application/javascript", "*/*", "application/x-yaml", "inode/x"}
	for _, contentType := range searched {
		for _, coding := range []string{"", "gzip", "x-gzip", "deflate", "raw deflate", "br", "zstd"} {
			for _, length := range []bool{true, false} {
				raw := encoded(t, coding, plain)
				res := answer(contentType, strings.TrimPrefix(coding, "raw "), raw, length)
				res.Header["X-"+canary] = []string{"<" + canary + ">"}
				found := new(atomic.Bool)
				if err := canaries.Answer(res, Options{Found: found}); err != nil {
					t.Errorf("%s, %s: %v", contentType, coding, err)
					continue
				}
				got, err := readAnswer(t, res)
				if err != nil || strings.Contains(got, canary) || len(got) != len(plain) || !found.Load() {
					t.Errorf("%s, %s, length %v: the agent got %.80q, %v", contentType, coding, length, got, err)
				}
				if hasCanary(res.Header) || hasCanary(res.Trailer) || len(res.Trailer) != 4 {
					t.Errorf("%s, %s, length %v: headers %v, trailers %v", contentType, coding, length, res.Header, res.Trailer)
				}
			}
		}
	}
	for _, types := range [][]string{{"image/png", "text/plain"}, {"text/plain", "image/png"}, {"image/png", ""}} {
		res := answer(types[0], "", plain, true)
		res.Header["Content-Type"] = types
		if err := canaries.Answer(res, Options{}); err != nil {
			t.Fatal(err)
		}
		if got, err := readAnswer(t, res); err != nil || strings.Contains(got, canary) {
			t.Errorf("with the types %q the agent got %.80q, %v", types, got, err)
		}
	}
	for _, contentType := range []string{"image/png", "application/zip", "application/grpc", "video/mp4", "application/grpc-web+proto"} {
		for _, length := range []bool{true, false} {
			res := answer(contentType, "", plain, length)
			if err := canaries.Answer(res, Options{}); err != nil {
				t.Fatal(err)
			}
			if got, _ := readAnswer(t, res); got != string(plain) {
				t.Errorf("%s was changed", contentType)
			}
			if hasCanary(res.Trailer) {
				t.Errorf("%s: trailers %v", contentType, res.Trailer)
			}
		}
	}
}

// What cannot be searched is refused where it is text, and passes where it is not.
func TestUnsearchable(t *testing.T) {
	plain := []byte(`{"a":"` + canary + `"}`)
	zipped := encoded(t, "gzip", plain)
	for name, c := range map[string]struct {
		coding string
		raw    []byte
	}{
		"plain that says gzip":    {"gzip", plain},
		"plain that says deflate": {"deflate", []byte("\xff\xff\xff" + canary)},
		"plain that says br":      {"br", plain},
		"plain that says zstd":    {"zstd", plain},
		"gzip twice":              {"gzip, gzip", encoded(t, "gzip", zipped)},
		"gzip in gzip":            {"gzip", encoded(t, "gzip", zipped)},
		"zstd in br":              {"br", encoded(t, "br", encoded(t, "zstd", plain))},
		"two codings":             {"gzip, br", encoded(t, "br", zipped)},
		"unknown":                 {"dcb", plain},
		"unknown, in two words":   {"identity, compress", plain},
		"cut off":                 {"gzip", zipped[:len(zipped)-9]},
		"with something behind":   {"gzip", append(bytes.Clone(zipped), plain...)},
		"zlib twice":              {"deflate", append(encoded(t, "deflate", []byte("first")), encoded(t, "deflate", plain)...)},
		"raw and plain":           {"deflate", append(encoded(t, "raw deflate", []byte("first")), plain...)},
		"zlib and plain":          {"deflate", append(encoded(t, "deflate", []byte("first")), plain...)},
		"a window too large":      {"zstd", []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xf8, 1, 0, 0, 'x'}},
	} {
		for _, contentType := range []string{"application/json", "", "text/event-stream", "message/http"} {
			for _, length := range []bool{true, false} {
				res := answer(contentType, c.coding, c.raw, length)
				err := canaries.Answer(res, Options{})
				if err == nil && (!length || contentType == "text/event-stream") { // the beginning was right, or is not waited for
					_, err = io.Copy(io.Discard, res.Body)
				}
				var blind *Unsearchable
				if !errors.As(err, &blind) {
					t.Errorf("%s as %q, length %v: %v, want it refused", name, contentType, length, err)
				}
			}
		}
		res := answer("image/png", c.coding, c.raw, true)
		if err := canaries.Answer(res, Options{}); err != nil {
			t.Errorf("%s as an image: %v", name, err)
		}
	}
	for _, empty := range []bool{true, false} { // an answer without a body is in every coding
		res := answer("application/json", "gzip", nil, empty)
		if err := canaries.Answer(res, Options{}); err != nil {
			t.Errorf("an empty answer: %v", err)
		} else if b, err := io.ReadAll(res.Body); len(b) > 0 || err != nil {
			t.Errorf("an empty answer: %q, %v", b, err)
		}
	}
}

// A short compressed answer without an echo passes byte for byte; one that
// becomes very long is searched as it goes on.
func TestInflated(t *testing.T) {
	raw := encoded(t, "gzip", []byte(`{"clean":true}`))
	res := answer("application/json", "gzip", raw, true)
	res.Header.Set("Etag", `"1"`)
	if err := canaries.Answer(res, Options{}); err != nil {
		t.Fatal(err)
	}
	if b, _ := io.ReadAll(res.Body); !bytes.Equal(b, raw) || res.Header.Get("Etag") == "" {
		t.Errorf("a clean answer changed")
	}
	long := append(bytes.Repeat([]byte(strings.Repeat(" ", 1023)+"\n"), maxBeside>>10+1), canary...)
	res = answer("application/json", "gzip", encoded(t, "gzip", long), true)
	held := 0
	err := canaries.Answer(res, Options{Reserve: func(n int64) (func(), error) {
		held++
		return func() { held-- }, nil
	}})
	if err != nil || held != 1 {
		t.Fatalf("%v, %d reservations", err, held)
	}
	tail := &tailWriter{}
	n, err := io.Copy(tail, res.Body)
	res.Body.Close()
	if err != nil || n != int64(len(long)) || strings.Contains(string(tail.b), canary) || held != 0 {
		t.Errorf("%d bytes, %v, the end is %q, %d reservations", n, err, tail.b, held)
	}
	full := errors.New("no memory")
	if err := canaries.Answer(answer("application/json", "gzip", raw, true), Options{Reserve: func(int64) (func(), error) { return nil, full }}); !errors.Is(err, full) {
		t.Errorf("without memory: %v", err)
	}
}

type tailWriter struct{ b []byte }

func (w *tailWriter) Write(p []byte) (int, error) {
	w.b = append(w.b, p...)
	w.b = w.b[max(0, len(w.b)-64):]
	return len(p), nil
}

// A file is served in ranges; each is answered as if the service had been asked
// for it, and no two of them give what one would not.
func TestRanges(t *testing.T) {
	file := []byte(strings.Repeat("some lines of a log\n", 3000))
	copy(file[30000:], canary)
	want := string(file[:30000]) + strings.Repeat("*", len(canary)) + string(file[30000+len(canary):])
	serve := func(asked, contentType string) (*http.Response, error) {
		h := http.Header{"Range": {asked}}
		Widen("GET", h)
		rec := httptestRecorder{header: http.Header{}}
		http.ServeContent(&rec, &http.Request{Method: "GET", Header: h}, "", timeZero, bytes.NewReader(file))
		rec.header.Set("Content-Type", contentType)
		res := &http.Response{StatusCode: rec.status, Header: rec.header, Body: io.NopCloser(&rec.body), ContentLength: int64(rec.body.Len())}
		return res, canaries.Answer(res, Options{Range: asked})
	}
	n := len(file)
	for asked, c := range map[string]struct{ from, to int }{
		"bytes=0-9": {0, 9}, "bytes=30000-30009": {30000, 30009}, "bytes=30010-30020": {30010, 30020}, "bytes=29990-30005": {29990, 30005},
		"bytes=30020-": {30020, n - 1}, fmt.Sprintf("bytes=-%d", n-30005): {30005, n - 1}, "bytes=59990-999999": {59990, n - 1}, "bytes=0-": {0, n - 1}, "Bytes=5-5": {5, 5}, "bytes=-9999999": {0, n - 1},
	} {
		for _, contentType := range []string{"text/plain", "multipart/mixed; boundary=x", "image/png"} {
			res, err := serve(asked, contentType)
			if err != nil {
				t.Errorf("%s: %v", asked, err)
				continue
			}
			body, err := io.ReadAll(res.Body)
			part := want[c.from : c.to+1]
			if contentType == "image/png" {
				part = string(file[c.from : c.to+1])
			}
			if err != nil || string(body) != part || res.ContentLength != int64(len(part)) || res.StatusCode != 206 || res.Header.Get("Content-Range") != fmt.Sprintf("bytes %d-%d/%d", c.from, c.to, n) || res.Header.Get("Content-Length") != strconv.Itoa(len(part)) {
				t.Errorf("%s of %s: %d, %v, %d bytes, %v: %.60q, want %.60q", asked, contentType, res.StatusCode, res.Header, len(body), err, body, part)
			}
		}
	}
	for _, asked := range []string{"bytes=60000-", "bytes=60001-60005"} {
		if res, err := serve(asked, "text/plain"); err != nil || res.StatusCode != 416 || res.Header.Get("Content-Range") != "bytes */60000" || res.Body != http.NoBody {
			t.Errorf("%s: %v, %v; want 416", asked, res, err)
		}
	}
	for _, asked := range []string{"bytes=0-1,5-6", "bytes=x", "bytes=5-1", "bytes=-", "bytes=99999999999999999999-"} {
		res, err := serve(asked, "text/plain")
		if err != nil || res.StatusCode != 200 {
			t.Fatalf("%s: %v, %v; want the whole", asked, res, err)
		}
		if body, _ := io.ReadAll(res.Body); string(body) != want {
			t.Errorf("%s: the whole is wrong", asked)
		}
	}
	for said, want := range map[string]int{"bytes 0-%d/60000": 40000 - hold, "bytes 0-%d/*": 40000 - hold, "bytes 0-%d/40000": 30020} { // to bytes=0-30019
		res := &http.Response{StatusCode: 206, Header: http.Header{"Content-Type": {"text/plain"}, "Content-Range": {fmt.Sprintf(said, 39999)}}, Body: io.NopCloser(bytes.NewReader(file[:40000])), ContentLength: 40000}
		err := canaries.Answer(res, Options{Range: "bytes=0-30019"})
		if err != nil {
			t.Errorf("%s: %v", said, err)
			continue
		}
		if body, err := io.ReadAll(res.Body); err != nil || len(body) != want || res.ContentLength != int64(want) || !strings.HasPrefix(res.Header.Get("Content-Range"), fmt.Sprintf("bytes 0-%d/", want-1)) {
			t.Errorf("%s: %d bytes, %v, %v; want %d", said, len(body), err, res.Header, want)
		}
	}
	for name, h := range map[string]http.Header{
		"short": {"Content-Range": {"bytes 0-18/40"}}, "short, of an unknown length": {"Content-Range": {"bytes 0-18/*"}}, "twice": {"Content-Range": {"bytes 0-39/40", "bytes 0-18/40"}},
		"no range named": {}, "another range": {"Content-Range": {"bytes 100-200/1000"}}, "nonsense": {"Content-Range": {"bytes x/y"}}, "several": {"Content-Type": {"multipart/byteranges; boundary=x"}},
		"compressed": {"Content-Range": {"bytes 0-200/1000"}, "Content-Encoding": {"gzip"}},
	} {
		res := &http.Response{StatusCode: 206, Header: h, Body: io.NopCloser(strings.NewReader("x")), ContentLength: 1}
		var blind *Unsearchable
		if err := canaries.Answer(res, Options{Range: "bytes=10-20"}); !errors.As(err, &blind) {
			t.Errorf("%s: %v, want it refused", name, err)
		}
	}
	for _, c := range []struct {
		method         string
		header, widens http.Header
		asked          string
	}{
		{"GET", http.Header{"Range": {"items=0-9"}}, http.Header{"Range": {"items=0-9"}}, "items=0-9"}, {"GET", http.Header{"Range": {"0-24"}}, http.Header{"Range": {"0-24"}}, "0-24"}, {"GET", http.Header{"Range": {"id 01..; max=10"}}, http.Header{"Range": {"id 01..; max=10"}}, "id 01..; max=10"},
		{"GET", http.Header{"Range": {"lines=0-9"}}, http.Header{}, "lines=0-9"}, {"GET", http.Header{"Range": {"chars=0-9"}, "If-Range": {"x"}}, http.Header{}, "chars=0-9"}, {"GET", http.Header{"Range": {"x bytes=0-9"}}, http.Header{}, "x bytes=0-9"}, {"GET", http.Header{"Range": {"bytes: 0-9"}}, http.Header{}, "bytes: 0-9"}, {"GET", http.Header{"Range": {"items=0-9", "bytes=0-9"}}, http.Header{}, "items=0-9"},
		{"GET", http.Header{"Request-Range": {"bytes=0-9"}}, http.Header{}, ""}, {"PUT", http.Header{"A-Im": {"vcdiff, diffe"}}, http.Header{}, ""}, {"GET", http.Header{"X-Ms-Range": {"bytes=20000-20009"}, "Range": {"bytes=0-9"}}, http.Header{"X-Ms-Range": {"bytes=3616-36393"}}, "bytes=20000-20009"}, {"GET", http.Header{"X-Ms-Range": {"lines=0-9"}}, http.Header{}, "lines=0-9"},
		{"GET", http.Header{"X_Ms_Range": {"bytes=0-9"}, "X.ms.range": {"x"}, "X-Amz-Range": {"bytes=0-9"}, "X-Range": {"bytes=0-9"}, "X_range": {"x"}, "X-Upload-Content-Range": {"bytes 0-9/10"}}, http.Header{"X-Upload-Content-Range": {"bytes 0-9/10"}}, ""}, {"PUT", http.Header{"X-Amz-Copy-Source-Range": {"bytes=0-9"}}, http.Header{"X-Amz-Copy-Source-Range": {"bytes=0-9"}}, ""},
		{"POST", http.Header{"Range": {"bytes=0-9"}}, http.Header{"Range": {"bytes=0-16393"}}, "bytes=0-9"}, {"PUT", http.Header{"Range": {"bytes=0-511"}}, http.Header{"Range": {"bytes=0-511"}}, ""}, {"PUT", http.Header{"X-Ms-Range": {"bytes=0-511"}}, http.Header{"X-Ms-Range": {"bytes=0-511"}}, ""},
	} {
		h := c.header.Clone()
		if Widen(c.method, h); fmt.Sprint(h) != fmt.Sprint(c.widens) || Asked(c.method, c.header) != c.asked {
			t.Errorf("%s %v became %v, want %v; it asks for %q", c.method, c.header, h, c.widens, Asked(c.method, c.header))
		}
	}
	list := []string{"application/json"}
	for _, c := range []struct {
		header  http.Header
		o       Options
		refused bool
	}{
		{http.Header{"Content-Range": {"bytes 100-200/1000"}}, Options{}, true}, {http.Header{"Content-Range": {"Bytes 0-9/1000"}}, Options{Range: "lines=0-1"}, true}, {http.Header{"Content-Range": {"bytes 0-9/*"}}, Options{}, true}, {http.Header{"Content-Type": {"Multipart/ByteRanges; boundary=x"}}, Options{}, true}, {http.Header{"Content-Range": {"bytes=0-9"}}, Options{}, true},
		{http.Header{"Content-Range": {"bytes 0-0/1"}}, Options{}, false}, {http.Header{"Content-Range": {"bytes 100-200/1000"}}, Options{Numbered: true}, false}, {http.Header{"Content-Range": {"bytes 100-200/1000"}, "Content-Type": {"image/png"}}, Options{}, false}, {http.Header{"Content-Range": {"0-24/100"}, "Content-Type": list}, Options{Range: "0-24"}, false}, {http.Header{"Content-Range": {"id a..b"}, "Content-Type": list}, Options{}, false}, {http.Header{"Content-Type": list}, Options{}, false},
		{http.Header{"Content-Type": {"text/plain"}}, Options{}, true}, {http.Header{}, Options{}, true}, {http.Header{"Content-Range": {"x 0-9/40"}}, Options{}, true}, {http.Header{"Content-Range": {"lines 0-9/100"}, "Content-Type": {"text/plain"}}, Options{}, true}, {http.Header{"Content-Range": {"chars 0-9/100"}, "Content-Type": list}, Options{}, true},
	} {
		res := &http.Response{StatusCode: 206, Header: c.header, Body: io.NopCloser(strings.NewReader("x")), ContentLength: 1}
		if err := canaries.Answer(res, c.o); (err != nil) != c.refused {
			t.Errorf("%v to %q = %v, want refused: %v", c.header, c.o.Range, err, c.refused)
		}
	}
	for _, c := range []struct { // what says that it is a part, and is not 206
		status  int
		header  http.Header
		asked   string
		refused bool
	}{
		{200, http.Header{"Content-Range": {"bytes 0-9/100"}}, "", true}, {200, http.Header{"Content-Range": {"bytes 0-9/100"}}, "bytes=0-9", true}, {200, http.Header{"Content-Range": {"bytes 0-99/100"}}, "bytes=0-9", false}, {404, http.Header{"Content-Range": {"bytes 5-9/10"}}, "", true},
		{200, http.Header{"Content-Range": {"octets 0-9/100"}}, "", true}, {200, http.Header{"Content-Range": {"posts 0-9/100"}}, "", false}, {200, http.Header{"Content-Range": {"0-24/3573"}}, "", false}, {200, http.Header{"Content-Range": {"bytes 0-9/10", "bytes 3-5/10"}}, "", true}, {200, http.Header{"Content-Range": {"bytes */10"}}, "", true}, {416, http.Header{"Content-Range": {"bytes */10"}}, "bytes=90-", false},
		{200, http.Header{"Content-Type": {"multipart/byteranges; boundary=x"}}, "", true}, {200, http.Header{"Content-Type": {"text/plain", "Multipart/ByteRanges"}}, "bytes=0-9", true}, {200, http.Header{"Content-Type": {"multipart/mixed; boundary=x"}}, "", false},
		{226, http.Header{}, "", true}, {226, http.Header{"Im": {"vcdiff"}}, "", true}, {200, http.Header{"Im": {"diffe"}}, "", true}, {200, http.Header{"Delta-Base": {`"a"`}}, "", true}, {226, http.Header{"Content-Type": {"image/png"}}, "", false}, {200, http.Header{"Content-Range": {"bytes 0-9/100"}, "Content-Type": {"video/mp4"}}, "", false},
	} {
		res := &http.Response{StatusCode: c.status, Header: c.header, Body: io.NopCloser(strings.NewReader("x")), ContentLength: 1}
		if err := canaries.Answer(res, Options{Range: c.asked}); (err != nil) != c.refused {
			t.Errorf("%d %v to %q = %v, want refused: %v", c.status, c.header, c.asked, err, c.refused)
		}
	}
}

// Names and values of headers, in every form that they may have there.
func TestHeader(t *testing.T) {
	weak := New([]Needle{{Value: "hunter22", Names: []string{"X-Key"}}, {Value: canary, Names: []string{"key"}}})
	h := http.Header{
		"Location": {"https://x/?a=1&key=" + strings.ReplaceAll(canary, "+", "%2b")}, "X-Key": {"hunter22", "not hunter22"}, "X-Other": {"hunter22"},
		"Www-Authenticate": {`Bearer error="x-key: hunter22"`}, http.CanonicalHeaderKey("x-CANARY-0123456789abcdef"): {"1"}, "Etag": {`"` + fmt.Sprintf("%x", canary) + `"`},
	}
	if !weak.Header(h) {
		t.Error("found nothing")
	}
	for name, want := range map[string]string{
		"Location": "https://x/?a=1&key=" + strings.Repeat("*", len(canary)+2), "X-Key": "********", "X-Other": "hunter22", "Www-Authenticate": `Bearer error="x-key: ********"`, "Etag": `"` + strings.Repeat("*", 2*len(canary)) + `"`,
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if h["X-Key"][1] != "not hunter22" {
		t.Errorf("X-Key: %v", h["X-Key"])
	}
}

// What an answer takes is what its beginning says, and no more: forty answers at
// once have room in what an agent may have.
func TestWindowsAreAsTheyAreSaid(t *testing.T) {
	text := bytes.Repeat([]byte("a line of text, and no secret in it\n"), 3000)
	brotliOf := func(bits int) []byte {
		var b bytes.Buffer
		w := brotli.NewWriterOptions(&b, brotli.WriterOptions{Quality: 5, LGWin: bits})
		_, _ = w.Write(text)
		_ = w.Close()
		return b.Bytes()
	}
	zstdOf := func(window int) []byte {
		var b bytes.Buffer
		w, _ := zstd.NewWriter(&b, zstd.WithWindowSize(window), zstd.WithSingleSegment(false))
		_, _ = w.Write(text)
		_ = w.Flush()
		_, _ = w.Write(text)
		_ = w.Close()
		return b.Bytes()
	}
	small, _ := zstd.NewWriter(nil)
	for _, c := range []struct {
		coding string
		raw    []byte
		want   int64
		fails  bool
	}{
		{"gzip", encoded(t, "gzip", text), narrow, false}, {"br", brotliOf(10), 1<<10 + tables, false}, {"br", brotliOf(16), 1<<16 + tables, false}, {"br", brotliOf(17), 1<<17 + tables, false},
		{"br", brotliOf(18), 1<<18 + tables, false}, {"br", brotliOf(22), 1<<22 + tables, false}, {"br", brotliOf(24), 1<<24 + tables, false}, {"br", []byte{0x11}, 16<<20 + tables, true},
		{"zstd", zstdOf(64 << 10), 64<<10 + tables, false}, {"zstd", zstdOf(1 << 20), 1<<20 + tables, false}, {"zstd", small.EncodeAll(text[:1000], nil), 1<<10 + tables, false},
		{"zstd", append(zstdOf(64<<10), zstdOf(4<<20)...), 64<<10 + tables, true}, // what comes later does not take more
	} {
		got := int64(0)
		res := answer("application/json", c.coding, c.raw, true)
		res.ContentLength = -1
		err := canaries.Answer(res, Options{Reserve: func(n int64) (func(), error) { got = n; return func() {}, nil }})
		if err == nil {
			_, err = readAnswer(t, res)
		}
		if got != c.want || (err != nil) != c.fails {
			t.Errorf("%s of %d bytes: takes %d, %v; want %d, failing %v", c.coding, len(c.raw), got, err, c.want, c.fails)
		}
	}
}
