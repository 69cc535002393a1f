package oauth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// answer is what an endpoint said. tree is the decoded body: what
// encoding/json makes of it, with numbers as json.Number.
type answer struct {
	endpoint string
	status   int
	header   http.Header
	body     []byte
	tree     any
	hide     *redactor
}

// refuse is an Error about the answer's form. why must not quote the answer.
func (a *answer) refuse(why string) *Error {
	return &Error{
		Endpoint: a.endpoint, Status: a.status, Description: why,
		Temporary: temporaryStatus(a.status), RetryAfter: retryAfter(a.header, time.Now()),
	}
}

// format is how a body is written.
type format int

const (
	formatAuto   format = iota // JSON or form, as Content-Type says
	formatJSON                 // whatever Content-Type says
	formatForm                 // the same
	formatString               // the body, or the one JSON string in it, is the value
	formatXML
	formatNone // nothing is read from the body
)

// formats are the words of response.format.
var formats = map[string]format{
	"": formatAuto, "json": formatJSON, "form": formatForm, "string": formatString, "xml": formatXML, "none": formatNone,
}

// read decodes the answer and decides whether it is one of success.
func (p *response) read(a *answer) error {
	err := p.decode(a)
	success := slices.Contains(p.status, a.status)
	if err != nil {
		if success {
			return a.refuse(err.Error())
		}
		return p.failure(a) // a page of a proxy in between, say: the status is what counts
	}
	// The error code counts whatever the status is: GitHub and Slack say no with 200.
	if code, _ := text(p.err.find(a)); code != "" && !p.holds(a) {
		return p.failure(a)
	}
	if !success {
		return p.failure(a)
	}
	for _, c := range p.ok {
		got, found := text(c.path.find(a))
		if !found || !slices.Contains(c.want, got) {
			return p.failure(a)
		}
	}
	return nil
}

// holds reports whether the answer passes the declared test of success; without
// one it does not.
func (p *response) holds(a *answer) bool {
	for _, c := range p.ok {
		if got, found := text(c.path.find(a)); !found || !slices.Contains(c.want, got) {
			return false
		}
	}
	return len(p.ok) > 0
}

// failure is the Error that an answer of failure means (RFC 6749 §5.2).
func (p *response) failure(a *answer) *Error {
	e := a.refuse("")
	e.challenged = a.status == http.StatusUnauthorized && (a.tree != nil || a.header.Get("WWW-Authenticate") != "")
	if a.tree == nil {
		if a.status < 400 {
			e.Description = fmt.Sprintf("%d is not a status of success here; if it should be, declare response.status", a.status)
		}
		return e
	}
	code, _ := text(p.err.find(a))
	description, _ := text(p.errDescription.find(a))
	if mapped := p.codes[code]; mapped != "" {
		code = mapped
	}
	if code != "" {
		e.Code = a.hide.code(code)
	}
	e.Description = a.hide.clean(description)
	if n, ok := text(parsePath("interval").find(a)); ok {
		if d, err := parseSeconds(n); err == nil && d > 0 {
			e.Interval = min(d, time.Hour)
		}
	}
	switch {
	case e.Code == "temporarily_unavailable" || e.Code == "server_error" || e.Code == codePending || e.Code == codeSlowDown:
		e.Temporary = true
	case e.Code == "" && e.Description == "" && a.status < 400 && !slices.Contains(p.status, a.status):
		e.Description = fmt.Sprintf("%d is not a status of success here; if it should be, declare response.status", a.status)
	case e.Code == "" && e.Description == "" && a.status < 400:
		e.Description = "the answer does not pass response.ok"
	}
	return e
}

// decode fills a.tree. Its errors do not quote the body.
func (p *response) decode(a *answer) error {
	media, _, _ := mime.ParseMediaType(a.header.Get("Content-Type"))
	kind := p.format
	if kind == formatAuto {
		switch {
		case media == "application/x-www-form-urlencoded":
			kind = formatForm
		case media == "" || media == "application/json" || strings.HasSuffix(media, "+json"):
			kind = formatJSON
		default:
			return fmt.Errorf("want JSON, got %s; if it is JSON or a form all the same, declare response.format", quoteMedia(media))
		}
	}
	switch kind {
	case formatForm:
		return a.decodeForm()
	case formatXML:
		return a.decodeXML()
	case formatString:
		return a.decodeString()
	case formatNone:
		a.tree = map[string]any{}
		return nil
	}
	return a.decodeJSON()
}

// quoteMedia names a media type that came from outside.
func quoteMedia(media string) string {
	if len(media) > 60 || strings.ContainsFunc(media, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "something else"
	}
	return media
}

func (a *answer) decodeJSON() error {
	dec := json.NewDecoder(bytes.NewReader(a.body))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil || v == nil {
		return errors.New("the answer is not the JSON that was expected")
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("something follows the JSON of the answer")
	}
	a.tree = v
	return nil
}

func (a *answer) decodeForm() error {
	values, err := url.ParseQuery(strings.TrimSpace(string(a.body)))
	if err != nil || len(values) == 0 {
		return errors.New("the answer is not the form that was expected")
	}
	object := make(map[string]any, len(values))
	for name, vs := range values {
		if len(vs) > 1 {
			return errors.New("a parameter of the answer stands twice")
		}
		object[name] = vs[0]
	}
	a.tree = object
	return nil
}

// decodeString takes a bare token, as Magento sends it: a JSON string, or text.
func (a *answer) decodeString() error {
	s := strings.TrimSpace(string(a.body))
	if strings.HasPrefix(s, `"`) {
		if err := json.Unmarshal([]byte(s), &s); err != nil {
			return errors.New("the answer is not the string that was expected")
		}
	}
	if strings.HasPrefix(s, "<") || strings.HasPrefix(s, "{") || strings.HasPrefix(s, "[") {
		// An error document in place of the bare token.
		if a.decodeJSON() != nil {
			a.tree = nil
			return errors.New("the answer is not the string that was expected")
		}
		return nil
	}
	a.tree = s
	return nil
}
