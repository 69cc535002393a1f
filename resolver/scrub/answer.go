package scrub

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
)

// Options are what an answer is searched with.
type Options struct {
	// Range is what Asked says of the request, before Widen.
	Range string
	// Numbered says that the request asks for a part by its number.
	Numbered bool
	// Found becomes true when an echo is replaced.
	Found *atomic.Bool
	// Blind becomes true when an answer that was passed on in part turns out to be
	// Unsearchable, and is broken off.
	Blind *atomic.Bool
	// Reserve asks for memory to inflate an answer in, and returns how to give it
	// back. Its error refuses the answer. Nil is as much as is wanted.
	Reserve func(bytes int64) (release func(), err error)
}

func (o Options) reserve(n int64) (func(), error) {
	if o.Reserve == nil {
		return func() {}, nil
	}
	return o.Reserve(n)
}

// Unsearchable says why an answer that may hold an echo cannot be searched. It
// must not be passed on. The text quotes nothing of the body.
type Unsearchable struct{ Why string }

func (e *Unsearchable) Error() string { return "the answer cannot be searched for echoes: " + e.Why }

// Answer replaces echoes in an answer: in its headers at once, in its body while
// that is read, and in its trailers when it ends. It also cuts out what a Range
// asked for before Widen. It returns *Unsearchable where that cannot be done, or
// the error of Reserve; then the answer must be closed.
func (s *Set) Answer(res *http.Response, o Options) error {
	if o.Found == nil {
		o.Found = new(atomic.Bool)
	}
	if o.Blind == nil {
		o.Blind = new(atomic.Bool)
	}
	s.header(res.Header, o)
	s.header(res.Trailer, o) // their names, so far
	if res.StatusCode == http.StatusSwitchingProtocols || res.Body == nil {
		return nil
	}
	kind := mediaOf(res.Header.Get("Content-Type"))
	if len(res.Header.Values("Content-Type")) > 1 {
		kind = folded // readers differ in which one counts
	}
	cut, err := ranged(res, o.Range, !s.Empty() && kind != opaque)
	if err != nil || res.Body == http.NoBody {
		return err
	}
	if s.Empty() {
		cut.apply(res)
		return nil
	}
	switch {
	case kind == opaque:
	case unasked(res, o):
		return &Unsearchable{"it is a part that was not asked for"}
	case !readable(res.Header["Content-Type"]):
		return &Unsearchable{"its charset is not one that can be searched"}
	}
	if err := s.wrap(res, kind, cut != nil, o); err != nil {
		return err
	}
	cut.apply(res)
	return nil
}

func (s *Set) header(h http.Header, o Options) {
	if s.Header(h) {
		o.Found.Store(true)
	}
}

// wrap makes the body be searched, or at least what comes after it.
func (s *Set) wrap(res *http.Response, kind media, part bool, o Options) error {
	if kind == opaque {
		s.after(res, o)
		return nil
	}
	coding, ok := codingOf(res.Header)
	switch {
	case kind == unsure && (!ok || coding != "" || res.ContentLength < 0): // perhaps a live stream of frames
		s.after(res, o)
		return nil
	case !ok:
		return &Unsearchable{"its Content-Encoding is none, or more than one, of those that were asked for: " + coding}
	case coding != "" && part:
		return &Unsearchable{"it is a part of a compressed text (Range)"}
	case coding != "":
		return s.inflated(res, kind, coding, o)
	}
	res.Body = s.body(res, kind, o, res.Body, res.ContentLength, res.ContentLength)
	return nil
}

// body searches src. Said is how long the answer says that it is, length how long src is.
func (s *Set) body(res *http.Response, kind media, o Options, src io.ReadCloser, said, length int64) io.ReadCloser {
	return &body{src: src, length: length, search: s.search(kind, said, res.Header.Get("Content-Type")), trailer: &res.Trailer, found: o.Found, blind: o.Blind}
}

