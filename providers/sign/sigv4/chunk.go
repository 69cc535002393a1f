package sigv4

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Limits of a chunked body. A signature covers a whole chunk and stands before
// it, so one chunk is held in memory at a time.
const (
	MaxChunk   = 4 << 20 // bytes of data; SDKs send 64 KiB to 1 MiB
	maxLine    = 4 << 10 // bytes of a chunk's first line
	maxTrailer = 16 << 10
)

// ErrChunk is what a malformed chunked body is refused with. It is wrapped.
var ErrChunk = errors.New("malformed aws-chunked body")

func badChunk(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrChunk, fmt.Sprintf(format, args...))
}

// chunks reads an aws-chunked body as the agent signed it, and gives it out
// signed anew, chunk by chunk. Chunk sizes stay, and signatures have a fixed
// length, so the whole is as long as before.
//
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
type chunks struct {
	src     *bufio.Reader
	close   io.Closer
	from    *seed // nil: chunks carry no signature and only pass through
	trailer bool
	left    int64 // of the decoded length; -1 when it is not known

	out  []byte // ready and not yet read
	room []byte // behind out, used again
	err  error  // after out
	pass int64  // of an unsigned chunk: bytes of data to come, after out
	tail bool   // of an unsigned chunk: CR LF comes next
}

// newChunks wraps body. decoded is x-amz-decoded-content-length, or -1.
func newChunks(body io.ReadCloser, from *seed, trailer bool, decoded int64) io.ReadCloser {
	return &chunks{src: bufio.NewReaderSize(body, maxLine), close: body, from: from, trailer: trailer, left: decoded}
}

func (c *chunks) Read(p []byte) (int, error) {
	for len(c.out) == 0 {
		if c.err != nil {
			return 0, c.err
		}
		if c.pass > 0 {
			return c.through(p)
		}
		c.out = c.room[:0]
		c.err = c.next()
		c.room = c.out
	}
	n := copy(p, c.out)
	c.out = c.out[n:]
	return n, nil
}

// through hands out the data of an unsigned chunk as it comes.
func (c *chunks) through(p []byte) (int, error) {
	n, err := c.src.Read(p[:min(c.pass, int64(len(p)))])
	c.pass -= int64(n)
	c.tail = c.pass == 0
	if err != nil {
		c.err = unexpected(err)
	}
	return n, nil
}

func (c *chunks) Close() error { return c.close.Close() }

// next appends what comes next to out: a signed chunk, or the parts of an
// unsigned one. After the last it returns io.EOF.
func (c *chunks) next() error {
	if c.tail {
		c.tail = false
		return c.data(0)
	}
	size, extension, err := c.line()
	if err != nil {
		return err
	}
	if c.left >= 0 {
		if c.left -= size; c.left < 0 || size == 0 && c.left > 0 {
			return badChunk("its length is not x-amz-decoded-content-length")
		}
	}
	if c.from == nil {
		c.out = append(append(c.out, extension...), "\r\n"...)
		if c.pass = size; size > 0 {
			return nil
		}
		if !c.trailer {
			if err := c.data(0); err != nil {
				return err
			}
		}
		return c.end()
	}
	if size > MaxChunk {
		return badChunk("a chunk of %d bytes; at most %d can be signed", size, MaxChunk)
	}
	head, old, ok := strings.Cut(extension, ";chunk-signature=")
	if !ok || strings.ContainsAny(old, "; ") {
		return badChunk("a chunk without chunk-signature")
	}
	c.out = append(c.out, head...)
	c.out = append(c.out, ";chunk-signature="...)
	at := len(c.out)
	c.out = append(c.out, bytes.Repeat([]byte{'*'}, c.from.signer.length())...)
	c.out = append(c.out, "\r\n"...)
	start := len(c.out)
	if size > 0 || !c.trailer {
		if err := c.data(size); err != nil {
			return err
		}
	}
	if err := c.from.next("-PAYLOAD", EmptyHash+"\n"+HashHex(c.out[start:start+int(size)])); err != nil {
		return err
	}
	copy(c.out[at:], c.from.signature)
	if size > 0 {
		return nil
	}
	return c.end()
}

