package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// answer is what came back of a request.
type answer struct {
	raw     string // every byte, or every frame
	read    string // headers, trailers and bodies, with codings undone
	status  int    // of the first answer that is not 1xx; 0 if there was none
	refusal string // Attache-Error
	count   int    // answers, 1xx not counted
	pieces  string // the framing: sizes of chunks or DATA frames
}

// text is all in which a secret could stand.
func (a answer) text() string { return a.raw + "\n" + a.read }

// parse reads answers in HTTP/1.1 one after the other.
func parse(raw string, methods []string) answer {
	a := answer{raw: raw, pieces: chunks(raw)}
	var read strings.Builder
	r := bufio.NewReader(strings.NewReader(raw))
	for {
		method := http.MethodGet
		if a.count < len(methods) {
			method = methods[a.count]
		}
		res, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil {
			break
		}
		res.Header.Write(&read)
		if res.StatusCode >= 100 && res.StatusCode < 200 && res.StatusCode != http.StatusSwitchingProtocols {
			continue
		}
		if a.count++; a.count == 1 {
			a.status, a.refusal = res.StatusCode, res.Header.Get("Attache-Error")
		}
		body, _ := io.ReadAll(res.Body)
		res.Trailer.Write(&read)
		read.WriteString(opened(res.Header.Get("Content-Encoding"), body) + "\n")
	}
	a.read = read.String()
	return a
}

// opened is a body with its codings undone, as far as they can be.
func opened(coding string, body []byte) string {
	var r io.Reader
	var err error
	switch strings.ToLower(strings.TrimSpace(coding)) {
	case "gzip", "x-gzip":
		r, err = gzip.NewReader(bytes.NewReader(body))
	case "deflate":
		r, err = zlib.NewReader(bytes.NewReader(body))
	case "br":
		r = brotli.NewReader(bytes.NewReader(body))
	case "zstd":
		r, err = zstd.NewReader(bytes.NewReader(body))
	default:
		return string(body)
	}
	if err != nil {
		return string(body)
	}
	out, _ := io.ReadAll(io.LimitReader(r, 4<<20))
	return string(out)
}

// chunks are the sizes of a chunked answer, in order, and how it ends; of
// another the lengths alone.
func chunks(raw string) string {
	head, body, _ := strings.Cut(raw, "\r\n\r\n")
	if !strings.Contains(strings.ToLower(head), "transfer-encoding: chunked") {
		return "length " + strconv.Itoa(len(body))
	}
	var sizes []string
	for {
		line, rest, ok := strings.Cut(body, "\r\n")
		n, err := strconv.ParseInt(line, 16, 32)
		if !ok || err != nil {
			return strings.Join(append(sizes, "broken"), " ")
		}
		sizes = append(sizes, strconv.Itoa(int(n)))
		if n == 0 || int(n)+2 > len(rest) {
			return strings.Join(sizes, " ")
		}
		body = rest[n+2:]
	}
}
