package integration_test

import (
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/attache-proxy/attache/providers/oauth/oauthtest"
)

// A thousand requests at once find that their token has ended, on four replicas:
// one token request, and everybody is answered in little more than the time that
// the token endpoint takes. Measured without the race detector.
func TestThousandRequestsOneRefresh(t *testing.T) {
	const endpoint, requests, replicas = 3 * time.Second, 1000, 4
	f := newFleet(t, fleetOptions{replicas: replicas, tokenTimeout: 10 * time.Second, provider: oauthtest.Options{Lifetime: time.Hour, Rotate: true}})
	f.connect([]string{"warm"}, time.Now().Add(time.Hour))
	f.connect([]string{"ended"}, time.Now().Add(-time.Minute))
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: requests}, Timeout: 30 * time.Second}
	defer client.CloseIdleConnections()
	all := func(account string) (took time.Duration) {
		t.Helper()
		var wg sync.WaitGroup
		begin := make(chan struct{})
		for i := range requests {
			wg.Go(func() {
				req, _ := http.NewRequest("GET", "http://"+f.replicas[i%replicas].Addr+"/svc:"+account+"/resource", nil)
				req.Header.Set("Authorization", "Bearer "+f.agent)
				<-begin
				res, err := client.Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				defer res.Body.Close()
				if b, _ := io.ReadAll(res.Body); res.StatusCode != 200 || string(b) != fmt.Sprintf("{\"account\":%q}\n", account) {
					t.Errorf("%d %s, want the account's own answer", res.StatusCode, b)
				}
			})
		}
		start := time.Now()
		close(begin)
		wg.Wait()
		return time.Since(start)
	}
	idle := all("warm") // opens the connections, too
	idle = min(idle, all("warm"))
	f.provider.SetFault(func(*oauthtest.Call) oauthtest.Fault { return oauthtest.Fault{Delay: endpoint} })
	took := all("ended")
	stats := f.provider.Stats()
	t.Logf("%d requests on %d replicas: %d token request, the last answered after %v (%.2f of the endpoint's %v; with a token in memory they take %v)",
		requests, replicas, stats.TokenRequests, took.Round(time.Millisecond), took.Seconds()/endpoint.Seconds(), endpoint, idle.Round(time.Millisecond))
	if stats.TokenRequests != 1 {
		t.Errorf("%d token requests, want 1", stats.TokenRequests)
	}
	// A fifth more, or what a thousand answers take on this machine.
	if most := endpoint + max(endpoint/5, 2*idle); took > most {
		t.Errorf("the last request was answered after %v, want at most %v", took, most)
	}
}

// A service that does not take a token any more brings about one refresh, on
// whatever replicas its 401 arrives.
func TestRejectedTokenIsReplacedOnce(t *testing.T) {
	f := newFleet(t, fleetOptions{replicas: 3, tokenTimeout: 10 * time.Second, race: true, provider: oauthtest.Options{Lifetime: time.Hour, Rotate: true}})
	accounts := []string{"one", "two", "three"}
	f.connect(accounts, time.Now().Add(time.Hour))
	call := func(r *replica, account string) int {
		req, _ := http.NewRequest("GET", "http://"+r.Addr+"/svc:"+account+"/resource", nil)
		req.Header.Set("Authorization", "Bearer "+f.agent)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Error(err)
			return 0
		}
		defer res.Body.Close()
		return res.StatusCode
	}
	for _, account := range accounts {
		for _, r := range f.replicas {
			if code := call(r, account); code != 200 {
				t.Fatalf("%s: %d, want 200", account, code)
			}
		}
		f.provider.RejectAccess(account)
		before := f.provider.Stats().TokenRequests
		var wg sync.WaitGroup
		for i := range 60 {
			wg.Go(func() {
				if code := call(f.replicas[i%3], account); code != 200 {
					t.Errorf("%s: after the token was rejected: %d, want 200", account, code)
				}
			})
		}
		wg.Wait()
		if n := f.provider.Stats().TokenRequests - before; n != 1 {
			t.Errorf("%s: %d token requests, want 1", account, n)
		}
	}
}
