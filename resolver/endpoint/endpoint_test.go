package endpoint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/attache-proxy/attache/providers/oauth"
)

// doerFunc is a client made of a function.
type doerFunc func(*http.Request) (*http.Response, error)

func (f doerFunc) Do(r *http.Request) (*http.Response, error) { return f(r) }

func answered(status int) (*http.Response, error) {
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader("{}"))}, nil
}

func post(t *testing.T, d oauth.Doer, url string) error {
	t.Helper()
	req, _ := http.NewRequestWithContext(context.Background(), "POST", url, strings.NewReader("grant_type=x"))
	res, err := d.Do(req)
	if err == nil {
		res.Body.Close()
	}
	return err
}

// TestDeadEndpointIsLeftAlone has a thousand accounts at one endpoint that is
// down: few of them ask it, others are not touched, and it is tried again.
func TestDeadEndpointIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked, most, now atomic.Int64
		down := true
		var s Set
		d := s.Circuit("us", doerFunc(func(r *http.Request) (*http.Response, error) {
			if r.URL.Host == "other.test" {
				return answered(200)
			}
			asked.Add(1)
			most.Store(max(most.Load(), now.Add(1)))
			defer now.Add(-1)
			time.Sleep(time.Second)
			if down {
				return answered(503)
			}
			return answered(200)
		}))
		var wg sync.WaitGroup
		var held atomic.Int64
		for range 1000 {
			wg.Go(func() {
				var r *restingError
				if errors.As(post(t, d, "https://idp.test/t"), &r) {
					held.Add(1)
				}
			})
		}
		wg.Wait()
		const few = maxAtEndpoint + tripAfter // who comes while the fifth failure is being counted
		if asked.Load() > few || most.Load() > maxAtEndpoint || held.Load() < 1000-few {
			t.Errorf("%d of 1000 requests reached the endpoint, %d at once, %d were held back; want at most %d", asked.Load(), most.Load(), held.Load(), few)
		}
		if err := post(t, d, "https://other.test/t"); err != nil {
			t.Errorf("another endpoint: %v", err)
		}
		if err := s.Check(Key{"idp.test", "us"}); err == nil {
			t.Error("check of an endpoint at rest = nil")
		}
		down = false
		before := asked.Load()
		time.Sleep(restFor + time.Second)
		if err := post(t, d, "https://idp.test/t"); err != nil || asked.Load() != before+1 {
			t.Errorf("after its rest: %v, asked %d times more; want one that works", err, asked.Load()-before)
		}
		if err := s.Check(Key{"idp.test", "us"}); err != nil {
			t.Errorf("check after it recovered = %v", err)
		}
	})
}

// TestEndpointRestsForOneClient: a service that has had enough of one client is
// asked by others all the same, and however many there are is remembered of few.
func TestEndpointRestsForOneClient(t *testing.T) {
	for _, status := range []int{429, 500, 503} {
		var s Set
		busy := s.Circuit("busy", doerFunc(func(*http.Request) (*http.Response, error) { return answered(status) }))
		for range tripAfter {
			_ = post(t, busy, "https://idp.test/t")
		}
		if err := post(t, busy, "https://idp.test/t"); !errors.As(err, new(*restingError)) {
			t.Fatalf("%d: the client that the service refuses goes on: %v", status, err)
		}
		other := s.Circuit("other", doerFunc(func(*http.Request) (*http.Response, error) { return answered(200) }))
		if err := post(t, other, "https://idp.test/t"); err != nil {
			t.Errorf("%d: another client at that host: %v", status, err)
		}
		for i := range 2 * maxEndpoints {
			s.of(Key{fmt.Sprintf("h%d.test", i), "other"})
		}
		if len(s.m) > maxEndpoints {
			t.Errorf("%d Set are remembered, want at most %d", len(s.m), maxEndpoints)
		}
		if s.Check(Key{"idp.test", "busy"}) == nil {
			t.Errorf("%d: the endpoint at rest was forgotten for others that are in order", status)
		}
	}
}

// TestRefusalsDoNotTrip: an endpoint that refuses accounts is in order.
func TestRefusalsDoNotTrip(t *testing.T) {
	var s Set
	d := s.Circuit("us", doerFunc(func(*http.Request) (*http.Response, error) { return answered(400) }))
	for range 3 * tripAfter {
		if err := post(t, d, "https://idp.test/t"); err != nil {
			t.Fatal(err)
		}
	}
}

// TestNothingIsSentTooLate: what was about to be sent when the process stopped is
// not sent when it goes on, not even when it has the connection already.
func TestNothingIsSentTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, stopped := range []time.Duration{0, 10 * time.Second} {
			sent := ""
			guard := &InTime{doerFunc(func(r *http.Request) (*http.Response, error) {
				time.Sleep(stopped) // between having the connection and writing
				b, err := io.ReadAll(r.Body)
				if err != nil {
					return nil, err
				}
				sent = string(b)
				return answered(200)
			}), time.Now().Add(5 * time.Second), new(atomic.Bool)}
			err := post(t, guard, "https://idp.test/t")
			if late := stopped > 5*time.Second; late != (err != nil) || late != guard.missed.Load() || late != (sent == "") {
				t.Errorf("stopped for %v: err %v, sent %q", stopped, err, sent)
			}
			time.Sleep(10 * time.Second)
			if err := post(t, guard, "https://idp.test/t"); err == nil {
				t.Error("a request after the time was sent")
			}
		}
	})
}

// TestNoHerd simulates the refreshes of 100 000 accounts with tokens of an hour:
// spread evenly they stay so, and those of accounts that came all at once spread.
func TestNoHerd(t *testing.T) {
	const accounts, life, hours = 100_000, time.Hour, 6
	for _, c := range []struct {
		name  string
		first func(i int) time.Duration
		peak  int // most refreshes in one second, from the third hour on
	}{
		{"spread evenly", func(i int) time.Duration { return life * time.Duration(i) / accounts }, 100},
		{"all at once", func(int) time.Duration { return 0 }, 300},
	} {
		perSecond := make([]int, hours*3600)
		total := 0
		start := time.Now()
		lots := newLots()
		for i := range accounts {
			for at := c.first(i); at < hours*time.Hour; {
				issued := start.Add(at)
				at = Schedule(issued.Add(life), issued, 0, lots()).Sub(start)
				if s := int(at / time.Second); s < len(perSecond) {
					perSecond[s]++
					total++
				}
			}
		}
		peak := 0
		for _, n := range perSecond[2*3600:] {
			peak = max(peak, n)
		}
		mean := float64(total) / float64(len(perSecond))
		t.Logf("%s: %.1f refreshes a second on average, %d at most from the third hour on", c.name, mean, peak)
		if peak > c.peak || mean > 36 {
			t.Errorf("%s: %d refreshes in one second and %.1f on average; want at most %d and 36", c.name, peak, mean, c.peak)
		}
	}
}

// newLots are numbers from 0 to 1 that are the same in each run.
func newLots() func() float64 {
	x := uint64(1)
	return func() float64 {
		x = x*6364136223846793005 + 1442695040888963407
		return float64(x>>11) / (1 << 53)
	}
}
