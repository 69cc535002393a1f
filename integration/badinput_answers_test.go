package integration_test

import (
	"strings"
	"testing"
	"time"
)

// What services send that two readers might take apart differently
// (RFC 9112 §6.3), or that is not HTTP at all.
func TestSmuggledAnswers(t *testing.T) {
	w, a := newWireProxy(t)
	const injected = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\ninjected"
	for _, c := range []struct {
		name, answer string
		ok           bool // may be passed on in one clear form; otherwise the client gets 502 or a broken answer
	}{
		{"two Content-Lengths that differ", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 60\r\n\r\nok" + injected, false},
		{"Content-Length and Transfer-Encoding", "HTTP/1.1 200 OK\r\nContent-Length: 60\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n" + injected, true},
		{"negative Content-Length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nok", false},
		{"Content-Length is no number", "HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok", false},
		{"unknown Transfer-Encoding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", false},
		{"bad chunk size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n0\r\n\r\n", false},
		{"body shorter than its length", "HTTP/1.1 200 OK\r\nContent-Length: 60\r\nConnection: close\r\n\r\nok", false},
		{"an answer that nobody asked for", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" + injected, true},
		{"a body with 204", "HTTP/1.1 204 No Content\r\nContent-Length: 8\r\n\r\n" + injected, true},
		{"a body with 304", "HTTP/1.1 304 Not Modified\r\n\r\n" + injected, true},
		{"folded header", "HTTP/1.1 200 OK\r\nX-A: 1\r\n 2\r\nContent-Length: 2\r\n\r\nok", true},
		{"NUL in a header", "HTTP/1.1 200 OK\r\nX-A: 1\x002\r\nContent-Length: 2\r\n\r\nok", false},
		{"bare CR in a header", "HTTP/1.1 200 OK\r\nX-A: 1\rX-B: 2\r\nContent-Length: 2\r\n\r\nok", false},
		{"no status", "HTTP/1.1\r\n\r\n", false},
		{"status out of range", "HTTP/1.1 99 Odd\r\nContent-Length: 2\r\n\r\nok", false},
		{"not HTTP", "SSH-2.0-OpenSSH_9.2\r\n\r\n", false},
		{"101 that was not asked for", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n" + injected, false},
		{"1xx without end", strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 2000), false},
		{"headers of 20 MiB", "HTTP/1.1 200 OK\r\nX-A: " + strings.Repeat("a", 20<<20) + "\r\nContent-Length: 2\r\n\r\nok", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.reset(c.answer)
			conn := a.dial(t)
			request := "GET /wire/first HTTP/1.1\r\nHost: " + a.Addr + "\r\n\r\n"
			raw := exchange(conn, request, 500*time.Millisecond)
			w.reset("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond")
			second := exchange(a.dial(t), strings.Replace(request, "first HTTP/1.1", "second HTTP/1.1\r\nConnection: close", 1), 5*time.Second)

			all := answers(raw)
			if strings.Contains(raw, "injected") && strings.Contains(raw, "HTTP/1.1 200 OK\r\nContent-Length: 8") {
				t.Errorf("what followed the answer reached the client:\n%s", clip(raw))
			}
			if whole := len(all) > 0 && all[0].StatusCode == 200 && strings.HasSuffix(raw, "ok"); whole && !c.ok {
				t.Errorf("a malformed answer was passed on as if it were whole:\n%s", clip(raw))
			}
			if !c.ok && len(all) > 0 && all[0].StatusCode >= 500 && all[0].Header.Get("Attache-Error") == "" {
				t.Errorf("the refusal does not say that it is the proxy's:\n%s", clip(raw))
			}
			if got := answers(second); len(got) != 1 || !strings.HasSuffix(second, "second") {
				t.Errorf("the next request has another's answer: %q", clip(second))
			}
		})
	}
}
