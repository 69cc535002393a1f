package reindex

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/attache-proxy/attache/providers"
)

// renewed counts renewals and says what each is to do.
func renewed(work func(n int64) error) (*Renewal, *atomic.Int64, *atomic.Int64) {
	var begun, stored atomic.Int64
	n := &Renewal{Store: func(*providers.Index) { stored.Add(1) }}
	n.Make = func(context.Context) (*providers.Index, error) { return nil, work(begun.Add(1)) }
	return n, &begun, &stored
}

func TestRenewalHoldsOnTheNextRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, begun, stored := renewed(func(int64) error { time.Sleep(100 * time.Millisecond); return nil })
		n.Wait()
		if begun.Load() != 0 {
			t.Error("renewed without need")
		}
		n.Need()
		began := time.Now()
		for i := range 50 {
			go func() {
				time.Sleep(time.Duration(i) * time.Millisecond) // while it runs
				if n.Wait(); stored.Load() != 1 || time.Since(began) != 100*time.Millisecond {
					t.Errorf("request %d goes on with the old index", i)
				}
			}()
		}
		n.Wait()
		synctest.Wait()
		if begun.Load() != 1 || stored.Load() != 1 {
			t.Errorf("fifty requests: %d renewals, %d stored, want one", begun.Load(), stored.Load())
		}
		// A change while one runs needs another one.
		n.Need()
		go n.Wait()
		time.Sleep(50 * time.Millisecond)
		n.Need()
		n.Wait()
		if stored.Load() != 3 {
			t.Errorf("a change in the middle: %d stored, want 3", stored.Load())
		}
	})
}

func TestRenewalWithTheDatabaseAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var away atomic.Bool
		away.Store(true)
		n, begun, stored := renewed(func(int64) error {
			if away.Load() {
				time.Sleep(4 * time.Second) // a host that vanished
				return errors.New("away")
			}
			return nil
		})
		n.Need()
		took := func() time.Duration { began := time.Now(); n.Wait(); return time.Since(began) }
		if d := took(); d != patience {
			t.Errorf("the first request waited %v, want %v", d, patience)
		}
		time.Sleep(5 * time.Second) // it has failed
		for range 100 {
			if d := took(); d != 0 {
				t.Errorf("a request waited %v, want not at all", d)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if got := begun.Load(); got < 2 || got > 5 {
			t.Errorf("tried %d times in 15 s, want every few seconds", got)
		}
		away.Store(false)
		time.Sleep(6 * time.Second)
		n.Wait()
		time.Sleep(time.Second)
		n.Wait()
		if stored.Load() != 1 || !n.current() {
			t.Errorf("when it is back: %d stored, current %v", stored.Load(), n.current())
		}
	})
}

func TestRenewalSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, begun, _ := renewed(func(int64) error { return nil })
		for range 1000 {
			n.Soon()
		}
		if n.Wait(); begun.Load() != 0 {
			t.Error("a request waited for what nobody waits for")
		}
		time.Sleep(2 * time.Second)
		if begun.Load() != 1 {
			t.Errorf("%d renewals for a thousand changes, want 1", begun.Load())
		}
	})
}
