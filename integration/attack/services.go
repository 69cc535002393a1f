package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// services are the programs behind the proxy, and those that it must not reach.
type services struct {
	Modern  string // https://…: HTTP/1.1 and HTTP/2
	Raw     string // http://…: whatever bytes an attack wants
	Thief   string // 127.0.0.1:port of an operator who wants others' secrets, over TLS
	Trap    string // port of an address that the configuration does not allow
	pem     []byte // the CA of their certificates
	got     *arrivals
	closers []io.Closer
}

// startServices begins to listen on free ports of loopback.
func startServices() (*services, error) {
	s := &services{got: newArrivals()}
	certificate, err := s.certificate()
	if err != nil {
		return nil, err
	}
	for _, what := range []struct {
		name, address string
		to            *string
		format        string
		tls           bool
	}{
		{"modern", "127.0.0.1:0", &s.Modern, "https://%s", true},
		{"thief", "127.0.0.1:0", &s.Thief, "%s", true},
		{"trap", "127.0.0.2:0", &s.Trap, "%s", false},
	} {
		l, err := net.Listen("tcp", what.address)
		if err != nil {
			return nil, err
		}
		*what.to = fmt.Sprintf(what.format, l.Addr())
		server := &http.Server{Handler: s.handler(what.name), ErrorLog: log.New(io.Discard, "", 0),
			ConnContext: func(ctx context.Context, _ net.Conn) context.Context { return ctx }}
		s.closers = append(s.closers, server)
		if what.tls {
			server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate}}
			go server.ServeTLS(l, "", "")
		} else {
			go server.Serve(l)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.Raw = "http://" + l.Addr().String()
	s.closers = append(s.closers, l)
	go s.serveRaw(l)
	_, s.Trap, _ = net.SplitHostPort(s.Trap)
	return s, nil
}

func (s *services) close() {
	for _, c := range s.closers {
		c.Close()
	}
}

// certificate is one for every name that the attacks use, of a CA of its own.
func (s *services) certificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "the services"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(48 * time.Hour)}
	leaf := *ca
	leaf.SerialNumber, leaf.Subject, leaf.IsCA = big.NewInt(2), pkix.Name{CommonName: "a service"}, false
	leaf.KeyUsage, leaf.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	leaf.DNSNames = []string{"*.test", "*.shop.test", "*.objects.test", "*.odoo.com", "*.zendesk.com", "*.myshopify.com", "*.atlassian.net",
		"*.okta.com", "*.freshdesk.com", "*.supabase.co", "*.bamboohr.com", "*.mycorp.test", "localhost"}
	leaf.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	root, err := x509.CreateCertificate(rand.Reader, ca, ca, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	der, err := x509.CreateCertificate(rand.Reader, &leaf, ca, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	s.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root})
	return tls.Certificate{Certificate: [][]byte{der, root}, PrivateKey: key}, nil
}

// handler keeps each request and answers as the attack wants.
func (s *services) handler(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		text := everything(r, string(body))
		a := arrival{id: r.Header.Get("X-Attack"), service: name, method: r.Method, host: r.Host, text: text}
		s.got.add(a)
		switch {
		case r.URL.Path == "/token" && name == "thief":
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, `{"access_token":"a-token-of-the-thief","token_type":"Bearer","expires_in":3600}`)
			return
		case r.URL.Path == "/token":
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":3600}`, secret("minted"))
			return
		case r.URL.Path == "/token-fails":
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"error":"invalid_client","error_description":%q}`, text)
			return
		}
		answer := s.got.answerTo(a.id)
		if answer == nil {
			answer = &says{}
		}
		if r.Header.Get("Upgrade") != "" && r.ProtoMajor == 1 && answer.Status == http.StatusSwitchingProtocols {
			upgrade(w)
			return
		}
		answer.write(w, func(t string) string {
			return strings.NewReplacer("{echo}", text, "{placed}", placedIn(text)).Replace(t)
		})
	})
}

// upgrade answers 101 and gives back what comes.
func upgrade(w http.ResponseWriter) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	io.Copy(conn, rw)
}

// placedIn is the credential of a request, alone.
func placedIn(text string) string {
	for _, c := range secrets {
		if strings.Contains(text, c.value) {
			return c.value
		}
	}
	if strings.Contains(text, "user:"+weak) {
		return weak
	}
	return "nothing"
}

// everything is a request as text: target, headers, body, trailers, Basic pair.
func everything(r *http.Request, body string) string {
	var raw strings.Builder
	r.Header.Write(&raw)
	r.Trailer.Write(&raw)
	user, password, _ := r.BasicAuth()
	return fmt.Sprintf("%s %s\nHost: %s\n%s\n%s:%s\n%s\n", r.Method, r.RequestURI, r.Host, strings.ReplaceAll(raw.String(), "\r", ""), user, password, body)
}

// serveRaw keeps the very bytes that arrive on a connection.
func (s *services) serveRaw(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go s.raw(conn)
	}
}

var rawHead = regexp.MustCompile(`^(\S+) \S+ HTTP/1\.1\r\n`)

// raw reads one request after another. Of a body it takes what came along within
// a moment: framing in doubt is for the attack to look at.
func (s *services) raw(conn net.Conn) {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	r := bufio.NewReader(conn)
	for {
		var got strings.Builder
		for !strings.Contains(got.String(), "\r\n\r\n") {
			line, err := r.ReadString('\n')
			got.WriteString(line)
			if err != nil {
				return
			}
		}
		time.Sleep(30 * time.Millisecond)
		more := make([]byte, r.Buffered())
		io.ReadFull(r, more)
		got.Write(more)
		text := got.String()
		a := arrival{service: "raw", text: text}
		if m := rawHead.FindStringSubmatch(text); m != nil {
			a.method = m[1]
		}
		for line := range strings.SplitSeq(text, "\r\n") {
			if name, value, _ := strings.Cut(line, ":"); a.host == "" && strings.EqualFold(name, "Host") {
				a.host = strings.TrimSpace(value)
			}
		}
		if m := attackID.FindStringSubmatch(text); m != nil {
			a.id = m[1]
		}
		s.got.add(a)
		answer := s.got.answerTo(a.id)
		if answer == nil || answer.Raw == "" {
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
			time.Sleep(200 * time.Millisecond) // more may still come
			return
		}
		io.WriteString(conn, strings.NewReplacer("{placed}", placedIn(text)).Replace(answer.Raw))
		if answer.Breaks {
			return
		}
		if answer.Hangs {
			time.Sleep(30 * time.Second)
			return
		}
	}
}
