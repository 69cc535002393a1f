package operation

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/attache-proxy/attache/providers/sign"
)

const (
	whyTooLong  = "its body is longer than 64 KiB"
	whyCoding   = "its body is compressed in a way that is not read here"
	whyTypes    = "it has no Content-Type that every reader understands alike"
	whyCharset  = "its body is not in UTF-8"
	whyJSON     = "its body is not JSON as RFC 8259 has it, with each name once"
	whyNameCase = "its body has a member that readers may take for another"
)

var errJSON = errors.New(whyJSON)

// contentHeaders say how a body is read.
var contentHeaders = []string{"Content-Type", "Content-Encoding"}

// decoded is the body as the service reads it, and its type without parameters; empty
// where there is none. Why says why it is not known.
func decoded(h http.Header, body []byte) (kind string, plain []byte, why string) {
	for name := range h {
		if sign.IsNamed(name, contentHeaders) && name != contentHeaders[0] && name != contentHeaders[1] {
			return "", nil, whyTypes
		}
	}
	if len(h["Content-Type"]) > 1 || len(h["Content-Encoding"]) > 1 {
		return "", nil, whyTypes
	}
	if raw := h.Get("Content-Type"); raw != "" {
		var params map[string]string
		var err error
		if kind, params, err = mime.ParseMediaType(raw); err != nil || strings.Contains(raw, ",") {
			return "", nil, whyTypes
		}
		if charset := strings.ToLower(params["charset"]); charset != "" && charset != "utf-8" && charset != "utf8" {
			return "", nil, whyCharset
		}
	}
	switch coding := strings.ToLower(strings.TrimSpace(h.Get("Content-Encoding"))); {
	case len(body) > MaxBody:
		return "", nil, whyTooLong
	case coding == "" || coding == "identity":
		return kind, body, ""
	case coding == "gzip" || coding == "x-gzip":
		plain, why = gunzip(body)
		return kind, plain, why
	}
	return "", nil, whyCoding
}

// Plain is a body as the service reads it, decoded up to MaxBody, and its type without
// parameters; why says why it is not known.
func Plain(h http.Header, body []byte) (kind string, plain []byte, why string) {
	return decoded(h, body)
}

// gunzip reads a body of one member with nothing behind it: of several, some readers
// take the first alone.
func gunzip(body []byte) ([]byte, string) {
	src := bytes.NewReader(body)
	z, err := gzip.NewReader(src)
	if err != nil {
		return nil, whyCoding
	}
	z.Multistream(false)
	plain, err := io.ReadAll(io.LimitReader(z, MaxBody+1))
	switch {
	case len(plain) > MaxBody:
		return nil, whyTooLong
	case err != nil || src.Len() > 0:
		return nil, whyCoding
	}
	return plain, ""
}

// object reads an object in JSON. Each calls for the value of a member that is one of
// names, by its place, and reads it; the others are skipped. A name that some reader may
// take for one of them, and that is not, is an error.
func object(d *jsontext.Decoder, names []string, each func(at int) error) error {
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return errJSON
	}
	for d.PeekKind() != '}' {
		t, err := d.ReadToken()
		if err != nil || t.Kind() != '"' {
			return errJSON
		}
		at, err := which(t.String(), names)
		switch {
		case err != nil:
			return err
		case at >= 0:
			err = each(at)
		case d.SkipValue() != nil:
			err = errJSON
		}
		if err != nil {
			return err
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return errJSON
	}
	return nil
}

// each reads a text in JSON that is one value, or a list of them, and nothing more:
// in UTF-8, with each name of an object once at every depth.
func each(body []byte, read func(d *jsontext.Decoder) error) error {
	d := jsontext.NewDecoder(bytes.NewBuffer(body))
	if d.PeekKind() != '[' {
		if err := read(d); err != nil {
			return err
		}
		return end(d)
	}
	if _, err := d.ReadToken(); err != nil {
		return errJSON
	}
	for n := 0; ; n++ {
		if d.PeekKind() == ']' {
			if n == 0 {
				return errors.New("its body is an empty list")
			}
			if _, err := d.ReadToken(); err != nil {
				return errJSON
			}
			return end(d)
		}
		if err := read(d); err != nil {
			return err
		}
	}
}

// end makes sure that nothing follows.
func end(d *jsontext.Decoder) error {
	if _, err := d.ReadToken(); err != io.EOF {
		return errJSON
	}
	return nil
}

// which is the place of a member among names; -1 is none of them.
func which(member string, names []string) (int, error) {
	for i, name := range names {
		if member == name {
			return i, nil
		}
	}
	if len(member) > 64 {
		return -1, nil
	}
	folded := member
	if strings.ContainsFunc(member, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '_' || r == '-' }) {
		folded = strings.TrimSpace(strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7f || r == '_' || r == '-' {
				return -1
			}
			return r
		}, member))
	}
	for _, name := range names {
		if strings.EqualFold(folded, name) {
			return -1, errors.New(whyNameCase)
		}
	}
	return -1, nil
}

// whole reports a text in JSON that is one value, read as each does.
func whole(body []byte) bool {
	return jsontext.Value(body).IsValid()
}

// text reads a string; ok is false for any other value.
func text(d *jsontext.Decoder) (s string, ok bool, err error) {
	v, err := d.ReadValue()
	if err != nil {
		return "", false, errJSON
	}
	if v.Kind() != '"' {
		return "", false, nil
	}
	b, err := jsontext.AppendUnquote(nil, v)
	if err != nil {
		return "", false, errJSON
	}
	return string(b), true, nil
}
