package integration_test

import (
	"net/http"
	"sync"
	"testing"
)

// Connections to the service are kept, also when many call at once.
func TestUpstreamConnectionsAreReused(t *testing.T) {
	for name, h1 := range map[string]bool{"HTTP1": true, "HTTP2": false} {
		t.Run(name, func(t *testing.T) {
			integration(t)
			ca := newAuthority(t, "services")
			var service *service
			if h1 {
				service = newPlainService(t, whoami(bearer(demoToken)))
			} else {
				service = newService(t, ca, whoami(bearer(demoToken)), "demo.test")
			}
			a := newAttache(t, setup{
				Attache: connector("demo", "demo.test", service, "bearer {fields.key}", "DEMO_TOKEN") + agentLocal("demo"),
				Env:     []string{"DEMO_TOKEN=" + demoToken}, Trust: []*authority{ca},
			})
			const callers, calls = 64, 20
			var wg sync.WaitGroup
			for range callers {
				wg.Go(func() {
					c := a.goClient(t, false)
					for range calls {
						res, err := c.Get("https://demo.test/whoami")
						if err != nil {
							t.Error(err)
							return
						}
						res.Body.Close()
						if res.StatusCode != http.StatusOK {
							t.Errorf("= %s", res.Status)
						}
					}
				})
			}
			wg.Wait()
			connections := map[string]bool{}
			for _, r := range service.Requests() {
				connections[r.Remote] = true
			}
			t.Logf("%d connections for %d requests of %d callers", len(connections), len(service.Requests()), callers)
			if len(connections) > 2*callers {
				t.Errorf("%d connections to the service for %d requests of %d callers, want at most two for each caller", len(connections), callers*calls, callers)
			}
		})
	}
}
