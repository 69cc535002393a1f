package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// attache is Attaché with three services: over plain HTTP, over TLS with
// HTTP/1.1, and over TLS with HTTP/2.
type attache struct {
	*process
	name, config, addr, port string
	composed                 string // where requests go through reverse_proxy
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
		limits {
			tunnels 30000
		}
		connector bench {
			hosts bench.localhost
			upstream http://%[4]s
			field token {env.ATTACHE_BENCH_TOKEN}
			sign bearer {fields.token}
		}
		connector bench-unsearched {
			hosts bench-unsearched.localhost
			upstream http://%[4]s
			field token {env.ATTACHE_BENCH_TOKEN}
			sign bearer {fields.token}
			scrub off
		}
		connector bench-h1 {
			hosts bench-h1.localhost *.many.localhost
			wildcard vendor "the load generator's own"
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
		connector bench-hmac {
			hosts bench-hmac.localhost
			upstream http://%[4]s
			field token {env.ATTACHE_BENCH_TOKEN}
			sign header X-Signature "{hex(hmac_sha256(fields.token, request.body))}"
		}
		connectors %[1]s/connectors
		connector bench-aws {
			upstream http://%[4]s
			use key {
				access_key_id AKIDEXAMPLE
				secret_access_key {env.ATTACHE_BENCH_TOKEN}
			}
		}
		agent bench {
			token {env.ATTACHE_BENCH_AGENT}
			grant bench-unsearched read
			grant bench read write
			grant bench-hmac read write
			grant bench-aws read write
			grant bench-h1 read
			grant bench-h2 read
		}
	}
}
http://:%[7]s {
	bind 127.0.0.1
	attache
}
http://:%[8]s {
	bind 127.0.0.1
	attache_match
	reverse_proxy {
		dynamic attache
		transport attache
	}
}
`

// awsConnector is a connector that signs with Signature Version 4.
const awsConnector = `key: bench-aws
title: Signature Version 4
category: development
hosts: [bench-aws.localhost]
auth:
  key:
    type: credentials
    fields:
      access_key_id: {title: Access key}
      secret_access_key: {title: Secret key, secret: true}
    sign: {sigv4: {service: execute-api, region: us-east-1}}
`

func startAttache(ctx context.Context, w *world, name, option string) (*attache, error) {
	p, err := freePorts(2)
	if err != nil {
		return nil, err
	}
	a := &attache{name: name, config: filepath.Join(w.dir, name+".caddyfile"), addr: "127.0.0.1:" + p[0], port: p[0], composed: "127.0.0.1:" + p[1],
		admin: unixClient(w.dir + "/" + name + ".sock"), agentToken: w.agentToken}
	if err := os.MkdirAll(filepath.Join(w.dir, "connectors"), 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(w.dir, "connectors", "bench-aws.yaml"), []byte(awsConnector), 0o600); err != nil {
		return nil, err
	}
	u := w.upstream.addrs
	text := fmt.Sprintf(attacheCaddyfile, w.dir, name, option, u[plainHTTP], u[httpsH1], u[httpsH2], p[0], p[1])
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
