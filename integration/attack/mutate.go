package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// mutate tries random changes of the catalogue's requests. What stands beside an
// attack need not hold for them, but what always holds does. The nth mutation
// of a seed is the same in every run.
func (s *stage) mutate(all []*attack, seed uint64, for_ time.Duration, workers int, r *report) {
	var seeds []*attack
	for _, a := range all {
		if len(a.Steps) == 1 && a.Steps[0].Command == nil && slices.Contains(everyDoor, a.Steps[0].Door) {
			seeds = append(seeds, a)
		}
	}
	if len(seeds) == 0 {
		return
	}
	until := time.Now().Add(for_)
	var n atomic.Uint64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for time.Now().Before(until) && s.alive() {
				nth := n.Add(1)
				o := s.tryMutated(seeds, &mutation{rand.New(rand.NewPCG(seed, nth))})
				o.Name = fmt.Sprintf("mutation %d of seed %d: %s", nth, seed, o.Name)
				r.add(o)
			}
		})
	}
	wg.Wait()
}

func (s *stage) tryMutated(seeds []*attack, m *mutation) outcome {
	a := *seeds[m.IntN(len(seeds))]
	a.Pending = ""
	a.Steps = slices.Clone(a.Steps)
	id := fmt.Sprintf("a%d", attempts.Add(1))
	defer s.got.forget(id)
	st := s.filled(a.Steps[0], map[string]string{"id": id})
	st.Door = everyDoor[m.IntN(len(everyDoor))]
	if m.IntN(3) == 0 {
		st.As = m.one([]string{"reader", "writer", "stranger", "ruled"})
	}
	if m.IntN(3) == 0 {
		st.Connector = m.one([]string{"bearer", "basic", "header", "query", "cookie", "wire", "actions", "part", "objects", "minted", "zendesk"})
		if st.Connector == "zendesk" && (st.Door != "base" && st.Door != "name") {
			st.Connector = "bearer"
		}
	}
	if m.IntN(2) == 0 {
		st.Says = m.says()
	}
	s.got.answer(id, st.Says)
	msg := s.compose(&st, id)
	for range 1 + m.IntN(4) {
		m.message(&msg)
	}
	a.door = st.Door
	got := s.send(&st, msg)
	o := outcome{attack: &a, broken: s.always(&st, id, msg.bytes(), got)}
	if o.broken != "" {
		o.record = fmt.Sprintf("> %s as %s\n%s\n< %s\n", st.Door, st.as(), clip(msg.bytes(), 3000), clip(got.raw, 3000))
		for _, g := range s.got.of(id) {
			o.record += "arrived: " + clip(g.text, 1500) + "\n"
		}
	}
	return o
}

// mutation is a source of changes.
type mutation struct{ *rand.Rand }

func (m *mutation) one(list []string) string { return list[m.IntN(len(list))] }

var (
	mutatedHeaders = []string{"Transfer-Encoding: chunked", "Content-Length: 0", "Content-Length: 7", "X-HTTP-Method-Override: DELETE", "X-Http-Method: PUT", "X-Method-Override: PATCH",
		"X-Original-URL: /admin", "X-Rewrite-URL: /admin", "X-Forwarded-Host: evil.test", "Forwarded: host=evil.test", "Connection: Authorization", "Connection: X-Api-Key, close",
		"Connection: Upgrade", "Upgrade: websocket", "Upgrade: h2c", "Expect: 100-continue", "Range: bytes=0-40", "Range: bytes=5-,1-2", "If-Range: \"v1\"", "Accept-Encoding: br, zstd;q=0.5", "Accept-Encoding: identity;q=0, *",
		"TE: trailers", "Trailer: Authorization", "Authorization: Basic dXNlcjpwYXNz", "Cookie: session=mine", "X-Api-Key: mine", "Attache-Account: work", "Attache-Account: bearer:default",
		"Proxy-Connection: keep-alive", "Content-Encoding: gzip", "Content-Type: application/x-www-form-urlencoded", "Content-Type: multipart/form-data; boundary=x", "Max-Forwards: 0", "Via: 1.1 attache", "Origin: https://evil.test", "Referer: https://evil.test/"}
	mutatedPaths = []string{"/..", "/.", "/%2e%2e", "/%252e", "//", "/;x", "/%00", "/\\", "/%5c", "?_method=DELETE", "?key=mine", "?X-Amz-Signature=0", "#f", "/%c0%ae", "/％２ｅ", "?a=1;b=2", "/{", "/*", "%", "/http://evil.test/", "@evil.test"}
	mutatedTypes = []string{"text/plain", "text/html", "application/json", "application/xml", "application/sql", "message/http", "multipart/mixed; boundary=x", "text/event-stream", "none", "nonsense", "application/jwt",
		"text/plain; charset=utf-16", "application/grpc-web-text", "application/x-www-form-urlencoded", "application/x-ndjson", "model/vrml", "application/pem-certificate-chain"}
	mutatedSpellings = []string{"plain", "hex", "HEX", "base64", "base64url", "base64-1", "base64-2", "percent", "PERCENT", "json", "JSON", "decimal", "entities", "zeros", "escapes", "printable", "every-other", "slashes"}
)

