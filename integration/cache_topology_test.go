package integration_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/attache-proxy/attache/resolver/vault"
)

// shareTokens lets twenty calls of two replicas at once need a token, and wants
// one token request.
func (s *tokenServer) shareTokens(t testing.TB, both [2]*attache) {
	t.Helper()
	before := s.Issued()
	done := make(chan result, 20)
	for i := range 20 {
		go func() { done <- client{}.run(t, "curl", "-sS", both[i%2].URL+"/api/whoami") }()
	}
	for range 20 {
		if got := <-done; got.Stdout != authenticated {
			t.Errorf("want %s: %v", authenticated, got)
		}
	}
	if n := s.Issued() - before; n != 1 {
		t.Errorf("%d token requests of two replicas, want 1", n)
	}
}

// openssl makes a CA, and certificates of it for 127.0.0.1 as a server and for a
// client. It returns the directory of ca.pem, server.pem, server.key and so on.
func opensslCertificates(t testing.TB) string {
	t.Helper()
	dir, openssl := t.TempDir(), program(t, "openssl")
	run := func(args ...string) {
		t.Helper()
		cmd := exec.Command(openssl, args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	newKey := []string{"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"}
	run(append([]string{"req", "-x509", "-days", "2", "-subj", "/CN=test CA", "-keyout", "ca.key", "-out", "ca.pem"}, newKey...)...)
	for _, name := range []string{"server", "client"} {
		run(append([]string{"req", "-x509", "-days", "2", "-subj", "/CN=" + name, "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE",
			"-CA", "ca.pem", "-CAkey", "ca.key", "-keyout", name + ".key", "-out", name + ".pem"}, newKey...)...)
	}
	return dir
}

// Redis speaks TLS, with a CA of its own, and wants a client certificate.
func TestRedisWithTLS(t *testing.T) {
	integration(t)
	dir := opensslCertificates(t)
	file := func(name string) string { return filepath.Join(dir, name) }
	s, key := newTokenServer(t), vault.NewKey().Reveal()
	s.slow = 300 * time.Millisecond
	r := startRedis(t, "--tls-cert-file", file("server.pem"), "--tls-key-file", file("server.key"), "--tls-ca-cert-file", file("ca.pem"), "--tls-auth-clients", "yes")
	var both [2]*attache
	var confs [2]setup
	for i := range both {
		both[i], confs[i] = s.withCache(t, fmt.Sprintf("cache redis {env.REDIS_URL} {\n\t\t\ttls_trusted_ca %s\n\t\t\ttls_client_certificate %s %s\n\t\t}", file("ca.pem"), file("client.pem"), file("client.key")),
			key, "REDIS_URL=rediss://"+r.Addr)
	}
	s.shareTokens(t, both)
	for i := range both {
		if up := metric(t, confs[i], "attache_cache_up"); up != "1" {
			t.Errorf("attache_cache_up of replica %d = %q, want 1", i, up)
		}
	}
	pair, err := tls.LoadX509KeyPair(file("client.pem"), file("client.key"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(readFile(t, file("ca.pem"))))
	rc := redis.NewClient(&redis.Options{Addr: r.Addr, TLSConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}}})
	defer rc.Close()
	if keys, err := rc.Keys(context.Background(), "*").Result(); err != nil || len(keys) == 0 {
		t.Errorf("Redis holds %v, %v; want the token", keys, err)
	}

	// Who does not trust the CA, or shows no certificate, works without Redis.
	for name, cache := range map[string]string{
		"another CA":     fmt.Sprintf("cache redis {env.REDIS_URL} {\n\t\t\ttls_client_certificate %s %s\n\t\t}", file("client.pem"), file("client.key")),
		"no certificate": fmt.Sprintf("cache redis {env.REDIS_URL} {\n\t\t\ttls_trusted_ca %s\n\t\t}", file("ca.pem")),
		"no TLS":         "cache redis {env.PLAIN_URL}",
	} {
		t.Run(name, func(t *testing.T) {
			a, conf := s.withCache(t, cache, key, "REDIS_URL=rediss://"+r.Addr, "PLAIN_URL=redis://"+r.Addr)
			checkCurl(t, a.curl(t, a.URL+"/api/whoami"), authenticated+"\n200 1.1")
			waitFor(t, "attache_cache_up 0", func() bool { return metric(t, conf, "attache_cache_up") == "0" })
		})
	}
}

// Redis behind Sentinel: two replicas share tokens, before and after a failover,
// and calls go on meanwhile.
func TestRedisBehindSentinel(t *testing.T) {
	integration(t)
	s, key := newTokenServer(t), vault.NewKey().Reveal()
	s.slow = 300 * time.Millisecond
	master := startRedis(t, "--repl-diskless-sync-delay", "0")
	_, port, _ := net.SplitHostPort(master.Addr)
	replica := startRedis(t, "--replicaof", "127.0.0.1 "+port, "--repl-diskless-sync-delay", "0")
	info := func(r *redisServer, section string) string {
		rc := redis.NewClient(&redis.Options{Addr: r.Addr})
		defer rc.Close()
		return rc.Info(context.Background(), section).Val()
	}
	waitFor(t, "the replica to be in step", func() bool { return strings.Contains(info(replica, "replication"), "master_link_status:up") })
	conf := filepath.Join(t.TempDir(), "sentinel.conf")
	writeFile(t, conf, fmt.Sprintf("sentinel monitor main 127.0.0.1 %s 1\nsentinel down-after-milliseconds main 500\nsentinel failover-timeout main 3000\n", port))
	sentinel := startRedis(t, conf, "--sentinel")
	waitFor(t, "Sentinel to know the replica", func() bool { return strings.Contains(info(sentinel, "sentinel"), "slaves=1") })

	var both [2]*attache
	var confs [2]setup
	for i := range both {
		both[i], confs[i] = s.withCache(t, "cache redis redis://"+sentinel.Addr+"?master_name=main", key)
	}
	s.shareTokens(t, both)
	master.stop()
	for i := range both {
		checkCurl(t, both[i].curl(t, both[i].URL+"/api/whoami"), authenticated+"\n200 1.1")
	}
	waitFor(t, "the failover", func() bool { return strings.Contains(info(replica, "replication"), "role:master") })
	s.refuse("minted-1") // something must be written before anybody notices
	for i := range both {
		checkCurl(t, both[i].curl(t, both[i].URL+"/api/whoami"), authenticated+"\n200 1.1")
	}
	for i := range both {
		waitFor(t, fmt.Sprintf("replica %d to use the new master", i), func() bool { return metric(t, confs[i], "attache_cache_up") == "1" })
	}
	// Two more replicas find no token that works, and share the next one.
	for n := range s.Issued() {
		s.refuse(fmt.Sprintf("minted-%d", n+1))
	}
	for i := range both {
		both[i], _ = s.withCache(t, "cache redis redis://"+sentinel.Addr+"?master_name=main", key)
	}
	s.shareTokens(t, both)
}
