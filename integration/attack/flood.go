package main

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// playFlood does all at once, as one agent, what uses up memory and descriptors:
// connections that say nothing, headers that do not end, answers that inflate
// and are not read, tunnels. Meanwhile another agent is served.
func playFlood(s *stage, a *attack) (broken, record string) {
	before := s.resident("VmRSS:")
	s.forgetPeak()
	id := fmt.Sprintf("a%d", attempts.Add(1))
	s.got.answer(id, &says{Type: "application/json", Coding: "gzip", Inflates: 64 << 20})
	defer s.got.forget(id)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	counts := map[string]int{}
	count := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		counts[what]++
	}
	dial := func() net.Conn {
		conn, err := net.DialTimeout("tcp", s.Listen, 5*time.Second)
		if err != nil {
			count("not accepted")
			return nil
		}
		conn.SetDeadline(time.Now().Add(25 * time.Second))
		mu.Lock()
		open = append(open, conn)
		mu.Unlock()
		return conn
	}
	for range 400 {
		if conn := dial(); conn != nil {
			wg.Go(func() {
				if _, err := conn.Read(make([]byte, 1)); err == io.EOF {
					count("silent, closed")
				}
			})
		}
	}
	line := "X-Fill: " + strings.Repeat("f", 8<<10) + "\r\n"
	for i := range 300 {
		wg.Go(func() {
			st := step{Door: "plain", As: "flood"}
			if i%4 == 0 { // some inside tunnels, where headers may be longer
				st.Door = "tunnel"
			}
			conn, err := s.dial(&st)
			if err != nil {
				count("no tunnel for headers")
				return
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(12 * time.Second))
			fmt.Fprintf(conn, "GET /bearer/x HTTP/1.1\r\nHost: bearer.test\r\n")
			for range 60 {
				if _, err := io.WriteString(conn, line); err != nil {
					count("headers, stopped")
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
			conn.Read(make([]byte, 1))
		})
	}
	for range 40 {
		wg.Go(func() {
			conn := dial()
			if conn == nil {
				return
			}
			fmt.Fprintf(conn, "GET /bearer/x HTTP/1.1\r\nHost: localhost\r\nX-Attack: %s\r\nAuthorization: Bearer %s\r\nAccept-Encoding: gzip\r\n\r\n", id, agentTokens["flood"])
			head, _ := readHead(conn)
			count("inflating: " + firstLine(head))
			time.Sleep(3 * time.Second)
		})
	}
	for range 8 {
		wg.Go(func() {
			for range 1250 {
				conn := dial()
				if conn == nil {
					continue
				}
				fmt.Fprintf(conn, "CONNECT bearer.test:443 HTTP/1.1\r\nHost: bearer.test:443\r\nProxy-Authorization: Bearer %s\r\n\r\n", agentTokens["flood"])
				head, _ := readHead(conn)
				count("tunnel: " + firstLine(head))
				if !strings.HasPrefix(head, "HTTP/1.1 200") {
					conn.Close()
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for over := false; !over; {
		select {
		case <-done:
			over = true
		case <-time.After(300 * time.Millisecond):
			if why := s.served("writer"); why != "" {
				broken = "another agent meanwhile: " + why
			}
		}
	}
	for _, conn := range open {
		conn.Close()
	}
	grew := s.resident("VmHWM:") - before
	if grew > mostMemory {
		broken = fmt.Sprintf("the proxy grew by %d MiB, want at most %d", grew>>20, mostMemory>>20)
	}
	if counts["silent, closed"] < 400 {
		broken = fmt.Sprintf("%d of 400 silent connections were closed within 25 s", counts["silent, closed"])
	}
	if counts["tunnel: HTTP/1.1 429 attache: too_many_requests"] == 0 {
		broken = "10 000 tunnels of one agent were opened"
	}
	return broken, fmt.Sprintf("%d MiB more; %v\n", grew>>20, counts)
}

func firstLine(head string) string { line, _, _ := strings.Cut(head, "\r\n"); return line }

// served says why an agent does not get its answer soon; empty if it does.
func (s *stage) served(as string) string {
	id := fmt.Sprintf("a%d", attempts.Add(1))
	st := step{Door: "base", As: as}
	defer s.got.forget(id)
	began := time.Now()
	a := s.send(&st, s.compose(&st, id))
	if took := time.Since(began); a.status != 200 || took > 5*time.Second {
		return fmt.Sprintf("%d %s after %v", a.status, a.refusal, took.Round(time.Millisecond))
	}
	return ""
}

// playStrangers presents 120 000 wrong tokens, one behind the other on few connections. That
// must cost little disk, and shut nobody out.
func playStrangers(s *stage, a *attack) (broken, record string) {
	const tokens, connections, most = 120000, 40, 256 << 10
	before := 0
	audit := func() (n int) {
		for _, line := range s.log.lines(`"attache.audit"`) {
			n += len(line)
		}
		return n
	}
	before = audit()
	until := time.Now().Add(3 * time.Second)
	var wg sync.WaitGroup
	var mu sync.Mutex
	sent := 0
	for i := range connections {
		wg.Go(func() {
			for time.Now().Before(until) {
				conn, err := net.DialTimeout("tcp", s.Listen, time.Second)
				if err != nil {
					continue
				}
				conn.SetDeadline(until.Add(time.Second))
				var all strings.Builder
				for n := range tokens / connections {
					fmt.Fprintf(&all, "GET /bearer/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer wrong-token-%d-%d-%d\r\n\r\n", i, n, time.Now().UnixNano())
				}
				go io.WriteString(conn, all.String()) // until the connection is closed
				for buf := make([]byte, 4096); time.Now().Before(until); {
					n, err := conn.Read(buf)
					mu.Lock()
					sent += strings.Count(string(buf[:n]), "HTTP/1.1 4")
					mu.Unlock()
					if err != nil {
						break
					}
				}
				conn.Close()
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for over := false; !over; {
		select {
		case <-done:
			over = true
		case <-time.After(200 * time.Millisecond):
			if why := s.served("writer"); why != "" {
				broken = "another agent meanwhile: " + why
			}
		}
	}
	time.Sleep(300 * time.Millisecond)
	grew := audit() - before
	if grew > most {
		broken = fmt.Sprintf("%d wrong tokens cost %d KiB of audit", sent, grew>>10)
	}
	// 50 a second for all, with some slack for those that wait.
	if sent > 3*50+10*connections {
		broken = fmt.Sprintf("%d wrong tokens were answered in three seconds", sent)
	}
	return broken, fmt.Sprintf("%d answered, %d bytes of audit\n", sent, grew)
}
