// Package health answers whether this process is alive and whether it can serve, for
// supervisors and load balancers, and counts the vault's accounts for metrics.
package health

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

// Where it is asked, on the listeners of attache and attache_admin alike.
const (
	Alive = "/healthz"
	Ready = "/readyz"
)

const (
	// fresh is how long an answer holds: asking costs nothing then, however often.
	fresh = time.Second
	// patience is how long all checks together may take.
	patience = 3 * time.Second
)

// Check is one thing that must work.
type Check struct {
	Name string // such as database
	Run  func(ctx context.Context) error
	// Degraded says that calls are served without it: where it fails, we are ready
	// all the same.
	Degraded bool
}

// Health answers. Its zero value is ready.
type Health struct {
	Checks []Check

	mu   sync.Mutex
	at   time.Time
	last report
}

// report is the answer. It names what failed, not how: the log does.
type report struct {
	Status string            `json:"status"` // ready, degraded or unavailable
	Checks map[string]string `json:"checks"`
}

// Serves reports whether a path is one of ours.
func Serves(path string) bool { return path == Alive || path == Ready }

// ServeHTTP answers GET and HEAD of the two paths: 200, or 503 where a check failed.
func (h *Health) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	out, status := report{Status: "alive"}, http.StatusOK
	if r.URL.Path == Ready {
		if out = h.ask(r.Context()); out.Status == "unavailable" {
			status = http.StatusServiceUnavailable
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if r.Method == http.MethodGet {
		_ = json.NewEncoder(w).Encode(out)
	}
}

// ask runs the checks, all at once; who asks meanwhile waits for the same answer.
func (h *Health) ask(ctx context.Context) report {
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Since(h.at) < fresh {
		return h.last
	}
	// The answer is for the next one who asks, too, when this one hangs up.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	failed := make([]bool, len(h.Checks))
	var all sync.WaitGroup
	for i, c := range h.Checks {
		all.Go(func() { failed[i] = c.Run(ctx) != nil })
	}
	all.Wait()
	out := report{Status: "ready", Checks: map[string]string{}}
	for i, c := range h.Checks {
		switch {
		case !failed[i]:
			out.Checks[c.Name] = "ok"
		case c.Degraded:
			out.Checks[c.Name] = "failed"
			if out.Status == "ready" {
				out.Status = "degraded"
			}
		default:
			out.Checks[c.Name], out.Status = "failed", "unavailable"
		}
	}
	h.at, h.last = time.Now(), out
	return out
}
