package integration_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/attache-proxy/attache/providers/oauth/oauthtest"
	"github.com/attache-proxy/attache/resolver/vault"
)

// withRedis is a proxy of the token server's connector whose cache is at addr,
// with Caddy's metrics beside it.
func (s *tokenServer) withRedis(t testing.TB, addr, key string) (a *attache, conf setup) {
	t.Helper()
	return s.withCache(t, "cache redis {env.REDIS_URL}", key, "REDIS_URL="+addr)
}

// withCache is withRedis with any option cache.
func (s *tokenServer) withCache(t testing.TB, cache, key string, env ...string) (a *attache, conf setup) {
	t.Helper()
	conf = setup{
		Attache: fmt.Sprintf(`allow_address 127.0.0.1
		key {env.KEY}
		%s
		connector api {
			hosts api.test
			upstream %s
			oauth2 client_credentials {
				token_url %s/token
				client_id %s
				client_secret {env.CLIENT_SECRET}
				header_as_payload off
			}
		}
		%s`, cache, s.Service.URL, s.Tokens.URL, clientID, agentLocal("api")),
		Options: "metrics",
		Env:     append([]string{"CLIENT_SECRET=" + clientSecret, "KEY=" + key}, env...),
	}
	port := freePort(t)
	conf.Sites = fmt.Sprintf("http://:%d {\n\tbind 127.0.0.1\n\tmetrics\n}", port)
	a = newAttache(t, conf)
	return a, conf
}

// metric reads one value of the proxy's metrics.
func metric(t testing.TB, conf setup, name string) string {
	t.Helper()
	var port int
	fmt.Sscanf(conf.Sites, "http://:%d", &port)
	res, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/", port))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(rest)
		}
	}
	return ""
}

// Accounts of the Caddyfile share their tokens through Redis: of two replicas
// with many requests one asks for a token. A reload asks for none.
func TestReplicasShareTokensOfTheFile(t *testing.T) {
	integration(t)
	s, r, key := newTokenServer(t), startRedis(t), vault.NewKey().Reveal()
	s.slow = 300 * time.Millisecond
	a, conf := s.withRedis(t, r.Addr, key)
	b, _ := s.withRedis(t, r.Addr, key)
	done := make(chan result, 20)
	for i := range 20 {
		go func() { done <- client{}.run(t, "curl", "-sS", []*attache{a, b}[i%2].URL+"/api/whoami") }()
	}
	for range 20 {
		if got := <-done; got.Stdout != authenticated {
			t.Errorf("want %s: %v", authenticated, got)
		}
	}
	if n := s.Issued(); n != 1 {
		t.Errorf("%d token requests of two replicas, want 1", n)
	}
	if !a.reload(conf) {
		t.Fatal("the reload was refused")
	}
	checkCurl(t, a.curl(t, a.URL+"/api/whoami"), authenticated+"\n200 1.1")
	if n := s.Issued(); n != 1 {
		t.Errorf("%d token requests after a reload, want 1", n)
	}
	s.refuse("minted-1")
	for _, p := range []*attache{a, b, a, b} {
		checkCurl(t, p.curl(t, p.URL+"/api/whoami"), authenticated+"\n200 1.1")
	}
	if n := s.Issued(); n != 2 {
		t.Errorf("%d token requests after the service refused the first token, want 2", n)
	}
	rc := redis.NewClient(&redis.Options{Addr: r.Addr})
	defer rc.Close()
	keys := rc.Keys(context.Background(), "*").Val()
	for _, k := range keys {
		if v := rc.Get(context.Background(), k).Val(); strings.Contains(k+v, "minted") || strings.Contains(k+v, clientSecret) {
			t.Errorf("Redis holds %s = %s in plain", k, v)
		}
	}
	if len(keys) == 0 {
		t.Error("nothing is in Redis")
	}
}

