package sigv4_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/attache-proxy/attache/providers/sign/sigv4"
)

// The keys and the time of the examples in the S3 API reference:
// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html,
// sigv4-query-string-auth.html, sigv4-streaming.html, sigv4-streaming-trailers.html
func s3(hash string) sigv4.Options {
	return sigv4.Options{
		Keys: sigv4.Keys{ID: "AKIAIOSFODNN7EXAMPLE", Secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"},
		Scope: sigv4.Scope{Scheme: sigv4.Schemes["aws"], Region: "us-east-1", Service: "s3",
			Time: time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)},
		Hash: hash, PathOnce: true, PathAsIs: true, SendHash: true,
	}
}

func request(t testing.TB, method, url, body string, headers ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		k, v, _ := strings.Cut(h, ": ")
		r.Header.Set(k, v)
	}
	return r
}

func signature(r *http.Request) string {
	_, sig, _ := strings.Cut(r.Header.Get("Authorization"), "Signature=")
	return sig
}

func TestS3Examples(t *testing.T) {
	const bucket = "https://examplebucket.s3.amazonaws.com"
	tests := []struct {
		method, url, body string
		headers           []string
		want              string
	}{
		{"GET", bucket + "/test.txt", "", []string{"Range: bytes=0-9"}, "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
		{"PUT", bucket + "/test$file.text", "Welcome to Amazon S3.", []string{"Date: Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class: REDUCED_REDUNDANCY"},
			"98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
		{"GET", bucket + "/?lifecycle", "", nil, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
		{"GET", bucket + "/?max-keys=2&prefix=J", "", nil, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
	}
	for _, tt := range tests {
		r := request(t, tt.method, tt.url, tt.body, tt.headers...)
		if err := sigv4.Header(r, s3(sigv4.HashHex([]byte(tt.body)))); err != nil || signature(r) != tt.want {
			t.Errorf("Header(%s %s) = %v, %s, want %s", tt.method, tt.url, err, r.Header.Get("Authorization"), tt.want)
		}
	}
}

func TestS3Presign(t *testing.T) {
	const want = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request" +
		"&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host" +
		"&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
	for _, old := range []string{"", "?X-Amz-Signature=dummy&X-Amz-Credential=a&X-Amz-Security-Token=x"} {
		r := request(t, "GET", "https://examplebucket.s3.amazonaws.com/test.txt"+old, "", "Authorization: dummy")
		if err := sigv4.Presign(r, s3(sigv4.Unsigned), 86400); err != nil || r.URL.RawQuery != want || r.Header.Get("Authorization") != "" {
			t.Errorf("Presign(%q) = %v, %s, want %s", old, err, r.URL.RawQuery, want)
		}
	}
}

const streamed = "https://s3.amazonaws.com/examplebucket/chunkObject.txt"

// chunked frames 65 KiB of "a" as an SDK with dummy keys does, in chunks of 64 KiB.
func chunked(signed bool, trailer string) string {
	ext := ""
	if signed {
		ext = ";chunk-signature=" + strings.Repeat("0", 64)
	}
	return "10000" + ext + "\r\n" + strings.Repeat("a", 65536) + "\r\n400" + ext + "\r\n" + strings.Repeat("a", 1024) + "\r\n0" + ext + "\r\n" + trailer
}

func TestS3Stream(t *testing.T) {
	body := chunked(true, "\r\n")
	r := request(t, "PUT", streamed, body, "Content-Encoding: aws-chunked", "x-amz-decoded-content-length: 66560", "x-amz-storage-class: REDUCED_REDUNDANCY")
	o := s3(sigv4.Streaming)
	o.SignLength = true
	if r.ContentLength != 66824 {
		t.Fatalf("the example's body is %d bytes, want 66824", r.ContentLength)
	}
	if err := sigv4.Stream(r, o); err != nil {
		t.Fatal(err)
	}
	if want := "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"; signature(r) != want {
		t.Errorf("seed: %s, want %s", r.Header.Get("Authorization"), want)
	}
	want := body
	for _, sig := range []string{
		"ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
		"0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
		"b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
	} {
		want = strings.Replace(want, strings.Repeat("0", 64), sig, 1)
	}
	got, err := io.ReadAll(iotest.OneByteReader(r.Body))
	if err != nil || string(got) != want {
		t.Errorf("the body is %d bytes, %v, want the example's %d", len(got), err, len(want))
	}
}

// The trailer's lines end in several ways; the signature is over LF.
func TestS3StreamTrailer(t *testing.T) {
	sig := strings.Repeat("0", 64)
	for _, trailer := range []string{
		"x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:" + sig + "\r\n\r\n",
		"x-amz-checksum-crc32c:sOO8/Q==\n\r\nx-amz-trailer-signature:" + sig + "\r\n\r\n",
		"X-Amz-Checksum-Crc32c: sOO8/Q==\nx-amz-trailer-signature:" + sig,
	} {
		body := chunked(true, trailer)
		r := request(t, "PUT", streamed, body, "Content-Encoding: aws-chunked", "x-amz-decoded-content-length: 66560",
			"x-amz-storage-class: REDUCED_REDUNDANCY", "x-amz-trailer: x-amz-checksum-crc32c")
		if err := sigv4.Stream(r, s3(sigv4.StreamingTrailer)); err != nil {
			t.Fatal(err)
		}
		if want := "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"; signature(r) != want {
			t.Errorf("seed: %s, want %s", r.Header.Get("Authorization"), want)
		}
		want := body
		for _, s := range []string{
			"b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
			"1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
			"2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
			"d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435",
		} {
			want = strings.Replace(want, sig, s, 1)
		}
		got, err := io.ReadAll(r.Body)
		if err != nil || string(got) != want {
			t.Errorf("the body with %q: %v; its end is %q, want %q", trailer, err, got[len(got)-200:], want[len(want)-200:])
		}
	}
}

// Unsigned chunks pass as they are, however large; only the headers are signed.
func TestS3StreamUnsigned(t *testing.T) {
	for _, body := range []string{
		chunked(false, "x-amz-checksum-crc32c:sOO8/Q==\r\n\r\n"),
		"500000\r\n" + strings.Repeat("a", 0x500000) + "\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n",
	} {
		r := request(t, "PUT", streamed, body, "x-amz-trailer: x-amz-checksum-crc32c")
		if err := sigv4.Stream(r, s3(sigv4.StreamingUnsigned)); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r.Body)
		if err != nil || string(got) != body {
			t.Errorf("the body is %d bytes, %v, want %d unchanged", len(got), err, len(body))
		}
	}
}

func TestBadChunks(t *testing.T) {
	sig := ";chunk-signature=" + strings.Repeat("0", 64)
	end := "0" + sig + "\r\n\r\n"
	trail := "0" + sig + "\r\n"
	tests := []struct{ name, hash, length, body, want string }{
		{"empty", sigv4.Streaming, "", "", "breaks off"},
		{"no size", sigv4.Streaming, "", sig + "\r\n", "not a hexadecimal number"},
		{"bad size", sigv4.Streaming, "", "1g" + sig + "\r\n", "not a hexadecimal number"},
		{"signed size", sigv4.Streaming, "", "-1" + sig + "\r\n", "not a hexadecimal number"},
		{"huge size", sigv4.Streaming, "", "ffffffffffffffffff" + sig + "\r\n", "not a hexadecimal number"},
		{"large chunk", sigv4.Streaming, "", "400001" + sig + "\r\n", "at most 4194304"},
		{"no signature", sigv4.Streaming, "", "3\r\nabc\r\n" + end, "without chunk-signature"},
		{"two extensions", sigv4.Streaming, "", "3" + sig + ";x=y\r\nabc\r\n" + end, "without chunk-signature"},
		{"LF alone", sigv4.Streaming, "", "3" + sig + "\nabc\r\n" + end, "CR LF"},
		{"long line", sigv4.Streaming, "", "3" + strings.Repeat(";", 5000), "too long"},
		{"short data", sigv4.Streaming, "", "5" + sig + "\r\nabc\r\n" + end, "longer than its size"},
		{"cut data", sigv4.Streaming, "", "5" + sig + "\r\nab", "breaks off"},
		{"no last chunk", sigv4.Streaming, "", "3" + sig + "\r\nabc\r\n", "breaks off"},
		{"more behind", sigv4.Streaming, "", "3" + sig + "\r\nabc\r\n" + end + "x", "follows its last chunk"},
		{"too short", sigv4.Streaming, "4", "3" + sig + "\r\nabc\r\n" + end, "x-amz-decoded-content-length"},
		{"too long", sigv4.Streaming, "2", "3" + sig + "\r\nabc\r\n" + end, "x-amz-decoded-content-length"},
		{"trailer without signature", sigv4.StreamingTrailer, "", trail + "a:b\r\n\r\n", "no x-amz-trailer-signature"},
		{"no trailer", sigv4.StreamingTrailer, "", trail, "no x-amz-trailer-signature"},
		{"signature not last", sigv4.StreamingTrailer, "", trail + "x-amz-trailer-signature:0\r\na:b\r\n", "with the signature last"},
		{"trailer without colon", sigv4.StreamingTrailer, "", trail + "ab\r\n", "not name:value"},
		{"long trailer", sigv4.StreamingTrailer, "", trail + "a:" + strings.Repeat("b", 20000), "too long"},
		{"unsigned, bad size", sigv4.StreamingUnsigned, "", "x\r\n", "hexadecimal"},
		{"unsigned, cut", sigv4.StreamingUnsigned, "", "5\r\nabc", "breaks off"},
		{"unsigned, longer", sigv4.StreamingUnsigned, "", "2\r\nabc\r\n", "longer than its size"},
		{"unsigned, bad trailer", sigv4.StreamingUnsigned, "", "0\r\nabc\r\n", "not name:value"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := request(t, "PUT", streamed, tt.body)
			r.Body = io.NopCloser(strings.NewReader(tt.body))
			if tt.length != "" {
				r.Header.Set("x-amz-decoded-content-length", tt.length)
			}
			if err := sigv4.Stream(r, s3(tt.hash)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadAll(r.Body); !errors.Is(err, sigv4.ErrChunk) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("reading the body = %v, want ErrChunk: %s", err, tt.want)
			}
		})
	}
}

func TestDecodeChunks(t *testing.T) {
	got, err := io.ReadAll(sigv4.DecodeChunks(strings.NewReader(chunked(true, "a:b\r\n")), true))
	if err != nil || string(got) != strings.Repeat("a", 66560) {
		t.Errorf("DecodeChunks gives %d bytes, %v, want 66560", len(got), err)
	}
}

// endless is n bytes of a chunked upload, made while it is read.
type endless struct {
	chunk []byte
	left  int
	part  []byte
}

func (e *endless) Read(p []byte) (int, error) {
	if len(e.part) == 0 {
		switch {
		case e.left > 0:
			e.part = e.chunk
		case e.left == 0:
			e.part = []byte("0;chunk-signature=" + strings.Repeat("0", 64) + "\r\n\r\n")
		default:
			return 0, io.EOF
		}
		e.left--
	}
	n := copy(p, e.part)
	e.part = e.part[n:]
	return n, nil
}

// BenchmarkStream compares to hashing alone: see BenchmarkSHA256.
func BenchmarkStream(b *testing.B) {
	const size, n = 64 << 10, 256
	chunk := []byte("10000;chunk-signature=" + strings.Repeat("0", 64) + "\r\n" + strings.Repeat("a", size) + "\r\n")
	b.SetBytes(size * n)
	b.ReportAllocs()
	for b.Loop() {
		r, _ := http.NewRequest("PUT", streamed, nil)
		r.Body = io.NopCloser(&endless{chunk: chunk, left: n})
		r.ContentLength = -1
		if err := sigv4.Stream(r, s3(sigv4.Streaming)); err != nil {
			b.Fatal(err)
		}
		if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, r.Body, make([]byte, 32<<10)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSHA256(b *testing.B) {
	data := bytes.Repeat([]byte("a"), 64<<10)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		sigv4.HashHex(data)
	}
}

func BenchmarkHeader(b *testing.B) {
	r := request(b, "GET", "https://examplebucket.s3.amazonaws.com/photos/2024/a.jpg?versionId=abc", "",
		"Content-Type: application/json", "X-Amz-Storage-Class: STANDARD", "User-Agent: x", "Accept: */*")
	o := s3(sigv4.Unsigned)
	b.ReportAllocs()
	for b.Loop() {
		if err := sigv4.Header(r, o); err != nil {
			b.Fatal(err)
		}
	}
}
