package integration_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/attache-proxy/attache/providers/oauth/oauthtest"
	"github.com/attache-proxy/attache/resolver/vault"
)

// The limit of an account holds over all replicas that share a Redis, and over an
// edit of the account. While Redis is away each replica goes on with its own count.
func TestRateLimitHoldsOverReplicas(t *testing.T) {
	f := newFleet(t, fleetOptions{replicas: 3, tokenTimeout: 10 * time.Second, provider: oauthtest.Options{Lifetime: time.Hour, Rotate: true}})
	f.connect([]string{"limited", "other"}, time.Now().Add(time.Hour))
	ctx, s := t.Context(), f.vault.System()
	page, err := s.Accounts(ctx, vault.AccountFilter{Identifier: "limited"}, vault.Page{})
	if err != nil || len(page.Items) != 1 {
		t.Fatalf("accounts = %v, %v", page, err)
	}
	limit := func(n int) {
		t.Helper()
		if _, err := s.UpdateAccount(ctx, page.Items[0].ID, 0, vault.AccountEdit{ChangeSettings: func(vault.Settings) vault.Settings { return vault.Settings{RateLimit: n} }}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(1500 * time.Millisecond) // until every replica has heard of it
	}
	used := 0
	count := func(requests int) (served int) {
		t.Helper()
		for range requests {
			used++
			req, _ := http.NewRequest("GET", "http://"+f.replicas[used%3].Addr+"/svc:limited/resource", nil)
			req.Header.Set("Authorization", "Bearer "+f.agent)
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			switch res.StatusCode {
			case 200:
				served++
			case 429:
				if res.Header.Get("Retry-After") == "" || res.Header.Get("Attache-Error") != "rate_limited" {
					t.Errorf("429 with %v, want Retry-After and Attache-Error", res.Header)
				}
			default:
				t.Errorf("%d, want 200 or 429", res.StatusCode)
			}
		}
		return served
	}
	limit(6)
	if got := count(15); got != 6 {
		t.Errorf("%d of 15 requests at three replicas were served, want the limit of 6", got)
	}
	limit(9)
	if got := count(9); got != 3 {
		t.Errorf("after the limit was raised by 3, %d more were served, want 3", got)
	}
	f.redis.stop()
	limit(12) // each replica has served 3
	if got := count(30); got != 27 {
		t.Errorf("with Redis away %d more were served, want 9 by each replica", got)
	}
}