// Redis is not there at the start, comes, goes and comes back: calls go on, the
// operator is told.
func TestRedisComesAndGoes(t *testing.T) {
	integration(t)
	s, r := newTokenServer(t), startRedis(t)
	r.stop()
	a, conf := s.withRedis(t, r.Addr, vault.NewKey().Reveal())
	works := func(when string) {
		t.Helper()
		start := time.Now()
		if got := a.curl(t, a.URL+"/api/whoami"); !strings.Contains(got.Stdout, authenticated) {
			t.Errorf("%s: %v", when, got)
		}
		if took := time.Since(start); took > 8*time.Second {
			t.Errorf("%s: a call took %v", when, took)
		}
	}
	up := func(want string) {
		t.Helper()
		waitFor(t, "attache_cache_up "+want, func() bool { return metric(t, conf, "attache_cache_up") == want })
	}
	works("without Redis at the start")
	up("0")
	r.start()
	up("1")
	works("with Redis")
	r.stop()
	s.refuse(fmt.Sprintf("minted-%d", s.Issued())) // something must be written
	works("after Redis went away")
	up("0")
	r.start()
	up("1")
	for _, want := range []string{"Redis is away", "Redis is back"} {
		if !strings.Contains(a.Log.String(), want) {
			t.Errorf("the log lacks %q", want)
		}
	}
	if metric(t, conf, `attache_cache_events_total{event="down"}`) == "" {
		t.Error("there is no metric of Redis going away")
	}
}

// A process that is told to end while a token request runs stores what comes of
// it: the provider has replaced the refresh token.
func TestEndWaitsForRefresh(t *testing.T) {
	f := newFleet(t, fleetOptions{replicas: 1, tokenTimeout: 20 * time.Second, provider: oauthtest.Options{Lifetime: time.Hour, Rotate: true}})
	f.connect([]string{"one"}, time.Now().Add(-time.Minute))
	f.provider.SetFault(func(*oauthtest.Call) oauthtest.Fault { return oauthtest.Fault{DelayAnswer: 4 * time.Second} })
	r := f.replicas[0]
	ctx, hangUp := context.WithTimeout(t.Context(), time.Second)
	defer hangUp()
	call := func(ctx context.Context) (int, error) {
		req, _ := http.NewRequestWithContext(ctx, "GET", "http://"+r.Addr+"/svc:one/resource", nil)
		req.Header.Set("Authorization", "Bearer "+f.agent)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, err
		}
		res.Body.Close()
		return res.StatusCode, nil
	}
	if _, err := call(ctx); err == nil {
		t.Fatal("the first call has an answer already")
	}
	r.signal(syscall.SIGTERM)
	select {
	case <-r.done:
	case <-time.After(20 * time.Second):
		t.Fatal("the process does not end")
	}
	f.provider.SetFault(nil)
	r.start()
	r.wait()
	if code, err := call(t.Context()); code != 200 {
		t.Errorf("after the restart: %d, %v; want 200", code, err)
	}
	if s := f.provider.Stats(); s.TokenRequests != 1 || s.Reuses > 0 {
		t.Errorf("%d token requests, %d with an old refresh token; want 1 and 0", s.TokenRequests, s.Reuses)
	}
}

// What is wrong with the cache is said at the start, with the place.
func TestBadCache(t *testing.T) {
	integration(t)
	for name, c := range map[string]struct{ options, want string }{
		"no key":     {"cache redis redis:6379", "Caddyfile:10: cache redis: what stands in Redis is sealed, and there is no key"},
		"no address": {"key " + vault.NewKey().Reveal() + "\n\t\tcache redis {env.NO_SUCH_VARIABLE}", "Caddyfile:11: cache redis: address 1"},
		"no scheme":  {"key " + vault.NewKey().Reveal() + "\n\t\tcache redis {env.REDIS_URL}", "Caddyfile:11: cache redis: the URL cannot be used"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAttache(t, setup{Attache: c.options, Stopped: true, Env: []string{"REDIS_URL=http://redis:6379/?password=canary-password"}})
			got := a.command("validate", "--config", a.Caddyfile)
			if got.Code == 0 || !strings.Contains(got.Stdout+got.Stderr, c.want) {
				t.Errorf("want %q: %v", c.want, got)
			}
			if strings.Contains(got.Stdout+got.Stderr, "canary-password") {
				t.Errorf("the message holds the password: %v", got)
			}
		})
	}
}
