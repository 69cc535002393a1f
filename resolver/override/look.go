// Package override finds, in the body of a request that may only read, a field that
// frameworks take for the method: _method and its like in forms, parts and JSON
// (Rails, Laravel, Symfony, Express).
//
// It fails closed. A body is read whole, and passes only where it was read exactly
// as its type says. A type whose fields cannot be read so is searched for the names
// themselves, in any spelling that is undone here, and does not pass on suspicion.
package override

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/attache-proxy/attache/providers/sign"
	"github.com/attache-proxy/attache/resolver/limit"
	"github.com/attache-proxy/attache/resolver/refusal"
)

// MaxBody is up to what length a body is looked through.
const MaxBody = 8 << 20

var (
	errOverride = errors.New("a field of the body overrides the method")
	errSuspect  = errors.New("the body may hold a field that overrides the method")
	errTypes    = errors.New("whether the body overrides the method cannot be seen: it has several types")
	errCoding   = errors.New("whether the body overrides the method cannot be seen: it is compressed")
)

// unreadable says why a body cannot be read as its type says.
func unreadable(why string) error {
	return errors.New("whether the body overrides the method cannot be seen: " + why)
}

// refused is what becomes of a request whose body does not pass.
func refused(err error) error {
	next := "Send the body with one Content-Type of application/json, application/x-www-form-urlencoded or multipart/form-data, in UTF-8, exactly in that form, and without Content-Encoding."
	if errors.Is(err, errOverride) {
		next = "Do not repeat this request. Send the body without that field."
	}
	return &refusal.Refusal{Code: "not_permitted", Detail: "what the agent may do here hangs on the method, and " + err.Error(), Next: next}
}

// TooLarge is the refusal of a body that is longer than MaxBody.
func TooLarge() error {
	return refused(unreadable("it is longer than 8 MiB"))
}

// Look is how a body is looked through. Nil looks at nothing.
type Look struct {
	checks   []func(body []byte) error
	boundary string // of multipart
}

// For chooses by the head of a request how its body is looked through: nil where
// the method does not decide what the agent may do, or the type holds no fields (images, gRPC, git). Its
// error is a *refusal.Refusal.
func For(h http.Header, decides bool) (*Look, error) {
	if !decides {
		return nil, nil
	}
	l, err := choose(h)
	if err != nil {
		return nil, refused(err)
	}
	return l, nil
}

// contentHeaders say how a body is read. CGI and its like do not tell Content_Type
// from Content-Type.
var contentHeaders = []string{"Content-Type", "Content-Encoding"}

func choose(h http.Header) (*Look, error) {
	for name := range h {
		if sign.IsNamed(name, contentHeaders) && !slices.Contains(contentHeaders, name) {
			return nil, errTypes
		}
	}
	types := h["Content-Type"]
	if len(types) > 1 {
		return nil, errTypes
	}
	raw := strings.Join(types, "")
	if strings.TrimSpace(raw) == "" {
		return plain(h, nil, (*Look).form, (*Look).suspect) // without a type, frameworks try a form
	}
	kind, params, err := mime.ParseMediaType(raw)
	if err != nil || !strings.Contains(kind, "/") {
		return nil, unreadable("its Content-Type is not one")
	}
	_, tail, _ := strings.Cut(strings.ToLower(raw), ";")
	if strings.Contains(tail, "urlencoded") || strings.Contains(tail, "multipart") { // some look for the word
		return nil, errTypes
	}
	_, sub, _ := strings.Cut(kind, "/")
	switch {
	case holdsNoFields(kind):
		return nil, nil
	case kind == "application/http", kind == "message/http":
		return nil, unreadable("it holds requests of its own")
	case strings.Contains(kind, "urlencoded"):
		return plain(h, params, (*Look).form)
	case strings.HasPrefix(kind, "multipart/"):
		boundary, ok := boundaryOf(raw)
		if !ok || boundary != params["boundary"] {
			return nil, unreadable("the boundary of its Content-Type is missing, or readers differ in it")
		}
		l, err := plain(h, params, (*Look).parts)
		if l != nil {
			l.boundary = boundary
		}
		return l, err
	case strings.Contains(sub, "json") && kind != "application/connect+json": // which has frames
		return plain(h, params, (*Look).json)
	}
	return plain(h, params, (*Look).suspect)
}

// plain looks at bodies that are not compressed, and in a charset that has ASCII's
// letters at ASCII's places.
func plain(h http.Header, params map[string]string, checks ...func(*Look, []byte) error) (*Look, error) {
	for _, line := range h["Content-Encoding"] {
		for coding := range strings.SplitSeq(line, ",") {
			if coding = strings.TrimSpace(coding); coding != "" && !strings.EqualFold(coding, "identity") {
				return nil, errCoding
			}
		}
	}
	switch strings.ToLower(params["charset"]) {
	case "", "utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin1", "windows-1252":
	default:
		return nil, unreadable("its charset is not UTF-8")
	}
	l := new(Look)
	for _, check := range checks {
		l.checks = append(l.checks, func(b []byte) error { return check(l, b) })
	}
	return l, nil
}

// fieldless are types that no framework reads fields of a form from.
var fieldless = []string{
	"application/x-git-upload-pack-request", "application/protobuf", "application/x-protobuf", "application/vnd.google.protobuf",
	"application/proto", "application/connect+proto", "application/x-thrift",
}

func holdsNoFields(kind string) bool {
	main, _, _ := strings.Cut(kind, "/")
	return slices.Contains([]string{"image", "audio", "video", "font"}, main) || slices.Contains(fieldless, kind) ||
		kind == "application/grpc" || strings.HasPrefix(kind, "application/grpc+") || strings.HasPrefix(kind, "application/grpc-web")
}

// Most is up to what length a body is kept, of which otherwise most would be.
func (l *Look) Most(most int64) int64 {
	if l == nil {
		return most
	}
	return min(most, MaxBody)
}

// Check looks through a body of that length, in memory of the agent. Its error is a
// *refusal.Refusal, a *limit.FullError, or that of body.
func (l *Look) Check(body io.Reader, length int64, of *limit.Agent) error {
	need := 4 * length // it, what is undone of it, and what a reader of JSON keeps
	if !of.Take(limit.Memory, need) {
		return &limit.FullError{Kind: limit.Memory}
	}
	defer of.Give(limit.Memory, need)
	b := bytes.NewBuffer(make([]byte, 0, length+bytes.MinRead))
	if _, err := b.ReadFrom(body); err != nil {
		return err
	}
	for _, check := range l.checks {
		if err := check(b.Bytes()); err != nil {
			return refused(err)
		}
	}
	return nil
}
