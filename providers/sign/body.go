package sign

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/attache-proxy/attache/providers/expr"
)

// errNoBody is a mistake of the caller: see NeedsBody.
var errNoBody = errors.New("the body was not buffered, and it is signed")

// bodyBytes returns the buffered body, or nothing when there is none.
func bodyBytes(in *Input) ([]byte, error) {
	if in.Body == nil {
		return nil, nil
	}
	return in.Body.Bytes()
}

// setBody makes b the body of r, and what later steps read.
func setBody(r *http.Request, in *Input, b []byte) {
	in.Body = expr.Bytes(b)
	r.Body = io.NopCloser(bytes.NewReader(b))
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }
	r.ContentLength = int64(len(b))
	r.TransferEncoding = nil
	r.Header["Content-Length"] = []string{strconv.Itoa(len(b))}
}

// editable returns the body when its declared type is one that ok accepts, or
// when there is neither a type nor a body.
func editable(r *http.Request, in *Input, want string, ok func(mediaType string) bool) ([]byte, error) {
	body, err := bodyBytes(in)
	if err != nil {
		return nil, err
	}
	if enc := r.Header.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		return nil, cannot("the credential goes into the %s body, which is compressed (%s): send it plain", want, enc)
	}
	ct := r.Header.Get("Content-Type")
	if ct == "" {
		if len(body) > 0 {
			return nil, cannot("the credential goes into the %s body: send it with a Content-Type", want)
		}
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			return nil, cannot("the credential goes into the %s body, and %s has none", want, r.Method)
		}
		return nil, nil
	}
	mediaType, _, err := mime.ParseMediaType(ct)
	if err != nil || !ok(mediaType) {
		return nil, cannot("the credential goes into the %s body: send that Content-Type", want)
	}
	return body, nil
}

// wholeBody sets the body.
type wholeBody struct{ value *expr.Template }

func newBody(_ string, t *expr.Template) (placer, error) { return &wholeBody{t}, nil }

func (b *wholeBody) place(r *http.Request, in *Input) error {
	v, err := in.eval("body", "", b.value)
	if err != nil {
		return explain("body", err)
	}
	setBody(r, in, []byte(v))
	return nil
}

func (b *wholeBody) places(*Places)  {}
func (b *wholeBody) needsBody() bool { return true }
