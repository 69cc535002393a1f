package upstream

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// framed are the headers that this package writes itself, and those that would
// contradict it. Under another spelling they would go out a second time.
var framed = map[string]bool{"Host": true, "User-Agent": true, "Content-Length": true, "Transfer-Encoding": true, "Trailer": true}

// writeHead writes the request line and the headers as net/http does, and
// refuses what cannot be written without a second meaning. The order is
// net/http's too: Host, User-Agent, framing, the rest by name.
func writeHead(b *bytes.Buffer, req *http.Request, length int64) error {
	if err := writeRequestLine(b, req); err != nil {
		return err
	}
	if vs, ok := req.Header["User-Agent"]; ok && len(vs) > 0 && vs[0] != "" {
		b.WriteString("User-Agent: ")
		b.WriteString(textproto.TrimString(vs[0]))
		b.WriteString("\r\n")
	}
	if req.Close {
		b.WriteString("Connection: close\r\n")
	}
	if err := writeFraming(b, req, length); err != nil {
		return err
	}
	if err := checkHeader(req.Header); err != nil {
		return err
	}
	if err := req.Header.WriteSubset(b, framed); err != nil {
		return err
	}
	b.WriteString("\r\n")
	return nil
}

func writeRequestLine(b *bytes.Buffer, req *http.Request) error {
	method, uri, host := req.Method, req.URL.RequestURI(), req.Host
	if method == "" {
		method = http.MethodGet
	}
	if host == "" {
		host = req.URL.Host
	}
	switch {
	case !httpguts.ValidHeaderFieldName(method): // both are tokens
		return fmt.Errorf("method %q is no token", method)
	case host == "" || !httpguts.ValidHostHeader(host):
		return errors.New("the host cannot be written")
	case strings.ContainsFunc(uri, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return errors.New("the URL holds a space or a control character")
	}
	b.WriteString(method)
	b.WriteByte(' ')
	b.WriteString(uri)
	b.WriteString(" HTTP/1.1\r\nHost: ")
	b.WriteString(host)
	b.WriteString("\r\n")
	return nil
}

// writeFraming says how long the body is. Length is -1 for chunks.
func writeFraming(b *bytes.Buffer, req *http.Request, length int64) error {
	switch {
	case length < 0:
		b.WriteString("Transfer-Encoding: chunked\r\n")
		return writeTrailerNames(b, req.Trailer)
	case length > 0 || req.Method == http.MethodPost || req.Method == http.MethodPut || req.Method == http.MethodPatch:
		b.WriteString("Content-Length: ")
		b.Write(strconv.AppendInt(b.AvailableBuffer(), length, 10))
		b.WriteString("\r\n")
	}
	return nil
}

func writeTrailerNames(b *bytes.Buffer, trailer http.Header) error {
	if len(trailer) == 0 {
		return nil
	}
	names := make([]string, 0, len(trailer))
	for name := range trailer {
		if err := checkTrailer(name); err != nil {
			return err
		}
		names = append(names, http.CanonicalHeaderKey(name))
	}
	slices.Sort(names)
	b.WriteString("Trailer: " + strings.Join(names, ",") + "\r\n")
	return nil
}

// checkTrailer refuses names that would change the message's framing.
func checkTrailer(name string) error {
	switch http.CanonicalHeaderKey(name) {
	case "Transfer-Encoding", "Trailer", "Content-Length":
		return fmt.Errorf("%q cannot be a trailer", name)
	}
	if !httpguts.ValidTrailerHeader(name) || !httpguts.ValidHeaderFieldName(name) {
		return fmt.Errorf("%q cannot be a trailer", name)
	}
	return nil
}

// checkHeader refuses what would be read as something else. Values are in no
// message: they may be secret.
func checkHeader(h http.Header) error {
	for name, values := range h {
		if !httpguts.ValidHeaderFieldName(name) {
			return fmt.Errorf("header name %q is no token", name)
		}
		if !framed[name] && framed[textproto.CanonicalMIMEHeaderKey(name)] {
			return fmt.Errorf("header %q is written twice", name)
		}
		for _, v := range values {
			if !httpguts.ValidHeaderFieldValue(v) {
				return fmt.Errorf("the value of header %q holds a control character", name)
			}
		}
	}
	return nil
}
