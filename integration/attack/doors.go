package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"
)

// agentTokens are the agents of stage/Caddyfile.
var agentTokens = map[string]string{
	"reader": "agent-reader-c4ca4238a0b923820dcc", "writer": "agent-writer-c81e728d9d4c2f636f06", "stranger": "agent-stranger-eccbc87e4b5ce2fe",
	"presigner": "agent-presigner-a87ff679a2f3e71d", "flood": "agent-flood-e4da3b7fbbce2345d777",
}

// message is a request as it will be sent.
type message struct {
	method, target, host string
	headers              []string
	head, body, after    string
}

// bytes are the message in HTTP/1.1.
func (m message) bytes() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", m.method, m.target)
	if m.host != "-" {
		fmt.Fprintf(&b, "Host: %s\r\n", m.host)
	}
	for _, line := range m.headers {
		b.WriteString(line + "\r\n")
	}
	if m.body != "" && m.head == "" && !m.has("Content-Length") && !m.has("Transfer-Encoding") {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(m.body))
	}
	if m.head == "" && m.after == "" && !m.has("Connection") {
		b.WriteString("Connection: close\r\n")
	}
	b.WriteString(m.head + "\r\n" + m.body + m.after)
	return b.String()
}

func (m message) has(name string) bool {
	return slices.ContainsFunc(m.headers, func(line string) bool {
		n, _, _ := strings.Cut(line, ":")
		return strings.EqualFold(n, name)
	})
}

// compose makes the message of a step for its door, with a name for this attempt.
func (s *stage) compose(st *step, id string) message {
	method, path := st.words()
	m := message{method: method, head: st.Head, body: st.Body, after: st.After}
	m.headers = append([]string{"X-Attack: " + id}, st.Headers...)
	connector := st.connector()
	token := agentTokens[st.as()]
	if token == "" {
		token = s.vars[st.as()+".token"]
	}
	authorization := "Authorization: Bearer " + token
	switch st.Door {
	case "base":
		m.target, m.host = "/"+connector+path, s.Listen
	case "name":
		m.target, m.host = path, connector+".localhost:"+fmt.Sprint(s.Port)
	case "absolute":
		m.target, m.host = "https://"+st.service()+path, st.service()
		authorization = "Proxy-" + authorization
	case "tunnel", "h2":
		m.target, m.host = path, st.service()
		authorization = ""
	case "plain", "open":
		m.target, m.host = path, s.Listen
		authorization = "Proxy-" + authorization
	case "direct":
		m.target, m.host = path, s.Listen
	case "admin", "socket":
		m.target, m.host = path, s.Admin
		if method != "GET" && !m.has("Content-Type") && st.Body != "" {
			m.headers = append(m.headers, "Content-Type: application/json")
		}
	}
	if authorization != "" && !st.NoToken && token != "" && st.as() != "nobody" {
		m.headers = append(m.headers, authorization)
	}
	if st.Target != "" {
		m.target = st.Target
	}
	if st.Host != "" && st.Door != "tunnel" && st.Door != "h2" {
		m.host = st.Host
	} else if st.Host != "" && st.Target == "" {
		m.host = st.Host
	}
	return m
}

func (st *step) as() string {
	if st.As == "" {
		return "reader"
	}
	return st.As
}

func (st *step) connector() string {
	if st.Connector == "" {
		return "bearer"
	}
	return st.Connector
}

// service is the host of the step's connector.
func (st *step) service() string {
	name, _, _ := strings.Cut(st.connector(), ":")
	if strings.Contains(name, ".") {
		return name
	}
	return name + ".test"
}

// patience is how long an answer may take.
const patience = 12 * time.Second

// dial opens the connection on which a step's request goes.
func (s *stage) dial(st *step) (net.Conn, error) {
	network, address := "tcp", s.Listen
	switch st.Door {
	case "admin":
		address = s.Admin
	case "socket":
		network, address = "unix", s.Dir+"/admin.sock"
	case "open":
		address = s.Open
	}
	conn, err := net.DialTimeout(network, address, 5*time.Second)
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(patience))
	if st.Door != "tunnel" && st.Door != "h2" {
		return conn, nil
	}
	target := st.service() + ":443"
	fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %[1]s\r\nProxy-Authorization: Bearer %s\r\n\r\n", target, s.token(st.as()))
	head, err := readHead(conn)
	if err != nil || !strings.HasPrefix(head, "HTTP/1.1 200") {
		conn.Close()
		return nil, refusedTunnel{head}
	}
	protocols := []string{"http/1.1"}
	if st.Door == "h2" {
		protocols = []string{"h2"}
	}
	inner := tls.Client(conn, &tls.Config{RootCAs: s.roots, ServerName: st.service(), NextProtos: protocols})
	if err := inner.Handshake(); err != nil {
		conn.Close()
		return nil, fmt.Errorf("TLS inside the tunnel: %w", err)
	}
	return inner, nil
}

func (s *stage) token(as string) string {
	if t := agentTokens[as]; t != "" {
		return t
	}
	return s.vars[as+".token"]
}

// refusedTunnel is what came instead of a tunnel.
type refusedTunnel struct{ head string }

func (r refusedTunnel) Error() string { return "no tunnel: " + r.head }

// readHead reads a status line and headers byte by byte, so that nothing of what
// follows is lost.
func readHead(conn net.Conn) (string, error) {
	var b strings.Builder
	one := make([]byte, 1)
	for !strings.HasSuffix(b.String(), "\r\n\r\n") {
		if _, err := io.ReadFull(conn, one); err != nil {
			return b.String(), err
		}
		b.Write(one)
	}
	return b.String(), nil
}

// send does a step's request and returns what came. The connection that could
// not be opened is an answer, too.
func (s *stage) send(st *step, m message) answer {
	conn, err := s.dial(st)
	if refused, ok := err.(refusedTunnel); ok {
		return parse(refused.head, nil)
	} else if err != nil {
		return answer{raw: "no connection: " + err.Error()}
	}
	defer conn.Close()
	if st.Door == "h2" {
		return exchange2(conn, m)
	}
	raw := m.bytes()
	go io.WriteString(conn, raw)
	quiet := patience
	if m.head != "" || m.after != "" || m.has("Connection") {
		quiet = 700 * time.Millisecond
	}
	return parse(readAll(conn, quiet), []string{m.method})
}

// readAll reads until the other side closes, or is silent for a while after it
// has said something.
func readAll(conn net.Conn, quiet time.Duration) string {
	var b strings.Builder
	p := make([]byte, 32<<10)
	for b.Len() < 8<<20 {
		wait := quiet
		if b.Len() == 0 {
			wait = max(quiet, 3*time.Second)
		}
		conn.SetReadDeadline(time.Now().Add(wait))
		n, err := conn.Read(p)
		b.Write(p[:n])
		if err != nil {
			break
		}
	}
	return b.String()
}
