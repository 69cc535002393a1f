package resolver

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"
	"net/http"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// maxWholeBytes is up to what compressed length an answer is decoded as a whole
// before it is sent on. Longer ones, and those of unknown length, are sent decoded.
const maxWholeBytes = 1 << 20

// maxInflatedBytes bounds what a small compressed answer may expand to here.
const maxInflatedBytes = 32 << 20

// wrap makes the answer's body be searched while it streams.
func (s *scrubber) wrap(res *http.Response) error {
	if len(s.forms) == 0 || res.StatusCode == http.StatusSwitchingProtocols || res.Body == nil || res.Body == http.NoBody || !isText(res.Header.Get("Content-Type")) {
		return nil
	}
	enc := strings.ToLower(strings.TrimSpace(res.Header.Get("Content-Encoding")))
	if enc == "" || enc == "identity" {
		res.Body = &scrubbedBody{ReadCloser: res.Body, s: s, trailer: &res.Trailer}
		return nil
	}
	if res.Request != nil && res.Request.Method == http.MethodHead {
		return nil
	}
	if res.ContentLength >= 0 && res.ContentLength <= maxWholeBytes {
		return s.whole(res, enc)
	}
	s.decoded(res, enc)
	return nil
}

// scrubbedBody replaces echoes in a body that is not compressed, in the
// reader's own buffer. It holds back only bytes that may be the beginning of one.
type scrubbedBody struct {
	io.ReadCloser
	s       *scrubber
	trailer *http.Header
	tail    []byte // held back from the last read; shorter than an echo
	small   []byte // searched and waiting, for readers with small buffers
	err     error  // the source's end
}

func (b *scrubbedBody) Read(p []byte) (int, error) {
	if len(p) < 2*b.s.longest {
		return b.readSmall(p)
	}
	for b.err == nil {
		n := copy(p, b.tail)
		b.tail = b.tail[:0]
		m, err := b.ReadCloser.Read(p[n:])
		n += m
		b.s.replace(p[:n])
		if err != nil {
			b.err = err
			b.s.headers(*b.trailer)
			return n, b.end(n)
		}
		held := b.s.held(p[:n])
		b.tail = append(b.tail, p[n-held:n]...)
		if n -= held; n > 0 {
			return n, nil
		}
	}
	return 0, b.err
}

// end is the error to return beside n bytes: the end comes with the next read
// where there are bytes now, as io.Reader recommends.
func (b *scrubbedBody) end(n int) error {
	if n > 0 {
		return nil
	}
	return b.err
}

// readSmall serves readers whose buffer is shorter than an echo.
func (b *scrubbedBody) readSmall(p []byte) (int, error) {
	if len(b.small) == 0 {
		buf := make([]byte, max(4<<10, 2*b.s.longest))
		n, err := b.Read(buf)
		if n == 0 {
			return 0, err
		}
		b.small = buf[:n]
	}
	n := copy(p, b.small)
	b.small = b.small[n:]
	return n, nil
}

// decoder opens a content coding; ok is false for one that we do not know.
func decoder(enc string, r io.Reader) (io.Reader, bool) {
	switch enc {
	case "gzip", "x-gzip":
		return &lazy{open: func() (io.Reader, error) { return gzip.NewReader(r) }}, true
	case "deflate":
		return &lazy{open: func() (io.Reader, error) { return inflate(r) }}, true
	case "br":
		return brotli.NewReader(r), true
	case "zstd":
		return &lazy{open: func() (io.Reader, error) {
			d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(64<<20))
			if err != nil {
				return nil, err
			}
			return d.IOReadCloser(), nil
		}}, true
	}
	return nil, false
}

// inflate reads "deflate", which is zlib by RFC 9110 and raw by some servers.
func inflate(r io.Reader) (io.Reader, error) {
	var first [2]byte
	n, err := io.ReadFull(r, first[:])
	if err != nil {
		return nil, err
	}
	all := io.MultiReader(bytes.NewReader(first[:n]), r)
	if first[0]&0x0f == 8 && (int(first[0])<<8|int(first[1]))%31 == 0 {
		return zlib.NewReader(all)
	}
	return flate.NewReader(all), nil
}

// lazy opens a decoder at the first read: opening reads the header.
type lazy struct {
	open func() (io.Reader, error)
	r    io.Reader
}

func (l *lazy) Read(p []byte) (int, error) {
	if l.r == nil {
		r, err := l.open()
		if err != nil {
			return 0, err
		}
		l.r = r
	}
	return l.r.Read(p)
}

// whole decodes a small compressed answer. Where it is clean, it goes on byte
// for byte; where it echoes the credential it goes on decoded and without it.
func (s *scrubber) whole(res *http.Response, enc string) error {
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxWholeBytes+1))
	rest := res.Body
	if err != nil {
		res.Body = &failing{bytes.NewReader(nil), rest, err}
		return nil
	}
	d, known := decoder(enc, bytes.NewReader(raw))
	if !known {
		res.Body = &failing{bytes.NewReader(raw), rest, io.EOF}
		return nil
	}
	plain, err := io.ReadAll(io.LimitReader(d, maxInflatedBytes))
	if err != nil && len(plain) == 0 || !s.replace(plain) {
		// What no decoder reads, no client reads either: it goes on as it is.
		res.Body = &failing{bytes.NewReader(raw), rest, io.EOF}
		return nil
	}
	res.Header.Del("Content-Encoding")
	res.Header.Del("Content-Length")
	res.Header.Del("Etag")
	res.ContentLength = int64(len(plain))
	res.Body = &failing{bytes.NewReader(plain), rest, io.EOF}
	return nil
}

// failing gives out what is there, then err; it closes the source.
type failing struct {
	*bytes.Reader
	source io.Closer
	err    error
}

func (f *failing) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if err != nil {
		err = f.err
	}
	return n, err
}

func (f *failing) Close() error { return f.source.Close() }

// decoded turns a compressed stream into a plain one without echoes. Holding
// the compressed bytes back until their content is known would stall streams.
func (s *scrubber) decoded(res *http.Response, enc string) {
	d, known := decoder(enc, res.Body)
	if !known {
		return
	}
	res.Header.Del("Content-Encoding")
	res.Header.Del("Content-Length")
	res.Header.Del("Etag")
	res.ContentLength = -1
	res.Body = &scrubbedBody{ReadCloser: decoding{d, res.Body}, s: s, trailer: &res.Trailer}
}

// decoding reads decoded bytes and closes the source.
type decoding struct {
	io.Reader
	io.Closer
}