// inflated searches a compressed answer. A short one is inflated beside: where
// it is clean it goes on byte for byte; where it is not, or where much comes of
// it, it goes on inflated, as long ones do.
func (s *Set) inflated(res *http.Response, kind media, coding string, o Options) error {
	short := res.ContentLength >= 0 && res.ContentLength <= maxWhole
	keeps, from := windows[coding], io.Reader(res.Body)
	if !isEvents(res.Header) { // whose first may be long in coming
		var err error
		if keeps, from, err = window(coding, res.Body); err != nil {
			res.Body = &rest{broken{err}, res.Body, nil}
			return nil
		}
	}
	need := keeps
	if short {
		need += maxWhole
	}
	release, err := o.reserve(need)
	if err != nil {
		return err
	}
	if !short {
		return s.stream(res, kind, coding, o, keeps, &rest{from, res.Body, release})
	}
	raw, err := io.ReadAll(io.LimitReader(from, maxWhole))
	all := &rest{bytes.NewReader(raw), res.Body, release}
	if err != nil {
		all.Reader = broken{err}
		res.Body = all
		return nil
	}
	clean, err := s.clean(raw, s.search(kind, res.ContentLength, res.Header.Get("Content-Type")), coding, keeps)
	switch {
	case err != nil:
		release()
		return err
	case clean:
		s.header(res.Trailer, o)
		res.Body = all
		return nil
	}
	return s.stream(res, kind, coding, o, keeps, all)
}

// clean reports whether no echo is in what raw inflates to, nor in raw.
func (s *Set) clean(raw []byte, how search, coding string, keeps int64) (bool, error) {
	if s.whole(bytes.Clone(raw), true) {
		return false, nil
	}
	b := body{src: io.NopCloser(&lazy{coding: coding, window: keeps, src: bytes.NewReader(raw)}), length: maxBeside, search: how,
		trailer: new(http.Header), found: new(atomic.Bool)}
	buf := make([]byte, 2*room)
	for n := 0; n < maxBeside; {
		k, err := b.Read(buf)
		if n += k; b.found.Load() {
			return false, nil
		}
		if err == io.EOF {
			return true, nil
		} else if err != nil {
			return false, err
		}
	}
	return false, nil
}

// stream sends a compressed answer on inflated. Its beginning is read at once,
// so that one which is not what it says can be refused; but for streams of
// events, whose first may be long in coming.
func (s *Set) stream(res *http.Response, kind media, coding string, o Options, keeps int64, src *rest) error {
	plain := &rest{&lazy{coding: coding, window: keeps, src: src}, src, nil}
	if !isEvents(res.Header) {
		first := make([]byte, 4<<10)
		n, err := readSome(plain, first)
		if err != nil && err != io.EOF {
			src.free()
			return err
		}
		plain.Reader = io.MultiReader(bytes.NewReader(first[:n]), plain.Reader)
	}
	for _, name := range []string{"Content-Encoding", "Content-Length", "Etag", "Accept-Ranges", "Content-Md5", "Digest", "Content-Digest"} {
		res.Header.Del(name)
	}
	said := res.ContentLength
	res.ContentLength = -1
	res.Body = s.body(res, kind, o, plain, said, -1)
	return nil
}

func isEvents(h http.Header) bool {
	t, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(t), "text/event-stream")
}

// readSome reads at least a byte, or an error.
func readSome(r io.Reader, p []byte) (n int, err error) {
	for n == 0 && err == nil {
		n, err = r.Read(p)
	}
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

// rest gives out what is there and closes the source.
type rest struct {
	io.Reader
	source  io.Closer
	release func()
}

func (r *rest) free() {
	if r.release != nil {
		r.release()
		r.release = nil
	}
}

func (r *rest) Close() error {
	r.free()
	return r.source.Close()
}

// broken is a body that could not be read.
type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

// after searches the trailers of a body that is not searched itself.
func (s *Set) after(res *http.Response, o Options) {
	if res.ContentLength < 0 || res.ProtoMajor >= 2 {
		res.Body = &trailed{res.Body, func() { s.header(res.Trailer, o) }}
	}
}

type trailed struct {
	io.ReadCloser
	ended func()
}

func (t *trailed) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	if err != nil {
		t.ended()
	}
	return n, err
}
