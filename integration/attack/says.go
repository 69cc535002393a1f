package main

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"mime/quotedprintable"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf16"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// says is what a service answers to an attack: a careless or a hostile one. In
// texts {echo} is all that it was sent, {placed} the credential alone.
type says struct {
	Status   int      `yaml:"status"`
	Type     string   `yaml:"type"`
	Headers  []string `yaml:"headers"`
	Hints    []string `yaml:"hints"` // headers of a 103 before
	Body     string   `yaml:"body"`
	Spelled  string   `yaml:"spelled"` // how the body is written; see spell
	Charset  string   `yaml:"charset"` // utf-16le, utf-16be
	Coding   string   `yaml:"coding"`  // what it is compressed with
	Claims   string   `yaml:"claims"`  // the Content-Encoding, where it is another
	Trailers []string `yaml:"trailers"`
	Drip     int      `yaml:"drip"`  // bytes in a piece
	Pause    string   `yaml:"pause"` // between pieces
	Known    bool     `yaml:"known"` // with a Content-Length
	Breaks   bool     `yaml:"breaks"`
	Hangs    bool     `yaml:"hangs"` // never ends
	Inflates int      `yaml:"inflates"`
	Raw      string   `yaml:"raw"` // every byte, of the service `wire`
}

// written is the body as it goes over the wire.
func (s *says) written(fill func(string) string) []byte {
	body := s.Body
	if body == "" {
		body = "{echo}"
	}
	text := spell(s.Spelled, fill(body))
	b := []byte(text)
	if s.Charset != "" {
		b = b[:0]
		for _, u := range utf16.Encode([]rune(text)) {
			if s.Charset == "utf-16be" {
				b = append(b, byte(u>>8), byte(u))
			} else {
				b = append(b, byte(u), byte(u>>8))
			}
		}
	}
	if s.Inflates > 0 {
		return bomb(s.Coding, s.Inflates)
	}
	for coding := range strings.SplitSeq(s.Coding, ",") {
		b = compress(strings.TrimSpace(coding), b)
	}
	return b
}

// write answers a request.
func (s *says) write(w http.ResponseWriter, fill func(string) string) {
	add := func(h http.Header, lines []string, prefix string) {
		for _, line := range lines {
			name, value, _ := strings.Cut(oneLine(fill(line)), ": ")
			h[prefix+name] = append(h[prefix+name], value)
		}
	}
	flush := func() { http.NewResponseController(w).Flush() }
	if len(s.Hints) > 0 {
		add(w.Header(), s.Hints, "")
		w.WriteHeader(http.StatusEarlyHints)
		clear(w.Header())
	}
	w.Header().Set("Date", "Thu, 01 Jan 1970 00:00:00 GMT")
	switch {
	case s.Type == "none":
		w.Header()["Content-Type"] = nil
	case s.Type != "":
		w.Header().Set("Content-Type", s.Type)
	default:
		w.Header().Set("Content-Type", "text/plain")
	}
	if claims := s.Claims; claims != "" || s.Coding != "" {
		if claims == "" {
			claims = s.Coding
		}
		w.Header().Set("Content-Encoding", claims)
	}
	add(w.Header(), s.Headers, "")
	body := s.written(fill)
	if s.Known {
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	}
	if s.Status != 0 {
		w.WriteHeader(s.Status)
	}
	if len(s.Trailers) > 0 || s.Hangs {
		flush()
	}
	pause, _ := time.ParseDuration(s.Pause)
	for len(body) > 0 {
		n := len(body)
		if s.Drip > 0 {
			n = min(n, s.Drip)
		}
		if _, err := w.Write(body[:n]); err != nil {
			return
		}
		if body = body[n:]; s.Drip > 0 {
			flush()
			time.Sleep(pause)
		}
	}
	if s.Hangs {
		flush()
		time.Sleep(time.Minute)
	}
	if s.Breaks {
		flush()
		panic(http.ErrAbortHandler)
	}
	add(w.Header(), s.Trailers, http.TrailerPrefix)
}

func oneLine(s string) string { return strings.NewReplacer("\r", "", "\n", " | ").Replace(s) }

// spell writes a text so that only who undoes it finds what stands in it.
func spell(way, text string) string {
	each := func(format string) string {
		var b strings.Builder
		for _, c := range []byte(text) {
			fmt.Fprintf(&b, format, c)
		}
		return b.String()
	}
	switch way {
	case "", "plain":
		return text
	case "hex":
		return hex.EncodeToString([]byte(text))
	case "HEX":
		return each("%02X")
	case "base64":
		return base64.StdEncoding.EncodeToString([]byte(text))
	case "base64url":
		return base64.RawURLEncoding.EncodeToString([]byte(text))
	case "base64-1", "base64-2": // the other alignments
		return base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", int(way[7]-'0')) + text))
	case "percent":
		return each("%%%02x")
	case "PERCENT":
		return each("%%%02X")
	case "twice": // percent of percent
		return strings.ReplaceAll(each("%%%02x"), "%", "%25")
	case "json":
		return each(`\u%04x`)
	case "JSON":
		return `"` + each(`\u%04X`) + `"`
	case "decimal":
		return each("&#%d;")
	case "entities":
		return each("&#x%x;")
	case "zeros":
		return each("&#x0000%X;")
	case "escapes":
		return each(`\x%02x`)
	case "octal":
		return each(`\%03o`)
	case "printable":
		var b strings.Builder
		q := quotedprintable.NewWriter(&b)
		io.WriteString(q, text)
		q.Close()
		return b.String()
	case "PRINTABLE":
		return each("=%02X")
	case "every-other": // a subset of the characters
		var b strings.Builder
		for i, c := range []byte(text) {
			if i%2 == 0 {
				fmt.Fprintf(&b, "%%%02x", c)
			} else {
				b.WriteByte(c)
			}
		}
		return b.String()
	case "colons":
		return strings.TrimSuffix(each("%02x:"), ":")
	case "spaces":
		return each("%02X ")
	case "mixed": // hex in both cases
		b := []byte(hex.EncodeToString([]byte(text)))
		for i := 0; i < len(b); i += 3 {
			b[i] = strings.ToUpper(string(b[i : i+1]))[0]
		}
		return string(b)
	case "wrapped": // as base64(1) and PEM have it
		b := []byte(base64.StdEncoding.EncodeToString([]byte(text)))
		return string(bytes.Join(slices.Collect(slices.Chunk(b, 64)), []byte("\n"))) + "\n"
	case "slashes":
		return strings.ReplaceAll(text, "/", `\/`)
	}
	panic("no spelling " + way)
}

var (
	bombs   = map[string][]byte{}
	bombsMu sync.Mutex
)

// bomb is what inflates to n bytes, made once.
func bomb(coding string, n int) []byte {
	bombsMu.Lock()
	defer bombsMu.Unlock()
	name := fmt.Sprint(coding, n)
	if bombs[name] == nil {
		bombs[name] = compress(coding, bytes.Repeat([]byte(" "), n))
	}
	return bombs[name]
}

// compress is b in a content coding.
func compress(coding string, b []byte) []byte {
	var out bytes.Buffer
	var w io.WriteCloser
	switch coding {
	case "gzip", "x-gzip":
		w = gzip.NewWriter(&out)
	case "deflate":
		w = zlib.NewWriter(&out)
	case "br":
		w = brotli.NewWriter(&out)
	case "zstd":
		w, _ = zstd.NewWriter(&out)
	default:
		return b // identity, and codings that nobody knows
	}
	w.Write(b)
	w.Close()
	return out.Bytes()
}
