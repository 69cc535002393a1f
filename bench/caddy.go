package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// plainCaddy is Caddy's own reverse_proxy, in the same binary. Each site is an
// address of its own.
type plainCaddy struct {
	*process
	config string
	admin  *http.Client
	// pool keeps up to 256 idle connections to the service, standard 32, which
	// is Caddy's default; logged has an access log. overH1 and overH2 speak TLS
	// to the service; ended speaks TLS to the client too.
	pool, standard, logged, overH1, overH2, ended string
}

// The credential stands in the file as it is: a placeholder would cost Caddy
// a replacement for each request.
const plainCaddyfile = `{
	admin unix/%[1]s/caddy.sock
	persist_config off
	storage file_system %[1]s/caddy-storage
	auto_https off
	grace_period 1s
	servers {
		protocols h1 h2
	}
	log default {
		output stderr
		level WARN
		exclude http.log.access
	}
	log access {
		output stdout
		include http.log.access
	}
}
(proxy) {
	bind 127.0.0.1
	reverse_proxy {args[0]} {
		header_up Authorization "Bearer %[2]s"
		{block}
	}
}
http://:%[3]s {
	import proxy %[4]s {
		transport http {
			keepalive_idle_conns_per_host 256
		}
	}
}
http://:%[5]s {
	import proxy %[4]s
}
http://:%[6]s {
	log
	import proxy %[4]s {
		transport http {
			keepalive_idle_conns_per_host 256
		}
	}
}
http://:%[7]s {
	import proxy https://%[8]s {
		transport http {
			keepalive_idle_conns_per_host 256
			tls_server_name bench-h1.localhost
			tls_trust_pool file %[1]s/service.ca
		}
	}
}
http://:%[9]s {
	import proxy https://%[10]s {
		transport http {
			keepalive_idle_conns_per_host 256
			tls_server_name bench-h2.localhost
			tls_trust_pool file %[1]s/service.ca
		}
	}
}
https://:%[11]s {
	tls %[1]s/service.crt %[1]s/service.key
	import proxy https://%[8]s {
		transport http {
			keepalive_idle_conns_per_host 256
			tls_server_name bench-h1.localhost
			tls_trust_pool file %[1]s/service.ca
		}
	}
}
`

func startPlainCaddy(ctx context.Context, w *world) (*plainCaddy, error) {
	p, err := freePorts(6)
	if err != nil {
		return nil, err
	}
	at := func(i int) string { return "127.0.0.1:" + p[i] }
	c := &plainCaddy{config: filepath.Join(w.dir, "plain.caddyfile"), admin: unixClient(w.dir + "/caddy.sock"),
		pool: at(0), standard: at(1), logged: at(2), overH1: at(3), overH2: at(4), ended: at(5)}
	u := w.upstream.addrs
	text := fmt.Sprintf(plainCaddyfile, w.dir, w.token, p[0], u[plainHTTP], p[1], p[2], p[3], u[httpsH1], p[4], u[httpsH2], p[5])
	if err := os.WriteFile(c.config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	return c, c.start(ctx, w)
}

func (c *plainCaddy) start(ctx context.Context, w *world) (err error) {
	if c.process, err = start("caddy", w.dir, nil, nil, nil, w.bin, "run", "--config", c.config, "--adapter", "caddyfile"); err != nil {
		return err
	}
	return c.until(ctx, 20*time.Second, once(ctx, plainOpener(c.pool, get("/v1/items", c.pool))))
}

// attache is Attaché with three services: over plain HTTP, over TLS with
// HTTP/1.1, and over TLS with HTTP/2.
type attache struct {
	*process
	name, config, addr, port string
	admin                    *http.Client
	agentToken               string
}

// Audit events are on, as they are by default; standard output is /dev/null.
const attacheCaddyfile = `{
	admin unix/%[1]s/%[2]s.sock
	persist_config off
	storage file_system %[1]s/%[2]s-storage
	auto_https off
	grace_period 1s
	log default {
		output stderr
		level WARN
		exclude attache.audit
	}
	log audit {
		output stdout
		include attache.audit
	}
	attache {
		%[3]s
		allow_address 127.0.0.1
		connector bench {
			hosts bench.localhost
			upstream http://%[4]s
			field token {env.ATTACHE_BENCH_TOKEN}
			sign bearer {fields.token}
		}
		connector bench-h1 {
			hosts bench-h1.localhost *.many.localhost
			upstream https://%[5]s
			tls_trusted_ca %[1]s/service.ca
			field token {env.ATTACHE_BENCH_TOKEN}
			sign bearer {fields.token}
		}
		connector bench-h2 {
			hosts bench-h2.localhost
			upstream https://%[6]s
			tls_trusted_ca %[1]s/service.ca
			field token {env.ATTACHE_BENCH_TOKEN}
			sign bearer {fields.token}
		}
		agent bench {
			token {env.ATTACHE_BENCH_AGENT}
			grant bench read
			grant bench-h1 read
			grant bench-h2 read
		}
	}
}
http://:%[7]s {
	bind 127.0.0.1
	attache
}
`

func startAttache(ctx context.Context, w *world, name, option string) (*attache, error) {
	p, err := freePorts(1)
	if err != nil {
		return nil, err
	}
	a := &attache{name: name, config: filepath.Join(w.dir, name+".caddyfile"), addr: "127.0.0.1:" + p[0], port: p[0],
		admin: unixClient(w.dir + "/" + name + ".sock"), agentToken: w.agentToken}
	u := w.upstream.addrs
	text := fmt.Sprintf(attacheCaddyfile, w.dir, name, option, u[plainHTTP], u[httpsH1], u[httpsH2], p[0])
	if err := os.WriteFile(a.config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	return a, a.start(ctx, w)
}

// restart gives the process a clean memory.
func (a *attache) restart(ctx context.Context, w *world) error {
	a.stop()
	return a.start(ctx, w)
}

func (a *attache) start(ctx context.Context, w *world) (err error) {
	if a.process, err = start(a.name, w.dir, w.env(), nil, nil, w.bin, "run", "--config", a.config, "--adapter", "caddyfile"); err != nil {
		return err
	}
	return a.until(ctx, 20*time.Second, once(ctx, a.basePath("bench")))
}

// trust returns a configuration that accepts what the proxy's authority signs.
func (a *attache) trust() (*tls.Config, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	pem, err := fetch(ctx, control, "http://"+a.addr+"/.well-known/attache/ca.pem")
	if err != nil {
		return nil, fmt.Errorf("asking for the root certificate: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("the root certificate is none")
	}
	return &tls.Config{RootCAs: pool}, nil
}

// unixClient speaks to Caddy's admin API on its socket.
func unixClient(path string) *http.Client {
	return &http.Client{Timeout: 2 * time.Minute, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", path)
		}}}
}
