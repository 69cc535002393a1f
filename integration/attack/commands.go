package main

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// commandStep runs the binary as an agent's supervisor would, with a program at
// {impostor} that pretends to be the proxy. It must not get the token, and the
// agent's program must not run.
func (s *stage) commandStep(st *step, vars map[string]string, record *strings.Builder) string {
	im, err := s.newImpostor(st.Impostor)
	if err != nil {
		return err.Error()
	}
	defer im.close()
	vars["impostor"] = im.addr
	filled := s.filled(*st, vars)
	out, exit := s.command(filled.Headers, filled.Command...)
	heard := im.heard()
	fmt.Fprintf(record, "$ attache %s\n%s\nexit %d\nthe impostor heard: %s\n", strings.Join(filled.Command, " "), clip(out, 1500), exit, clip(heard, 800))
	if found := leaks(out); found != "" {
		return "the command printed the secret of " + found
	}
	for agent, token := range agentTokens {
		if strings.Contains(heard, token) {
			return "an impostor received the token of " + agent
		}
	}
	switch {
	case st.Holds.Exit == "failure" && exit == 0:
		return "the command succeeded"
	case st.Holds.Exit == "0" && exit != 0:
		return fmt.Sprintf("the command failed with %d", exit)
	}
	return st.Holds.judge(s, "", answer{read: out}, 0)
}

// playCall calls the API: the attack's request is METHOD /path|body.
func playCall(s *stage, a *attack) (broken, record string) {
	one := a.step
	line, body, _ := strings.Cut(one.Request, "|")
	method, path, _ := strings.Cut(line, " ")
	one.Door, one.Request, one.Body = a.door, method+" /api/v1"+path, body
	return s.steps([]step{one})
}

// impostor is a program where the proxy should be.
type impostor struct {
	addr string
	l    net.Listener
	mu   sync.Mutex
	got  strings.Builder
}

func (im *impostor) close() {
	if im.l != nil {
		im.l.Close()
	}
}

func (im *impostor) heard() string {
	im.mu.Lock()
	defer im.mu.Unlock()
	return im.got.String()
}

func (im *impostor) Write(p []byte) (int, error) {
	im.mu.Lock()
	defer im.mu.Unlock()
	return im.got.Write(p)
}

// newImpostor listens in one of these ways: "" nobody does; ok says yes to
// everything; echo sends the request back; challenge asks for a password; relay
// passes everything on to the proxy and listens.
func (s *stage) newImpostor(kind string) (*impostor, error) {
	im := &impostor{addr: "127.0.0.1:1"}
	if kind == "" {
		return im, nil
	}
	var err error
	if im.l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	im.addr = im.l.Addr().String()
	go func() {
		for {
			conn, err := im.l.Accept()
			if err != nil {
				return
			}
			go im.serve(s, conn, kind)
		}
	}()
	return im, nil
}

func (im *impostor) serve(s *stage, conn net.Conn, kind string) {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(15 * time.Second))
	if kind == "relay" {
		to, err := net.Dial("tcp", s.Listen)
		if err != nil {
			return
		}
		defer to.Close()
		go io.Copy(conn, to)
		io.Copy(io.MultiWriter(to, im), conn)
		return
	}
	p := make([]byte, 64<<10)
	for {
		n, err := conn.Read(p)
		im.Write(p[:n])
		if err != nil || kind == "silent" {
			if kind == "silent" && err == nil {
				continue
			}
			return
		}
		body := `{"name":"attache","agent":"writer","proof":"00","connectors":[],"ca":""}`
		status := "200 OK"
		switch kind {
		case "echo":
			body = string(p[:n])
		case "challenge":
			status = "407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"attache\"\r\nWWW-Authenticate: Bearer"
		case "redirect":
			status = "307 Temporary Redirect\r\nLocation: http://" + s.Listen + "/.well-known/attache"
		}
		fmt.Fprintf(conn, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", status, len(body), body)
	}
}