// says is a random answer of a service that gives everything back.
func (m *mutation) says() *says {
	a := &says{Type: m.one(mutatedTypes), Spelled: m.one(mutatedSpellings), Coding: m.one([]string{"", "", "gzip", "deflate", "br", "zstd", "gzip,gzip", "nonsense"}),
		Status: []int{0, 200, 201, 206, 400, 401, 403, 404, 500, 503}[m.IntN(10)], Known: m.IntN(2) == 0}
	if m.IntN(3) == 0 {
		a.Drip, a.Pause = 1+m.IntN(300), m.one([]string{"0s", "1ms"})
		a.Body = "{placed} and {placed}"
	}
	if m.IntN(4) == 0 {
		a.Trailers = []string{"X-Echo: {echo}", "Grpc-Message: {placed}"}
		a.Known = false
	}
	if m.IntN(4) == 0 {
		a.Headers = []string{m.one([]string{"X-Echo", "Location", "Set-Cookie", "Link", "WWW-Authenticate", "Server-Timing", "Content-Disposition", "ETag", "Warning"}) + ": {echo}"}
	}
	if m.IntN(6) == 0 {
		a.Hints = []string{"Link: <{placed}>; rel=preload"}
	}
	a.Breaks = m.IntN(12) == 0
	return a
}

// message changes one thing of a request.
func (m *mutation) message(r *message) {
	at := func(s string) int { return m.IntN(len(s) + 1) }
	line := func() int { return m.IntN(len(r.headers)) }
	switch m.IntN(15) {
	case 0:
		r.headers = append(r.headers, m.one(mutatedHeaders))
	case 1:
		r.headers = slices.Insert(r.headers, line(), m.one(mutatedHeaders))
	case 2: // twice
		r.headers = append(r.headers, r.headers[line()])
	case 3: // another case
		i := line()
		name, value, _ := strings.Cut(r.headers[i], ":")
		r.headers[i] = m.one([]string{strings.ToUpper(name), strings.ToLower(name), strings.ReplaceAll(name, "-", "_")}) + ":" + value
	case 4: // white space
		i := line()
		name, value, _ := strings.Cut(r.headers[i], ":")
		r.headers[i] = m.one([]string{name + " :" + value, name + ":\t" + value, name + ":" + value + " \t", name + ":\r\n " + value, " " + name + ":" + value, name + ":\x0b" + value})
	case 5:
		p := at(r.target)
		r.target = r.target[:p] + m.one(mutatedPaths) + r.target[p:]
	case 6:
		r.target += m.one(mutatedPaths)
	case 7: // a character in percent
		if p := at(r.target); p > 0 {
			r.target = r.target[:p-1] + fmt.Sprintf("%%%02x", r.target[p-1]) + r.target[p:]
		}
	case 8:
		r.method = m.one([]string{"GET", "POST", "HEAD", "OPTIONS", "TRACE", "DELETE", "get", "PUT", "PROPFIND", "CONNECT", "GET\t", "QUERY", "M-SEARCH", "PATCH"})
	case 9:
		r.host = m.one([]string{r.host + ".", strings.ToUpper(r.host), r.host + ":443", r.host + ":80", "x@" + r.host, "evil.test", r.host + "@evil.test", "127.0.0.2", "", "-"})
	case 10:
		r.body = m.one([]string{"0\r\n\r\n", "a=1&_method=DELETE", `{"_method":"DELETE","auth":{"key":"x"}}`, "5\r\nhello\r\n0\r\nAuthorization: x\r\n\r\n", strings.Repeat("x", m.IntN(100_000)), "token=mine&token=other"})
	case 11: // a second request behind it
		r.after = fmt.Sprintf("%s /echo HTTP/1.1\r\nHost: %s\r\n%s\r\n\r\n", m.one([]string{"GET", "DELETE", "POST"}), r.host, r.headers[0])
	case 12:
		if len(r.headers) > 1 {
			r.headers = slices.Delete(r.headers, 1, 2)
		}
	case 13: // a bit of the target
		if p := at(r.target); p > 0 {
			b := []byte(r.target)
			b[p-1] ^= 1 << m.IntN(8)
			r.target = string(b)
		}
	case 14:
		r.head += m.one(mutatedHeaders) + "\r\n"
	}
}
