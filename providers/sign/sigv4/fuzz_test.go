package sigv4_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/attache-proxy/attache/providers/sign/sigv4"
)

// Whatever an agent frames: it is refused with ErrChunk, or it comes out as long
// as it went in, with the same data, however it is read.
func FuzzChunks(f *testing.F) {
	sig := ";chunk-signature=" + strings.Repeat("0", 64)
	for _, s := range []string{
		"", "3" + sig + "\r\nabc\r\n0" + sig + "\r\n\r\n", "3\r\nabc\r\n0\r\na:b\r\n\r\n", "0" + sig + "\r\nx-amz-checksum-crc32:AAAAAA==\r\nx-amz-trailer-signature:" + strings.Repeat("0", 64) + "\r\n\r\n",
		"ffffffffff\r\n", "0" + sig + "\r\n\n\n\r\n:\r\n", "00000" + sig + "\r\n\r\n",
	} {
		for mode := range 3 {
			f.Add([]byte(s), uint8(mode))
		}
	}
	hashes := []string{sigv4.Streaming, sigv4.StreamingTrailer, sigv4.StreamingUnsigned}
	f.Fuzz(func(t *testing.T, body []byte, mode uint8) {
		hash := hashes[int(mode)%len(hashes)]
		read := func(wrap func(io.Reader) io.Reader) ([]byte, error) {
			r := request(t, "PUT", streamed, "")
			r.Body = io.NopCloser(wrap(bytes.NewReader(body)))
			if err := sigv4.Stream(r, s3(hash)); err != nil {
				t.Fatal(err)
			}
			return io.ReadAll(r.Body)
		}
		whole, err := read(func(r io.Reader) io.Reader { return r })
		bytewise, err2 := read(iotest.OneByteReader)
		if (err == nil) != (err2 == nil) || err == nil && !bytes.Equal(whole, bytewise) {
			t.Fatalf("read at once: %q, %v; byte by byte: %q, %v", whole, err, bytewise, err2)
		}
		if err != nil {
			if !errors.Is(err, sigv4.ErrChunk) {
				t.Errorf("error %v, want ErrChunk", err)
			}
			return
		}
		// A signature may have had another length before; ours have 64 digits.
		if hash == sigv4.StreamingUnsigned && !bytes.Equal(whole, body) {
			t.Errorf("%q became %q", body, whole)
		}
		before, _ := io.ReadAll(sigv4.DecodeChunks(bytes.NewReader(body), hash != sigv4.Streaming))
		after, err := io.ReadAll(sigv4.DecodeChunks(bytes.NewReader(whole), hash != sigv4.Streaming))
		if err != nil || !bytes.Equal(before, after) {
			t.Errorf("the data %q became %q, %v", before, after, err)
		}
	})
}

func FuzzEvents(f *testing.F) {
	at := time.Unix(1e9, 0)
	f.Add(event(dateHeader(at), []byte("x")))
	f.Add(event(nil, nil))
	f.Add([]byte("\x00\x00\x00\x10"))
	f.Fuzz(func(t *testing.T, body []byte) {
		out, err := io.ReadAll(eventRequest(t, body, at).Body)
		if err != nil && !errors.Is(err, sigv4.ErrEvent) {
			t.Errorf("error %v, want ErrEvent", err)
		}
		if err == nil && len(body) > 0 && len(out) == 0 {
			t.Errorf("%x vanished", body)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"s3.amazonaws.com", "a.b.us-east-1.vpce.amazonaws.com", ".amazonaws.com", "us-gov.amazonaws.com", "dualstack.amazonaws.com", "fips.us-east-1.amazonaws.com",
		"AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=a;b, Signature=", "x-SHA256 ,,=,"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if e, ok := sigv4.ParseHost(s); ok && (e.Service == "" || e.Region == "") {
			t.Errorf("ParseHost(%q) = %+v, true", s, e)
		}
		sigv4.ParseAuthorization(s)
	})
}
