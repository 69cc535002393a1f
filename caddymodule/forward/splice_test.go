package forward

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// below is what a writer of package http1 looks like from here.
type below struct{ http.ResponseWriter }

func (b below) Below() http.ResponseWriter { return b.ResponseWriter }

// Only writers that let every byte of a body pass unseen are left out when it is
// moved by the kernel.
func TestSocket(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		idle := &caddyhttp.IdleTimeoutWriter{ResponseWriterWrapper: &caddyhttp.ResponseWriterWrapper{ResponseWriter: w}}
		for name, c := range map[string]struct {
			w     http.ResponseWriter
			moves bool
		}{
			"net/http's":                        {w, true},
			"looks at heads":                    {below{w}, true},
			"Caddy's idle timeouts":             {idle, true},
			"looks at heads over idle timeouts": {below{idle}, true},
			"somebody who listens":              {caddyhttp.NewResponseRecorder(w, nil, nil), false},
			"over somebody who listens":         {below{caddyhttp.NewResponseRecorder(w, nil, nil)}, false},
			"a writer that moves nothing":       {httptest.NewRecorder(), false},
		} {
			if moves := socket(c.w) != nil; moves != c.moves {
				t.Errorf("%s: moves %v, want %v", name, moves, c.moves)
			}
		}
	}))
	defer s.Close()
	res, err := http.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
}