// line reads a chunk's first line: its size, and the whole without CR LF.
func (c *chunks) line() (size int64, whole string, err error) {
	raw, err := c.src.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return 0, "", badChunk("a chunk's first line is too long")
	case err != nil:
		return 0, "", unexpected(err)
	}
	whole, ok := strings.CutSuffix(string(raw), "\r\n")
	if !ok {
		return 0, "", badChunk("a chunk's first line does not end with CR LF")
	}
	digits, _, _ := strings.Cut(whole, ";")
	n, err := strconv.ParseUint(digits, 16, 40)
	if err != nil {
		return 0, "", badChunk("a chunk's size is not a hexadecimal number")
	}
	return int64(n), whole, nil
}

// data appends size bytes and the CR LF behind them.
func (c *chunks) data(size int64) error {
	start := len(c.out)
	c.out = grow(c.out, int(size)+2)
	body := c.out[start:]
	if _, err := io.ReadFull(c.src, body); err != nil {
		return unexpected(err)
	}
	if body[size] != '\r' || body[size+1] != '\n' {
		return badChunk("a chunk is longer than its size says")
	}
	return nil
}

// end appends the trailer, if there is one, and makes sure of the end.
func (c *chunks) end() error {
	rest, err := io.ReadAll(io.LimitReader(c.src, maxTrailer+1))
	switch {
	case err != nil:
		return err
	case len(rest) > maxTrailer:
		return badChunk("its trailer is too long")
	case !c.trailer && len(rest) > 0:
		return badChunk("something follows its last chunk")
	case !c.trailer:
		return io.EOF
	}
	if c.from == nil {
		c.out = append(c.out, rest...)
		return c.checkTrailer(rest)
	}
	signed, err := c.signTrailer(rest)
	if err != nil {
		return err
	}
	c.out = append(c.out, signed...)
	return io.EOF
}

const trailerSignature = "x-amz-trailer-signature:"

// signTrailer replaces the signature of a trailer. Lines end with LF or CR LF,
// and SDKs differ in where they put empty ones; those bytes stay.
func (c *chunks) signTrailer(raw []byte) ([]byte, error) {
	var signed strings.Builder // name:value and LF for each
	out, at := make([]byte, 0, len(raw)), -1
	for _, line := range bytes.SplitAfter(raw, []byte("\n")) {
		text := strings.TrimRight(string(line), "\r\n")
		switch name, value, ok := strings.Cut(text, ":"); {
		case text == "":
		case !ok || at >= 0:
			return nil, badChunk("its trailer is not name:value lines with the signature last")
		case strings.EqualFold(name+":", trailerSignature):
			out = append(out, line[:len(name)+1]...)
			at = len(out)
			out = append(out, bytes.Repeat([]byte{'*'}, c.from.signer.length())...)
			out = append(out, line[len(text):]...)
			continue
		default:
			signed.WriteString(strings.ToLower(strings.TrimSpace(name)) + ":" + strings.TrimSpace(value) + "\n")
		}
		out = append(out, line...)
	}
	if at < 0 {
		return nil, badChunk("its trailer has no x-amz-trailer-signature")
	}
	if err := c.from.next("-TRAILER", HashHex([]byte(signed.String()))); err != nil {
		return nil, err
	}
	copy(out[at:], c.from.signature)
	return out, nil
}

// checkTrailer makes sure that an unsigned trailer is name:value lines.
func (c *chunks) checkTrailer(raw []byte) error {
	for line := range strings.Lines(string(raw)) {
		if text := strings.TrimRight(line, "\r\n"); text != "" && !strings.Contains(text, ":") {
			return badChunk("its trailer is not name:value lines")
		}
	}
	return io.EOF
}

// next signs what follows the last signature and remembers the new one.
func (s *seed) next(kind, hashes string) error {
	signature, err := s.signer.sign(s.algorithm + kind + "\n" + s.scope.date() + "\n" + s.scope.String() + "\n" + s.signature + "\n" + hashes)
	s.signature = signature
	return err
}

// grow makes b longer by n bytes.
func grow(b []byte, n int) []byte {
	if cap(b)-len(b) < n {
		b = append(make([]byte, 0, len(b)+n), b...)
	}
	return b[:len(b)+n]
}

// unexpected is err, where the end of the body is one that came too early.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return badChunk("it breaks off")
	}
	return err
}
