package sign

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/attache-proxy/attache/providers/expr"
	"github.com/attache-proxy/attache/providers/sign"
)

// clock sets time and nonce: those of the flags, else those that the request
// holds where the scheme writes them.
func (s *signing) clock(in *sign.Input, signer sign.Signer, req *http.Request, body []byte) error {
	sent := sentBefore(req, body, signer.Places())
	switch t, name := sent.time(); {
	case s.at != "" && name != "":
		s.note("the request's %s is not used: --at is", name)
		fallthrough
	case s.at != "":
		at, ok := readTime(s.at)
		if !ok {
			return fmt.Errorf("--at %q: want RFC 3339, such as 2024-01-02T03:04:05Z", s.at)
		}
		in.Now = at
	case name != "":
		s.note("signed at %s, the request's %s", t.UTC().Format(time.RFC3339Nano), name)
		in.Now = t
	default:
		in.Now = time.Now()
		if name := sent.unread(); name != "" {
			s.note("the request's %s is not used: it is no time that is understood here; signed now", name)
		}
	}
	if in.Nonce = s.nonce; in.Nonce == "" {
		nonce, name := sent.nonce()
		if name != "" {
			s.note("the nonce is the request's %s", name)
		}
		in.Nonce = nonce
	}
	return nil
}

// sentValue is what a request holds in a place that its signer writes.
type sentValue struct{ name, value string }

type sentValues []sentValue

// sentBefore are the values that the request, signed before with whatever keys,
// holds in the places p.
func sentBefore(req *http.Request, body []byte, p sign.Places) sentValues {
	var all sentValues
	add := func(name, value string) {
		if value != "" {
			all = append(all, sentValue{name, value})
		}
	}
	for _, name := range p.Headers {
		add(name, req.Header.Get(name))
	}
	query := expr.ParsePairs(req.URL.RawQuery)
	for _, pair := range query {
		if strings.HasSuffix(pair.Name, "-Date") { // of a presigned URL
			add(pair.Name, pair.Value)
		}
	}
	for _, name := range p.Query {
		for _, pair := range query {
			if pair.Name == name {
				add(name, pair.Value)
			}
		}
	}
	// OAuth 1.0a, Hawk, EdgeGrid and others: name="value" after the scheme.
	for _, m := range authParam.FindAllStringSubmatch(req.Header.Get("Authorization"), -1) {
		add(m[1], m[2])
	}
	switch {
	case strings.HasPrefix(req.Header.Get("Content-Type"), "application/x-www-form-urlencoded"):
		for _, pair := range expr.ParsePairs(string(body)) {
			for _, name := range p.Form {
				if name == pair.Name {
					add(name, pair.Value)
				}
			}
		}
	case len(p.JSON) > 0:
		var members map[string]json.RawMessage
		if json.Unmarshal(body, &members) == nil {
			for _, name := range p.JSON {
				add(name, strings.Trim(string(members[name]), `"`))
			}
		}
	}
	return all
}

var authParam = regexp.MustCompile(`([A-Za-z_]+)="?([^",; ]*)"?`)

var (
	timeName  = regexp.MustCompile(`(?i)(^|[-_])(date|time|timestamp|ts|t|created)$|timestamp$`)
	nonceName = regexp.MustCompile(`(?i)nonce`)
)

// time is the first of the values that is a time, with its name; the vendor's
// own header comes before Date.
func (all sentValues) time() (t time.Time, name string) {
	for _, v := range all {
		if !timeName.MatchString(v.name) {
			continue
		}
		if at, ok := v.time(); ok && (name == "" || name == "Date") {
			t, name = at, v.name
		}
	}
	return t, name
}

// time reads the value as a time. OAuth 1.0a counts seconds, in published examples
// also such as no clock has shown for long.
func (v sentValue) time() (time.Time, bool) {
	at, ok := readTime(v.value)
	if n, err := strconv.ParseInt(v.value, 10, 62); !ok && err == nil && n > 0 && v.name == "oauth_timestamp" {
		return time.Unix(n, 0), true
	}
	return at, ok
}

// unread is the name of a value that ought to be a time, and is none; or empty.
func (all sentValues) unread() string {
	for _, v := range all {
		if _, ok := v.time(); !ok && timeName.MatchString(v.name) {
			return v.name
		}
	}
	return ""
}

func (all sentValues) nonce() (nonce, name string) {
	for _, v := range all {
		if nonceName.MatchString(v.name) {
			return v.value, v.name
		}
	}
	return "", ""
}

// readTime reads a time in one of the forms that services use.
func readTime(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, "20060102T150405Z", "20060102T15:04:05-0700", "2006-01-02T15:04:05.999999999", http.TimeFormat, time.RFC1123Z} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	switch {
	case err != nil:
		return time.Time{}, false
	case n >= 1e9 && n < 1e10:
		return time.Unix(n, 0), true
	case n >= 1e12 && n < 1e13:
		return time.UnixMilli(n), true
	}
	return time.Time{}, false
}
