package scrub

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/attache-proxy/attache/providers/headers"
)

// span is what a Range asks for: from a byte to a byte, to the end (to is -1),
// or, where from is -1, the last to bytes.
type span struct{ from, to int64 }

// parseRange reads one range of bytes (RFC 9110 §14.1.2).
func parseRange(v string) (span, bool) {
	unit, set, ok := strings.Cut(v, "=")
	if !ok || !isBytes(unit) {
		return span{}, false
	}
	first, last, ok := strings.Cut(strings.TrimSpace(set), "-")
	if !ok {
		return span{}, false
	}
	if first == "" {
		n, ok := number(last)
		return span{-1, n}, ok
	}
	from, ok := number(first)
	if !ok || last == "" {
		return span{from, -1}, ok
	}
	to, ok := number(last)
	return span{from, to}, ok && to >= from
}

func isBytes(unit string) bool { return strings.EqualFold(strings.TrimSpace(unit), "bytes") }

// number is a place in a file: digits alone, and not so many that adding to it
// goes wrong.
func number(s string) (int64, bool) {
	if s == "" || len(s) > 17 || !all(s, isDigit) {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// Asked is the Range by which a request asks for a part of bytes, or empty. Azure's
// own header goes before the standard one.
func Asked(method string, h http.Header) string {
	if !takesRange(method) {
		return ""
	}
	if vs := h[azureRange]; len(vs) > 0 {
		return vs[0]
	}
	return h.Get("Range")
}

const azureRange = "X-Ms-Range"

// takesRange reports methods whose Range says which part is wanted: that of a PUT
// says which part is written (Azure's pages).
func takesRange(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodPost
}

// Widen makes a Range reach so far beyond what it asks for that no echo lies
// across its ends; Answer cuts the answer again. Several ranges, and those that
// cannot be read, are taken off, which servers may do too (RFC 9110 §14.2), and
// so are other units than bytes but for those that count items, Request-Range,
// which some servers heed, and A-IM, which asks for a difference (RFC 3229).
func Widen(method string, h http.Header) {
	delete(h, "Request-Range")
	delete(h, "A-Im")
	if !takesRange(method) {
		return
	}
	for name := range h {
		if otherRange(name) {
			delete(h, name)
		}
	}
	name := "Range"
	if len(h[azureRange]) > 0 {
		name = azureRange
		delete(h, "Range")
	}
	vs := h[name]
	if len(vs) == 0 || len(vs) == 1 && name == "Range" && countsItems(vs[0]) {
		return
	}
	r, ok := parseRange(vs[0])
	switch {
	case !ok || len(vs) > 1:
		delete(h, name)
		delete(h, "If-Range")
		return
	case r.from < 0:
		r.to += hold
	case r.to >= 0:
		r.to += hold
	}
	if r.from >= 0 {
		r.from = max(0, r.from-hold)
	}
	h[name] = []string{"bytes=" + r.String()}
}

// otherRange reports a header by which some service may take a range besides Range and
// Azure's: a vendor's, or one of these two in a spelling that gateways fold.
func otherRange(name string) bool {
	const word = "range"
	if name == "Range" || name == azureRange || len(name) < len(word) || !strings.EqualFold(name[len(name)-len(word):], word) {
		return false
	}
	name = headers.Words(name)
	return name == word || strings.HasPrefix(name, "x-") && strings.HasSuffix(name, "-"+word) && !strings.HasSuffix(name, "-content-"+word)
}

// countsItems reports a Range that pages through a list, whose items come whole:
// items=0-9, 0-9 (PostgREST), "name ..; max=10" (Heroku).
func countsItems(v string) bool {
	unit, _, ok := strings.Cut(v, "=")
	if !ok {
		return !strings.Contains(strings.ToLower(v), "bytes")
	}
	unit = strings.ToLower(strings.TrimSpace(unit))
	word, _, several := strings.Cut(unit, " ")
	return unit == "items" || unit == "resources" || unit == "rows" || several && all(word, func(c byte) bool { return isAlnum(c) || c == '_' }) && strings.Contains(unit, "..") && !strings.Contains(unit, "bytes")
}

// unasked reports a part of a text that nobody asked for: whatever the status, one
// that says it is a part of bytes, several in one, or a difference to an older text
// (RFC 3229). Its ends may cut an echo. What a Range asked for is ranged's, a number of
// a part (S3) asks for what its uploader chose, and pages of lists are whole.
func unasked(res *http.Response, o Options) bool {
	for _, t := range res.Header["Content-Type"] {
		if strings.Contains(strings.ToLower(t), "byteranges") {
			return true
		}
	}
	if res.StatusCode == http.StatusIMUsed || len(res.Header["Im"])+len(res.Header["Delta-Base"]) > 0 {
		return true
	}
	_, asked := parseRange(o.Range)
	partial := res.StatusCode == http.StatusPartialContent
	said := res.Header["Content-Range"]
	switch {
	case asked && partial:
		return false
	case len(said) == 0:
		return partial && !structured(res.Header)
	case len(said) > 1:
		return true
	}
	unit := strings.ToLower(strings.TrimSpace(said[0]))
	if !strings.HasPrefix(unit, "bytes") {
		return partial && !structured(res.Header) || cutsText(unit)
	}
	got, total, ok := contentRange(unit)
	switch {
	case o.Numbered && partial:
		return false
	case res.StatusCode >= http.StatusMultipleChoices && !ok: // bytes */1000
		return false
	}
	return !ok || got.from > 0 || got.to != total-1
}

// structured reports a type whose parts are parts of a list.
func structured(h http.Header) bool {
	t, _, _ := strings.Cut(strings.ToLower(h.Get("Content-Type")), ";")
	for _, word := range []string{"json", "xml", "yaml", "csv"} {
		if strings.Contains(t, word) {
			return true
		}
	}
	return false
}

// cutsText reports a Content-Range that counts what texts are made of. Other units than
// these are names of what an API lists.
func cutsText(said string) bool {
	for _, unit := range []string{"byte", "octet", "char", "bit", "utf", "rune", "codepoint"} {
		if strings.HasPrefix(said, unit) {
			return true
		}
	}
	return false
}

func (r span) String() string {
	var b strings.Builder
	if r.from >= 0 {
		b.WriteString(strconv.FormatInt(r.from, 10))
	}
	b.WriteByte('-')
	if r.to >= 0 {
		b.WriteString(strconv.FormatInt(r.to, 10))
	}
	return b.String()
}

// slice is what of a part's body the agent asked for; nil is all.
type slice struct{ skip, take int64 }

// ranged finds what of a 206 is to be cut out, and says so in its headers. A
// part that lies beyond the end becomes a 416. Where the service sent less than it was
// asked for, its end may cut an echo: of what is searched the agent gets that much less.
func ranged(res *http.Response, asked string, searched bool) (*slice, error) {
	want, ok := parseRange(asked)
	if !ok || res.StatusCode != http.StatusPartialContent {
		return nil, nil
	}
	got, total, ok := contentRange(res.Header.Get("Content-Range"))
	if !ok || len(res.Header["Content-Range"]) > 1 {
		return nil, &Unsearchable{"it is a part, and does not say which"}
	}
	whole := got.to == total-1 || want.from >= 0 && want.to >= 0 && got.to >= want.to+hold
	if searched && !whole {
		got.to -= hold
	}
	if want.from < 0 {
		if total < 0 {
			return nil, &Unsearchable{"it is the end of something whose length it does not say"}
		}
		want = span{max(0, total-want.to), total - 1}
	}
	if want.to < 0 || want.to > got.to {
		want.to = got.to
	}
	switch {
	case want.from < got.from:
		return nil, &Unsearchable{"it is another part than was asked for"}
	case want.from > got.to && searched && !whole:
		return nil, &Unsearchable{"it is a shorter part than was asked for"}
	case want.from > got.to:
		unsatisfiable(res, total)
		return nil, nil
	}
	length := "*"
	if total >= 0 {
		length = strconv.FormatInt(total, 10)
	}
	res.Header.Set("Content-Range", fmt.Sprintf("bytes %s/%s", want, length))
	dropSums(res.Header)
	return &slice{want.from - got.from, want.to - want.from + 1}, nil
}

// contentRange reads bytes a-b/total (§14.4); total is -1 where it is not known.
func contentRange(v string) (got span, total int64, ok bool) {
	v, ok = strings.CutPrefix(strings.ToLower(strings.TrimSpace(v)), "bytes ")
	if !ok {
		return got, 0, false
	}
	part, length, ok := strings.Cut(v, "/")
	if !ok {
		return got, 0, false
	}
	if total = -1; length != "*" {
		if total, ok = number(length); !ok {
			return got, 0, false
		}
	}
	got, ok = parseRange("bytes=" + part)
	return got, total, ok && got.from >= 0 && got.to >= 0
}

func unsatisfiable(res *http.Response, total int64) {
	_ = res.Body.Close()
	res.StatusCode, res.Status = http.StatusRequestedRangeNotSatisfiable, "416 Range Not Satisfiable"
	for _, name := range []string{"Content-Range", "Content-Type", "Content-Encoding"} {
		res.Header.Del(name)
	}
	if total >= 0 {
		res.Header.Set("Content-Range", fmt.Sprintf("bytes */%d", total))
	}
	res.Header.Set("Content-Length", "0")
	res.ContentLength, res.Body = 0, http.NoBody
}

// apply cuts the body, which may be searched by now.
func (c *slice) apply(res *http.Response) {
	if c == nil {
		return
	}
	res.Body = &sliced{ReadCloser: res.Body, slice: *c}
	res.ContentLength = c.take
	res.Header.Set("Content-Length", strconv.FormatInt(c.take, 10))
}

type sliced struct {
	io.ReadCloser
	slice
}

func (c *sliced) Read(p []byte) (int, error) {
	for {
		n, err := c.ReadCloser.Read(p)
		drop := min(int64(n), c.skip)
		c.skip -= drop
		k := int(min(int64(n)-drop, c.take))
		c.take -= int64(k)
		copy(p, p[drop:drop+int64(k)])
		switch {
		case err == io.EOF && c.take > 0:
			err = io.ErrUnexpectedEOF
		case k == 0 && err == nil && n > 0:
			continue // before it, or what was asked for beyond it
		}
		return k, err
	}
}

// dropSums takes the sums of the wider part off: they are not those of what is
// left, and S3's clients compare them.
func dropSums(h http.Header) {
	for name := range h {
		if name == "Content-Md5" || name == "Digest" || name == "Content-Digest" || strings.HasPrefix(name, "X-Amz-Checksum-") {
			delete(h, name)
		}
	}
}
