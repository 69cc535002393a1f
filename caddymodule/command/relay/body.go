package relay

import (
	"bufio"
	"errors"
	"io"
	"strconv"
	"strings"
)

// errFraming is a body whose end cannot be told; the proxy, which sees the same,
// refuses the request.
var errFraming = errors.New("the body's length is not clear")

// body passes the request's body on, as its head frames it (RFC 9112 §6).
func (h *head) body(w io.Writer, r *bufio.Reader) error {
	encodings, lengths := h.values("transfer-encoding"), h.values("content-length")
	switch {
	case len(encodings) > 0 && len(lengths) > 0, len(lengths) > 1, len(encodings) > 1:
		return errFraming
	case len(encodings) == 1:
		if !strings.EqualFold(encodings[0], "chunked") {
			return errFraming
		}
		return chunks(w, r)
	case len(lengths) == 1:
		n, err := strconv.ParseUint(lengths[0], 10, 63)
		if err != nil {
			return errFraming
		}
		_, err = io.CopyN(w, r, int64(n))
		return err
	}
	return nil
}

// chunks passes a chunked body on, with its extensions and trailers. What is here
// goes on before more is waited for.
func chunks(conn io.Writer, r *bufio.Reader) error {
	w := bufio.NewWriter(conn) // of lines
	for {
		var line head
		text, err := readLine(r, &line)
		if err != nil {
			return err
		}
		size, _, _ := strings.Cut(strings.TrimRight(string(text), "\r\n"), ";")
		n, err := strconv.ParseUint(strings.TrimSpace(size), 16, 62)
		if err != nil {
			return errFraming
		}
		_, _ = w.Write(text) // Flush tells
		if n == 0 {
			return errors.Join(trailers(w, r), w.Flush())
		}
		if err := w.Flush(); err != nil {
			return err
		}
		if _, err := io.CopyN(conn, r, int64(n)); err != nil {
			return err
		}
		var end head
		if text, err = readLine(r, &end); err != nil {
			return err
		}
		_, _ = w.Write(text)
		if r.Buffered() == 0 {
			if err := w.Flush(); err != nil {
				return err
			}
		}
	}
}

func trailers(w io.Writer, r *bufio.Reader) error {
	for {
		var line head
		text, err := readLine(r, &line)
		if err != nil {
			return err
		}
		if _, err := w.Write(text); err != nil {
			return err
		}
		if strings.TrimRight(string(text), "\r\n") == "" {
			return nil
		}
	}
}
