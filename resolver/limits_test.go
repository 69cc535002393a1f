package resolver_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/resolver"
	"github.com/attache-proxy/attache/resolver/cache"
)

func limited(l resolver.Limits) *resolver.Account {
	a := account("a", "key-0123456789")
	a.Limits = l
	return a
}

func TestRateLimitPerAccount(t *testing.T) {
	w := newWorld(t, worldConfig{yaml: pasted, accounts: []*resolver.Account{limited(resolver.Limits{PerMinute: 3})}, service: http.HandlerFunc(reflectHandler)})
	var err error
	for i := range 5 {
		_, err = w.do("GET", "/", nil)
		if want := i >= 3; (codeOf(err) == "rate_limited") != want {
			t.Errorf("request %d = %v, want rate_limited: %v", i+1, err, want)
		}
	}
	r, _ := resolver.AsRefusal(err)
	rec := httptest.NewRecorder()
	r.Answer(rec, httptest.NewRequest("GET", "/", nil))
	if after, _ := strconv.Atoi(rec.Header().Get("Retry-After")); rec.Code != 429 || after < 50 || after > 65 {
		t.Errorf("the refusal is %d with Retry-After %d, want 429 and about a minute", rec.Code, after)
	}
}

// TestPlayed: what an account in test mode plays reaches no service.
func TestPlayed(t *testing.T) {
	for want, l := range map[string]resolver.Limits{"rate_limited": {Limited: true}, "upstream_unreachable": {Away: true}} {
		w := newWorld(t, worldConfig{yaml: pasted, accounts: []*resolver.Account{limited(l)}, service: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the service was asked") })})
		if _, err := w.do("GET", "/", nil); codeOf(err) != want {
			t.Errorf("%+v = %v, want %s", l, err, want)
		}
	}
}

// TestRateLimitOutlivesTheValue: an account that is edited, or gets another token,
// is a new value, and what was used of its limit stays used.
func TestRateLimitOutlivesTheValue(t *testing.T) {
	shared := cache.NewMemory(0)
	for i, want := range []bool{false, true} {
		w := newWorld(t, worldConfig{yaml: pasted, cache: shared, accounts: []*resolver.Account{limited(resolver.Limits{PerMinute: 1})}, service: http.HandlerFunc(reflectHandler)})
		if _, err := w.do("GET", "/", nil); (codeOf(err) == "rate_limited") != want {
			t.Errorf("request %d = %v, want rate_limited: %v", i+1, err, want)
		}
	}
}

func TestTimeoutIsToTheBeginningOfTheAnswer(t *testing.T) {
	slow := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/late" {
			time.Sleep(500 * time.Millisecond)
			return
		}
		w.WriteHeader(200)
		w.(http.Flusher).Flush()
		time.Sleep(300 * time.Millisecond)
		_, _ = w.Write([]byte("the rest"))
	}
	w := newWorld(t, worldConfig{yaml: pasted, accounts: []*resolver.Account{limited(resolver.Limits{Timeout: 150 * time.Millisecond})}, service: http.HandlerFunc(slow)})
	if _, err := w.do("GET", "/late", nil); codeOf(err) != "upstream_timeout" {
		t.Errorf("an answer that begins late = %v, want upstream_timeout", err)
	}
	res, err := w.do("GET", "/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := body(t, res); got != "the rest" {
		t.Errorf("an answer that began in time = %q, want it whole", got)
	}
}

func TestRetriesWhatMayBeRepeated(t *testing.T) {
	var asked atomic.Int64
	flaky := func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}
	w := newWorld(t, worldConfig{yaml: pasted, accounts: []*resolver.Account{limited(resolver.Limits{Retries: 3})}, service: http.HandlerFunc(flaky)})
	if res, err := w.do("GET", "/", nil); err != nil || res.StatusCode != 200 || asked.Load() != 3 {
		t.Errorf("GET = %v, %v after %d requests; want 200 after 3", res, err, asked.Load())
	}
	asked.Store(0)
	if res, err := w.do("POST", "/", nil); err != nil || res.StatusCode != 503 || asked.Load() != 1 {
		t.Errorf("POST = %v, %v after %d requests; want the 503 after 1", res, err, asked.Load())
	}
}

func TestRulesNarrowAGrant(t *testing.T) {
	path, err := providers.ParsePath("/v1/**")
	if err != nil {
		t.Fatal(err)
	}
	g := resolver.Granted{Rules: []resolver.Rule{{Methods: []string{"GET"}, Path: path}, {Methods: []string{"HEAD"}}}}
	for _, c := range []struct {
		method, path string
		want         bool
	}{{"GET", "/v1/x", true}, {"GET", "/v2/x", false}, {"POST", "/v1/x", false}, {"HEAD", "/v2/x", true}, {"GET", "/v1/../v2", false}} {
		if got := g.Allows("svc.example", []string{c.method}, c.path); got != c.want {
			t.Errorf("Allows(%s %s) = %v, want %v", c.method, c.path, got, c.want)
		}
	}
}
