package health

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Counts are of the vault.
type Counts struct {
	// States counts accounts by state.
	States map[string]int64
	// Ending counts active accounts whose token ends within a day and that have
	// nothing to refresh it with.
	Ending int64
}

// countFor is how long counts hold: they are read from the database.
const countFor = 15 * time.Second

// Accounts are metrics of the vault's accounts. One is registered for the process;
// Of says which vault it counts.
type Accounts struct {
	mu    sync.Mutex
	count func(ctx context.Context) (Counts, error)
	at    time.Time
	last  Counts
}

// Of lets it count by f from here on; nil: there is nothing to count.
func (a *Accounts) Of(f func(ctx context.Context) (Counts, error)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.count, a.at, a.last = f, time.Time{}, Counts{}
}

var (
	byState = prometheus.NewDesc("attache_accounts", "Accounts of the vault, by state.", []string{"state"}, nil)
	ending  = prometheus.NewDesc("attache_accounts_token_ending", "Active accounts whose token ends within a day and cannot be refreshed: a person must connect them again.", nil, nil)
)

// Describe implements prometheus.Collector.
func (a *Accounts) Describe(to chan<- *prometheus.Desc) { to <- byState; to <- ending }

// Collect implements prometheus.Collector. Where the vault does not answer it says
// what it last did.
func (a *Accounts) Collect(to chan<- prometheus.Metric) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.count == nil {
		return
	}
	if time.Since(a.at) > countFor {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if c, err := a.count(ctx); err == nil {
			a.last, a.at = c, time.Now()
		}
	}
	for state, n := range a.last.States {
		to <- prometheus.MustNewConstMetric(byState, prometheus.GaugeValue, float64(n), state)
	}
	to <- prometheus.MustNewConstMetric(ending, prometheus.GaugeValue, float64(a.last.Ending))
}
