package doctor

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/attache-proxy/attache/caddymodule/client"
)

// handshakeTimeout is for one CONNECT and one TLS handshake.
const handshakeTimeout = 10 * time.Second

func (x *examination) rootPEM() []byte {
	if len(x.CA) > 0 {
		return x.CA
	}
	return []byte(x.about.CAPEM)
}

// trust opens an intercepted connection as a client with the roots of
// `attache exec` would. No request is sent.
func (x *examination) trust(ctx context.Context) {
	for _, c := range x.about.Connectors {
		host, port, ok := c.ExactHost()
		if !ok {
			continue
		}
		leaf, err := x.handshake(ctx, host, port)
		var unknown x509.UnknownAuthorityError
		switch {
		case errors.As(err, &unknown):
			x.add("trust", Failed, "Start the command anew with attache exec; if --ca is given, is it this proxy's certificate (attache ca)?",
				"the certificate that the proxy shows for %s is not from the proxy's root", host)
		case err != nil:
			x.add("trust", Failed, "Look into the proxy's log.", "an intercepted connection to %s failed: %v", host, err)
		default:
			x.add("trust", OK, "", "clients of attache exec trust the certificate for %s (by %s)", host, leaf.Issuer.CommonName)
		}
		return
	}
	x.add("trust", Skipped, "", "no connector of agent %s has a host to try", x.about.Agent)
}

func (x *examination) handshake(ctx context.Context, host, port string) (*x509.Certificate, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	conn, err := x.dialProxy(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	_ = conn.SetDeadline(deadline)
	target := net.JoinHostPort(host, port)
	connect := "CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n"
	if !x.Client.Token.IsZero() {
		connect += "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(x.about.Agent+":"+x.Client.Token.Reveal())) + "\r\n"
	}
	if _, err := conn.Write([]byte(connect + "\r\n")); err != nil {
		return nil, err
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: http.MethodConnect})
	if err != nil {
		return nil, fmt.Errorf("CONNECT: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("CONNECT is answered with %s (%s)", res.Status, res.Header.Get("Attache-Error"))
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(client.Bundle(x.rootPEM(), client.SystemRoots(x.Environ)))
	inner := tls.Client(conn, &tls.Config{ServerName: host, RootCAs: pool})
	if err := inner.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return inner.ConnectionState().PeerCertificates[0], nil
}

func (x *examination) dialProxy(ctx context.Context) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(x.Client.URL.Hostname(), portOf(x.Client.URL)))
	if err != nil || x.Client.URL.Scheme != "https" {
		return conn, err
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	pool.AppendCertsFromPEM(x.CA)
	return tls.Client(conn, &tls.Config{ServerName: x.Client.URL.Hostname(), RootCAs: pool}), nil
}

// clock compares ours with the proxy's, and with the root's validity:
// certificates and signatures hold for a time.
func (x *examination) clock(ctx context.Context) {
	const most = time.Minute
	now := time.Now()
	theirs, err := x.Client.Date(ctx)
	if err != nil {
		x.add("clock", Skipped, "", "the proxy does not say its time: %v", err)
		return
	}
	if block, _ := pem.Decode(x.rootPEM()); block != nil {
		if root, err := x509.ParseCertificate(block.Bytes); err == nil && (now.Before(root.NotBefore) || now.After(root.NotAfter)) {
			x.add("clock", Failed, "Set this machine's clock; if it is right, let the proxy make a new root: remove pki/authorities/attache from its storage.",
				"it is %s here, and the proxy's root certificate is valid from %s to %s", now.Format(time.RFC3339), root.NotBefore.Format(time.RFC3339), root.NotAfter.Format(time.RFC3339))
			return
		}
	}
	if off := now.Sub(theirs).Abs(); !theirs.IsZero() && off > most {
		x.add("clock", Failed, "Set both clocks (NTP): tokens and signatures are refused otherwise.", "this machine and the proxy differ by %s", off.Round(time.Second))
		return
	}
	x.add("clock", OK, "", "this machine and the proxy agree")
}

// environment looks at the variables that commands started here inherit.
func (x *examination) environment() {
	through := x.throughUs()
	x.leaks(through)
	if !through {
		return
	}
	if names := client.Distrusting(x.Environ, x.rootPEM()); len(names) > 0 {
		x.add("environment", Failed, "Start the command anew with attache exec: the proxy's certificate is another one by now.", "the file of %s lacks the proxy's certificate", strings.Join(names, ", "))
	}
	for entry, host := range x.about.Bypassed(x.Environ) {
		x.add("environment", Failed, "Take "+entry+" out of NO_PROXY.", "NO_PROXY leads %s past the proxy, by %s", host, entry)
	}
}

// throughUs says where the proxy variables lead, and whether it is to us.
func (x *examination) throughUs() bool {
	named := client.ProxyOf(x.Environ)
	if len(named) == 0 {
		x.add("environment", OK, "", "no proxy variables are set here: start commands with attache exec")
		return false
	}
	var others []string
	for name, to := range named {
		if to != x.Client.URL.String() {
			others = append(others, name+" leads to "+to)
		}
	}
	slices.Sort(others)
	switch {
	case len(others) == 0:
		x.add("environment", OK, "", "the proxy variables lead to the proxy")
		return true
	case len(others) == len(named):
		x.add("environment", Warning, "Start commands with attache exec, which sets them.", "commands started here go elsewhere: %s", strings.Join(others, ", "))
		return false
	}
	x.add("environment", Failed, "Start commands with attache exec, which sets all of them.", "some commands started here go past the proxy: %s", strings.Join(others, ", "))
	return true
}

// leaks looks for real keys. In a shell from which the proxy itself was started
// they may be meant for the proxy, so there they are only a warning.
func (x *examination) leaks(through bool) {
	state, found := Warning, false
	if through {
		state = Failed
	}
	for _, c := range x.about.Connectors {
		for _, name := range c.Leaks(x.Environ, x.Client.Token) {
			found = true
			x.add("leak", state, "Unset it where agents run; attache exec --config Caddyfile does so for what the proxy uses.", "%s holds what looks like a real key for %s, and commands started here can read it", name, c.Key)
		}
	}
	if !found {
		x.add("leak", OK, "", "no variable of the connectors holds a real key")
	}
}
