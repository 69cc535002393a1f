package main

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// playEnded opens a stream, an upgrade and an answer that has not begun, then calls
// the API as the attack's request says, with {agent}, {account} and {grant}. All
// must be over within a second; the connection's next request is refused.
func playEnded(s *stage, a *attack) (broken, record string) {
	for range 2 { // the machine may be busy once
		if broken, record = s.ended1(a); broken == "" {
			return "", record
		}
	}
	return broken, record
}

func (s *stage) ended1(a *attack) (broken, record string) {
	name := fmt.Sprintf("e%d", attempts.Add(1))
	vars := map[string]string{}
	for _, m := range [][3]string{
		{"account", "/accounts", fmt.Sprintf(`{"connector":"shop","option":"key","organisation":"north","name":%q,"credentials":{"shop":"north","key":%q}}`, name, secret("north"))},
		{"agent", "/agents", fmt.Sprintf(`{"name":%q,"organisation":"north"}`, name)},
	} {
		out, err := s.api("root", "POST", m[1], m[2], 201)
		if err != nil {
			return err.Error(), ""
		}
		vars[m[0]] = fmt.Sprint(out["id"])
		if t, ok := out["token"].(string); ok {
			vars["token"] = t
		}
	}
	out, err := s.api("root", "POST", "/agents/"+vars["agent"]+"/grants", `{"account_id":"`+vars["account"]+`","scopes":["read","write"]}`, 201)
	if err != nil {
		return err.Error(), ""
	}
	vars["grant"] = fmt.Sprint(out["id"])
	open := map[string]net.Conn{}
	for what, answer := range map[string]*says{
		"stream":  {Type: "text/event-stream", Body: "data: 1\n\n", Hangs: true},
		"upgrade": {Status: 101},
	} {
		id := fmt.Sprintf("a%d", attempts.Add(1))
		s.got.answer(id, answer)
		defer s.got.forget(id)
		conn, err := net.Dial("tcp", s.Listen)
		if err != nil {
			return err.Error(), ""
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(8 * time.Second))
		head := "GET /shop/live HTTP/1.1\r\nHost: localhost\r\nX-Attack: " + id + "\r\nAuthorization: Bearer " + vars["token"] + "\r\n"
		if what == "upgrade" {
			head += "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
		}
		io.WriteString(conn, head+"\r\n")
		if got, _ := readHead(conn); !strings.Contains(got, " 200 ") && !strings.Contains(got, " 101 ") {
			return fmt.Sprintf("the %s did not begin: %s", what, clip(got, 300)), ""
		}
		open[what] = conn
	}
	time.Sleep(200 * time.Millisecond)
	st := s.filled(a.step, vars)
	method, path := st.words()
	want := 200
	if method == "DELETE" {
		want = 204
	}
	if _, err := s.api("root", method, path, st.Body, want); err != nil {
		return err.Error(), ""
	}
	began := time.Now()
	var wg sync.WaitGroup
	var mu sync.Mutex
	for what, conn := range open {
		wg.Go(func() {
			conn.SetReadDeadline(began.Add(3 * time.Second))
			io.Copy(io.Discard, conn)
			mu.Lock()
			defer mu.Unlock()
			took := time.Since(began).Round(time.Millisecond)
			record += fmt.Sprintf("the %s ended after %v\n", what, took)
			if took > time.Second {
				broken = fmt.Sprintf("the %s was open for %v after it was not allowed any more", what, took)
			}
		})
	}
	wg.Wait()
	return broken, record
}
