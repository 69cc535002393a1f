package main

import (
	"context"
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

// unixClient speaks to Caddy's admin API on its socket.
func unixClient(path string) *http.Client {
	return &http.Client{Timeout: 2 * time.Minute, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", path)
		}}}
}
