package scrub

import (
	"bufio"
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

const (
	// maxWhole is up to what compressed length an answer is inflated beside before
	// it is sent on. Longer ones, and those of unknown length, are sent inflated.
	maxWhole = 1 << 20
	// maxBeside is how much of it is inflated so; a longer one is sent inflated,
	// which its reader then has to keep pace with.
	maxBeside = 64 << 20
	// maxWindow is the largest window that a coding may need: zstd's by RFC 9659,
	// brotli's by RFC 7932.
	maxWindow = 8 << 20
)

// windows are how many bytes a decoder may keep, by content coding. They are
// the codings that can be searched.
var windows = map[string]int64{"gzip": 64 << 10, "x-gzip": 64 << 10, "deflate": 64 << 10, "br": 16 << 20, "zstd": maxWindow}

// Codings takes off Accept-Encoding what cannot be searched.
func Codings(h http.Header) {
	vs := h["Accept-Encoding"]
	if len(vs) == 0 || len(vs) == 1 && usual[vs[0]] {
		return
	}
	var keep []string
	for part := range strings.SplitSeq(strings.Join(vs, ","), ",") {
		name, _, _ := strings.Cut(part, ";")
		name = strings.ToLower(strings.TrimSpace(name))
		if _, ok := windows[name]; ok || name == "identity" {
			keep = append(keep, strings.TrimSpace(part))
		}
	}
	if len(keep) == 0 {
		keep = []string{"identity"}
	}
	h["Accept-Encoding"] = []string{strings.Join(keep, ", ")}
}

// usual are what most clients send.
var usual = map[string]bool{"gzip": true, "gzip, deflate": true, "gzip, deflate, br": true, "gzip, deflate, br, zstd": true, "identity": true}

// codingOf is the answer's content coding: empty for none, and not ok where it
// is not one that can be searched, or more than one.
func codingOf(h http.Header) (coding string, ok bool) {
	for _, line := range h["Content-Encoding"] {
		for word := range strings.SplitSeq(line, ",") {
			word = strings.ToLower(strings.TrimSpace(word))
			if word == "" || word == "identity" {
				continue
			}
			if coding != "" || windows[word] == 0 {
				return word, false
			}
			coding = word
		}
	}
	return coding, true
}

// inflating opens a content coding.
func inflating(coding string, r io.Reader) (io.Reader, error) {
	switch coding {
	case "gzip", "x-gzip":
		return gzip.NewReader(r)
	case "deflate":
		return inflate(r)
	case "br":
		return brotli.NewReader(r), nil
	}
	d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return nil, err
	}
	return d.IOReadCloser(), nil
}

// inflate reads "deflate", which is zlib by RFC 9110 and raw by some servers.
func inflate(r io.Reader) (io.Reader, error) {
	b := bufio.NewReader(r)
	first, err := b.Peek(2)
	if err != nil {
		return nil, err
	}
	if first[0]&0x0f == 8 && (int(first[0])<<8|int(first[1]))%31 == 0 {
		return zlib.NewReader(b)
	}
	return flate.NewReader(b), nil
}

// notAs says that a body is not in its coding.
func notAs(coding string) error {
	return &Unsearchable{"its body is not what its Content-Encoding says: " + coding}
}

// lazy opens a coding at the first read: opening reads. What it gives must not
// look compressed once more.
type lazy struct {
	coding string
	src    io.Reader

	r    io.Reader
	head []byte // the first bytes, as many as tell
	err  error
}

func (l *lazy) Read(p []byte) (int, error) {
	if l.r == nil && l.err == nil {
		l.r, l.err = inflating(l.coding, l.src)
		if l.err != nil && l.err != io.EOF { // an empty body is in any coding
			l.err = notAs(l.coding)
		}
	}
	if l.err != nil {
		return 0, l.err
	}
	n, err := l.r.Read(p)
	if missing := 4 - len(l.head); missing > 0 {
		if l.head = append(l.head, p[:min(n, missing)]...); compressed(l.head) {
			n, err = 0, notAs(l.coding)
		}
	}
	switch {
	case err == io.EOF: // the trailers come after the source's end
		_, _ = io.CopyN(io.Discard, l.src, 64<<10)
	case err != nil:
		err = notAs(l.coding)
	}
	l.err = err
	return n, err
}

// compressed reports bytes that begin like a compressed file.
func compressed(b []byte) bool {
	return bytes.HasPrefix(b, []byte{0x1f, 0x8b}) || bytes.HasPrefix(b, []byte{0x28, 0xb5, 0x2f, 0xfd})
}
