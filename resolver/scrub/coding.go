package scrub

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
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
var windows = map[string]int64{"gzip": narrow, "x-gzip": narrow, "deflate": narrow, "br": 16<<20 + tables, "zstd": maxWindow + tables}

const (
	narrow = 64 << 10
	// tables are what a decoder of the wide codings keeps beside its window.
	tables = 256 << 10
)

// Codings takes off Accept-Encoding what cannot be searched, and what takes much
// memory to search where the agent takes something else: a stream in br may need as
// much as 250 in gzip.
func Codings(h http.Header) {
	vs := h["Accept-Encoding"]
	if len(vs) == 0 || len(vs) == 1 && usual[vs[0]] {
		return
	}
	var keep, wide []string
	least := false
	for part := range strings.SplitSeq(strings.Join(vs, ","), ",") {
		part = strings.TrimSpace(part)
		name, weight, _ := strings.Cut(part, ";")
		name = strings.ToLower(strings.TrimSpace(name))
		n, known := windows[name]
		switch {
		case n > narrow:
			wide = append(wide, part)
		case known && !zero(weight):
			least = true
			fallthrough
		case known, name == "identity":
			keep = append(keep, part)
		}
	}
	if !least {
		keep = append(wide, keep...)
	}
	if len(keep) == 0 {
		keep = []string{"identity"}
	}
	h["Accept-Encoding"] = []string{strings.Join(keep, ", ")}
}

// zero reports the weight of what is not acceptable: q=0, q=0.000.
func zero(weight string) bool {
	q, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(weight)), "q=")
	return ok && strings.Trim(q, "0.") == ""
}

// usual are what stays as it is, of what most clients send.
var usual = map[string]bool{"gzip": true, "gzip, deflate": true, "identity": true}

// window is how many bytes the decoder of a body keeps, which wide codings say at
// its beginning, and the body from there on. A body that says nothing has the
// largest.
func window(coding string, body io.Reader) (int64, io.Reader, error) {
	if windows[coding] <= narrow {
		return windows[coding], body, nil
	}
	head := make([]byte, zstd.HeaderMaxSize)
	n, err := io.ReadFull(body, head[:map[bool]int{true: 1, false: len(head)}[coding == "br"]])
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return 0, nil, err
	}
	head = head[:n]
	size := windows[coding]
	if coding == "br" && n > 0 {
		size = 1<<brotliBits(head[0]) + tables
	}
	var h zstd.Header
	if coding == "zstd" && h.Decode(head) == nil && !h.Skippable {
		most := h.WindowSize
		if h.SingleSegment {
			most = h.FrameContentSize
		}
		size = int64(min(max(most, 1<<10), maxWindow)) + tables
	}
	return size, io.MultiReader(bytes.NewReader(head), body), nil
}

// brotliBits is the logarithm of a stream's window (RFC 7932 §9.1).
func brotliBits(first byte) int {
	switch n, m := int(first>>1&7), int(first>>4&7); {
	case first&1 == 0:
		return 16
	case n != 0:
		return 17 + n
	case m == 0:
		return 17
	case m == 1: // none by that RFC; the decoder refuses it
		return 24
	default:
		return 8 + m
	}
}

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

// inflating opens a content coding, of which no more than window is kept.
func inflating(coding string, r io.Reader, window int64) (io.Reader, error) {
	switch coding {
	case "gzip", "x-gzip":
		return gzip.NewReader(r)
	case "deflate":
		return inflate(r)
	case "br":
		return brotli.NewReader(r), nil
	}
	d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(uint64(window-tables)))
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
		z, err := zlib.NewReader(b)
		return atEnd{z, b}, err
	}
	return atEnd{flate.NewReader(b), b}, nil
}

// Decoded is a body without its content coding; not ok where that is none that can be read
// in little memory.
func Decoded(h http.Header, body io.Reader) (plain io.Reader, coded, ok bool) {
	coding, ok := codingOf(h)
	switch {
	case !ok || windows[coding] > narrow:
		return nil, true, false
	case coding == "":
		return body, false, true
	}
	return &lazy{coding: coding, window: narrow, src: body}, true, true
}

// atEnd is a stream after which nothing may come: clients differ in whether they
// read it.
type atEnd struct {
	io.Reader
	rest *bufio.Reader
}

func (e atEnd) Read(p []byte) (int, error) {
	n, err := e.Reader.Read(p)
	if err == io.EOF {
		if _, none := e.rest.Peek(1); none == nil {
			return n, errors.New("there is more after its end")
		}
	}
	return n, err
}

// notAs says that a body is not in its coding.
func notAs(coding string) error {
	return &Unsearchable{"its body is not what its Content-Encoding says: " + coding}
}

// lazy opens a coding at the first read: opening reads. What it gives must not
// look compressed once more.
type lazy struct {
	coding string
	window int64
	src    io.Reader

	r    io.Reader
	head []byte // the first bytes, as many as tell
	err  error
}

func (l *lazy) Read(p []byte) (int, error) {
	if l.r == nil && l.err == nil {
		l.r, l.err = inflating(l.coding, l.src, l.window)
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
