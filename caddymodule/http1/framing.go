package http1

import (
	"bufio"
	"bytes"
	"net/http"
	"reflect"
)

// FramedTwice reports a request in chunks that may have had a Content-Length
// beside: after such a one the connection is to end (RFC 9112 §6.3), since somebody
// before us may have read on at another place. net/http takes the length away
// before anybody sees it (Go 1.26), but what it read the head from still holds its
// bytes. Where they are gone, or cannot be found, it is in doubt, and true.
func FramedTwice(r *http.Request) bool {
	if r.ProtoMajor != 1 || len(r.TransferEncoding) == 0 {
		return false
	}
	head := headBytes(r)
	return head == nil || bytes.Contains(bytes.ToLower(head), []byte("\ncontent-length"))
}

// headBytes are those of the request's head, to be read at once; nil where they
// are not all there: net/http keeps the last 4 KiB that it read.
func headBytes(r *http.Request) []byte {
	buffer := wireBuffer(reflect.ValueOf(r.Body))
	if !buffer.IsValid() {
		return nil
	}
	buf, read := buffer.FieldByName("buf"), buffer.FieldByName("r")
	if !buf.IsValid() || buf.Kind() != reflect.Slice || !read.IsValid() || !read.CanInt() || read.Int() > int64(buf.Len()) {
		return nil
	}
	seen := buf.Bytes()[:read.Int()] // up to the body, of which nothing was read yet
	first := []byte(r.Method + " " + r.RequestURI + " " + r.Proto + "\r\n")
	at := bytes.LastIndex(seen, first)
	if at < 0 || bytes.Index(seen[at:], []byte("\r\n\r\n")) != len(seen)-at-len("\r\n\r\n") {
		return nil
	}
	return seen[at:]
}

// wireBuffer finds the reader of the connection below a body.
func wireBuffer(v reflect.Value) reflect.Value {
	for range 8 {
		for v.Kind() == reflect.Interface || v.Kind() == reflect.Pointer {
			v = v.Elem()
		}
		if v.Kind() != reflect.Struct {
			break
		}
		if f := v.FieldByName("r"); f.IsValid() && f.Type() == reflect.TypeFor[*bufio.Reader]() {
			return f.Elem()
		}
		inner := reflect.Value{}
		for _, name := range []string{"readCloser", "ReadCloser", "Source"} { // Expect: 100-continue; Caddy's idle timeouts and log
			if f := v.FieldByName(name); f.IsValid() {
				inner = f
			}
		}
		if !inner.IsValid() {
			break
		}
		v = inner
	}
	return reflect.Value{}
}
