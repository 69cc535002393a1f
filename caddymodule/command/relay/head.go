package relay

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"net/url"
	"slices"
	"strings"
)

// maxHead bounds the head of one request, in bytes; the proxy's own limit is the same.
const maxHead = 1 << 20

// head is the head of one request, as it came.
type head struct {
	text           []byte // with the line ends, and the empty line
	method, target string
	version        string
	fields         []field
}

type field struct{ name, value string } // the name in lower case

var errLong = errors.New("the head is too long")

// readHead reads up to the empty line. Empty lines before a request are no part of
// it (RFC 9112 §2.2).
func readHead(r *bufio.Reader) (h head, err error) {
	for {
		line, err := readLine(r, &h)
		if err != nil {
			return h, err
		}
		text := strings.TrimRight(string(line), "\r\n")
		switch {
		case text == "" && h.method == "":
			h.text = h.text[:0]
		case text == "":
			return h, nil
		case h.method == "":
			h.method, h.target, _ = strings.Cut(text, " ")
			if i := strings.LastIndexByte(h.target, ' '); i >= 0 {
				h.target, h.version = h.target[:i], h.target[i+1:]
			}
			if h.foreign() && !h.isHTTP2() {
				return h, nil
			}
		default:
			name, value, _ := strings.Cut(text, ":")
			h.fields = append(h.fields, field{strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)})
		}
	}
}

// readLine adds one line to the head's text.
func readLine(r *bufio.Reader, h *head) (line []byte, err error) {
	at := len(h.text)
	for {
		part, err := r.ReadSlice('\n')
		h.text = append(h.text, part...)
		switch {
		case err == nil:
			return h.text[at:], nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		case len(h.text) > maxHead:
			return nil, errLong
		}
	}
}

// foreign is a head that is none of HTTP/1.
func (h *head) foreign() bool { return !strings.HasPrefix(h.version, "HTTP/1.") }

// isHTTP2 is the preface of HTTP/2 (RFC 9113 §3.4); the rest of it follows.
func (h *head) isHTTP2() bool {
	return h.method == "PRI" && h.target == "*" && h.version == "HTTP/2.0"
}

func (h *head) has(name string) bool {
	for _, f := range h.fields {
		if f.name == name {
			return true
		}
	}
	return false
}

func (h *head) values(name string) (all []string) {
	for _, f := range h.fields {
		if f.name == name {
			all = append(all, f.value)
		}
	}
	return all
}

// HeaderDoor is how the tunnels of programs that know of no proxy are told from others.
// No program says so of its own.
const HeaderDoor = "Attache-Door"

// says adds who calls. A client that brings a token is the agent of that; one that only
// chooses an account is completed.
func (h *head) says(who *Proxy) {
	if h.has("attache-door") {
		h.drop(HeaderDoor)
	}
	account := who.Account
	if given := h.values("proxy-authorization"); len(given) > 0 {
		chosen, ok := nameOnly(given[0])
		if !ok || len(given) > 1 {
			return
		}
		account = chosen
		h.drop("proxy-authorization")
	}
	user := who.Agent
	if account != "" {
		user += "+" + account
	}
	token := who.token()
	if token.IsZero() && account == "" {
		return
	}
	user = strings.ReplaceAll(url.PathEscape(user), ":", "%3A")
	basic := base64.StdEncoding.EncodeToString([]byte(user + ":" + token.Reveal()))
	h.add("Proxy-Authorization: Basic " + basic + "\r\n")
}

// nameOnly reads Basic credentials without a password: agent+account.
func nameOnly(value string) (account string, ok bool) {
	scheme, rest, _ := strings.Cut(value, " ")
	text, err := base64.StdEncoding.DecodeString(strings.TrimSpace(rest))
	if err != nil || !strings.EqualFold(scheme, "Basic") {
		return "", false
	}
	user, password, _ := strings.Cut(string(text), ":")
	if decoded, err := url.PathUnescape(user); err == nil {
		user = decoded
	}
	_, account, _ = strings.Cut(user, "+")
	return account, password == ""
}

// add puts a line at the head's end: a first line that is a continuation stays with
// what it continues.
func (h *head) add(line string) {
	end := len(bytes.TrimRight(h.text, "\r\n"))
	end += bytes.IndexByte(h.text[end:], '\n') + 1
	h.text = slices.Insert(h.text, end, []byte(line)...)
}

// drop takes the lines of a field away.
func (h *head) drop(name string) {
	var kept []byte
	for line := range bytes.Lines(h.text) {
		before, _, _ := bytes.Cut(line, []byte(":"))
		if !strings.EqualFold(strings.TrimSpace(string(before)), name) {
			kept = append(kept, line...)
		}
	}
	h.text = kept
}

// retarget makes a request for the relay itself one in origin form.
func (h *head) retarget(rest string) {
	if rest == "" || rest[0] != '/' {
		rest = "/" + rest
	}
	i := len(h.method) + 1
	h.text = append([]byte(h.method+" "+rest), h.text[i+len(h.target):]...)
	h.target = rest
}
