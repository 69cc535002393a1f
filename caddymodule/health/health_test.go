package health

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestReady(t *testing.T) {
	bad, good := func(context.Context) error { return errors.New("secret detail") }, func(context.Context) error { return nil }
	for name, c := range map[string]struct {
		checks []Check
		path   string
		code   int
		status string
	}{
		"nothing to check":   {nil, Ready, 200, "ready"},
		"all well":           {[]Check{{Name: "database", Run: good}, {Name: "cache", Run: good, Degraded: true}}, Ready, 200, "ready"},
		"without the cache":  {[]Check{{Name: "database", Run: good}, {Name: "cache", Run: bad, Degraded: true}}, Ready, 200, "degraded"},
		"without the vault":  {[]Check{{Name: "database", Run: bad}, {Name: "cache", Run: bad, Degraded: true}}, Ready, 503, "unavailable"},
		"alive all the same": {[]Check{{Name: "database", Run: bad}}, Alive, 200, "alive"},
	} {
		w := httptest.NewRecorder()
		(&Health{Checks: c.checks}).ServeHTTP(w, httptest.NewRequest("GET", c.path, nil))
		var got report
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != c.code || got.Status != c.status || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%s: %d %s %v; want %d %s", name, w.Code, w.Body, err, c.code, c.status)
		}
	}
	w := httptest.NewRecorder()
	if new(Health).ServeHTTP(w, httptest.NewRequest("POST", Ready, nil)); w.Code != 405 {
		t.Errorf("POST: %d", w.Code)
	}
}

// However often it is asked, the checks run once a second at most.
func TestReadyIsCheap(t *testing.T) {
	runs := 0
	h := &Health{Checks: []Check{{Name: "database", Run: func(context.Context) error { runs++; return nil }}}}
	for range 1000 {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", Ready, nil))
	}
	if runs > 100 {
		t.Errorf("1000 questions were %d checks", runs)
	}
}

func TestAccountsMetric(t *testing.T) {
	a := new(Accounts)
	reg := prometheus.NewRegistry()
	reg.MustRegister(a)
	gather := func() map[string]float64 {
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]float64{}
		for _, f := range families {
			for _, m := range f.Metric {
				name := f.GetName()
				for _, l := range m.Label {
					name += " " + l.GetValue()
				}
				out[name] = m.Gauge.GetValue()
			}
		}
		return out
	}
	if got := gather(); len(got) != 0 {
		t.Errorf("without a vault: %v", got)
	}
	fails := false
	a.Of(func(context.Context) (Counts, error) {
		if fails {
			return Counts{}, errors.New("away")
		}
		return Counts{States: map[string]int64{"active": 3, "expired": 1}, Ending: 2}, nil
	})
	want := map[string]float64{"attache_accounts active": 3, "attache_accounts expired": 1, "attache_accounts_token_ending": 2}
	for range 2 {
		if got := gather(); !maps.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
		fails = true
	}
}
