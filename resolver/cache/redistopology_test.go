package cache_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/attache-proxy/attache/resolver/cache"
	"github.com/attache-proxy/attache/resolver/cache/cachetest"
)

func TestRedisTLS(t *testing.T) {
	cert, key, conf := certificate(t)
	tlsPort := freePort(t)
	startRedis(t, "--tls-port", fmt.Sprint(tlsPort), "--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", cert, "--tls-auth-clients", "no", "--requirepass", "hunter2")
	url := fmt.Sprintf("rediss://:hunter2@127.0.0.1:%d/0", tlsPort)
	a, heard := openRedis(t, cache.RedisOptions{URL: url, TLS: conf})
	b, _ := openRedis(t, cache.RedisOptions{URL: url, TLS: conf})
	listening(t, a, b)
	a.Put(t.Context(), "x", cachetest.Credential("one"))
	if got, ok := b.Get(t.Context(), "x"); !ok || got.Token.Reveal() != "one" {
		t.Error("no credential over TLS")
	}
	if heard.String() != "" {
		t.Errorf("events = %q, want none", heard)
	}
	// Another root, and a wrong password: away, and the memory goes on.
	for name, o := range map[string]cache.RedisOptions{
		"untrusted": {URL: url},
		"password":  {URL: strings.Replace(url, "hunter2", "wrong", 1), TLS: conf},
	} {
		c, heard := openRedis(t, o)
		c.Put(t.Context(), "y", cachetest.Credential("two"))
		if _, ok := c.Get(t.Context(), "y"); !ok || c.Up() || heard.String() != "down" {
			t.Errorf("%s: events = %q, up = %v", name, heard, c.Up())
		}
	}
	if _, err := cache.OpenRedis(cache.RedisOptions{URL: "redis://127.0.0.1:1", TLS: conf, Sealer: sealer{}}); err == nil {
		t.Error("TLS settings with redis:// = no error")
	}
}

func TestRedisSocket(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "r.sock")
	startRedis(t, "--unixsocket", socket)
	r, heard := openRedis(t, cache.RedisOptions{URL: "unix://" + socket})
	r.Put(t.Context(), "x", cachetest.Credential("one"))
	if !r.Up() || heard.String() != "" {
		t.Errorf("events = %q", heard)
	}
}

// startCluster starts three masters that share the slots.
func startCluster(t *testing.T) (nodes []*server, url string) {
	t.Helper()
	for range 3 {
		nodes = append(nodes, startRedis(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-require-full-coverage", "no"))
	}
	ranges := [][2]int{{0, 5460}, {5461, 10922}, {10923, 16383}}
	host, port, _ := strings.Cut(nodes[0].addr, ":")
	for i, n := range nodes {
		admin := n.admin()
		if err := admin.ClusterAddSlotsRange(t.Context(), ranges[i][0], ranges[i][1]).Err(); err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			if err := admin.ClusterMeet(t.Context(), host, port).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, n := range nodes {
		admin := n.admin()
		wait(t, "the cluster is complete", func() bool {
			info := admin.ClusterInfo(t.Context()).Val()
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_slots_assigned:16384") && strings.Contains(info, "cluster_known_nodes:3")
		})
	}
	return nodes, "redis://" + nodes[0].addr + "?cluster=true&addr=" + nodes[1].addr + "&addr=" + nodes[2].addr
}

func TestRedisCluster(t *testing.T) {
	nodes, url := startCluster(t)
	t.Run("Conformance", func(t *testing.T) {
		cachetest.Run(t, func(t *testing.T) cachetest.Cache {
			p := nextPrefix()
			a, _ := openRedis(t, cache.RedisOptions{URL: url, Prefix: p})
			b, _ := openRedis(t, cache.RedisOptions{URL: url, Prefix: p})
			listening(t, b, a)
			return a
		})
	})
	t.Run("NodeDies", func(t *testing.T) {
		a, _ := openRedis(t, cache.RedisOptions{URL: url})
		b, _ := openRedis(t, cache.RedisOptions{URL: url})
		listening(t, a, b)
		for i := range 30 {
			id := fmt.Sprint("acc", i)
			a.Put(t.Context(), id, cachetest.Credential(id))
			if _, ok := b.Get(t.Context(), id); !ok {
				t.Errorf("%s is not found", id)
			}
		}
		nodes[2].stop()
		for i := range 30 {
			id := fmt.Sprint("acc", i)
			a.Put(t.Context(), id, cachetest.Credential(id+" new"))
			if got, ok := a.Get(t.Context(), id); !ok || got.Token.Reveal() != id+" new" {
				t.Errorf("%s is lost with a node away", id)
			}
		}
	})
}

func TestRedisSentinel(t *testing.T) {
	master := startRedis(t, "--repl-diskless-sync-delay", "0")
	_, port, _ := strings.Cut(master.addr, ":")
	replica := startRedis(t, "--replicaof", "127.0.0.1 "+port, "--repl-diskless-sync-delay", "0")
	wait(t, "the replica has synced", func() bool {
		return strings.Contains(replica.admin().Info(t.Context(), "replication").Val(), "master_link_status:up")
	})
	conf := filepath.Join(t.TempDir(), "sentinel.conf")
	text := fmt.Sprintf("sentinel monitor main 127.0.0.1 %s 1\nsentinel down-after-milliseconds main 500\nsentinel failover-timeout main 3000\n", port)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	sentinel := startSentinel(t, conf)
	url := "redis://" + sentinel.addr + "?master_name=main"
	a, _ := openRedis(t, cache.RedisOptions{URL: url})
	b, _ := openRedis(t, cache.RedisOptions{URL: url})
	listening(t, a, b)
	a.Put(t.Context(), "x", cachetest.Credential("one"))
	if got, ok := b.Get(t.Context(), "x"); !ok || got.Token.Reveal() != "one" {
		t.Fatal("no credential through Sentinel")
	}
	wait(t, "Sentinel knows the replica", func() bool {
		return strings.Contains(sentinel.admin().Info(t.Context(), "sentinel").Val(), "slaves=1")
	})

	master.stop()
	a.Put(t.Context(), "x", cachetest.Credential("two"))
	if got, ok := a.Get(t.Context(), "x"); !ok || got.Token.Reveal() != "two" {
		t.Error("the memory does not go on during the failover")
	}
	wait(t, "the replica has been promoted", func() bool {
		return strings.Contains(replica.admin().Info(t.Context(), "replication").Val(), "role:master")
	})
	wait(t, "the cache uses it", func() bool {
		a.Put(t.Context(), "x", cachetest.Credential("three"))
		got, ok := b.Get(t.Context(), "x")
		return a.Up() && b.Up() && ok && got.Token.Reveal() == "three"
	})
	listening(t, a, b)
}

// startSentinel starts redis-server as a Sentinel on a configuration file.
func startSentinel(t *testing.T, conf string) *server {
	t.Helper()
	port := freePort(t)
	s := &server{t: t, addr: fmt.Sprintf("127.0.0.1:%d", port), dir: t.TempDir()}
	s.args = []string{conf, "--sentinel", "--port", fmt.Sprint(port), "--bind", "127.0.0.1", "--dir", s.dir}
	s.start()
	t.Cleanup(s.stop)
	time.Sleep(100 * time.Millisecond)
	return s
}
