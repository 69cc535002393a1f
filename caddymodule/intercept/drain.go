package intercept

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// drainQuiet is how long a tunnel that nobody can end politely must be silent to
// be closed when the process exits.
const drainQuiet = 2 * time.Second

// drainInterval is how often we look.
const drainInterval = 200 * time.Millisecond

// raw is a tunnel whose bytes we don't understand: a spliced one, or one in which
// a WebSocket runs.
type raw interface {
	quiet() time.Duration
	Close() error
	isClosed() bool
}

// leaving are the Interceptors that were shut down and still have tunnels. After
// a reload the process outlives them, and when it exits it has to wait for them
// too.
var leaving sync.Map // *Interceptor → struct{}

// hold makes a shutdown wait until release is called, which may be done again.
func (i *Interceptor) hold() (release func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.shut && i.held == 0 { // a tunnel of the last moment
		i.idle = make(chan struct{})
		leaving.Store(i, struct{}{})
	}
	i.held++
	return sync.OnceFunc(func() {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.held--
		i.settle()
	})
}

// settle notes that nothing is held any more after Shutdown. i.mu must be held.
func (i *Interceptor) settle() {
	if i.shut && i.held == 0 {
		close(i.idle)
		leaving.Delete(i)
	}
}

// settled is closed when nothing is held.
func (i *Interceptor) settled() <-chan struct{} {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.idle
}

func (i *Interceptor) addRaw(r raw) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if r.isClosed() {
		return // dropRaw was here already
	}
	i.raw[r] = struct{}{}
	i.drain()
}

func (i *Interceptor) dropRaw(r raw) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.raw, r)
}

// Shutdown begins to end what is open, and returns at once: idle connections are
// closed, HTTP/2 clients are told to go (GOAWAY), running requests finish,
// spliced tunnels and WebSockets go on. Tunnels that are opened from here on
// are served, but not kept alive.
//
// When the process is exiting, tunnels that nobody can end politely are closed
// once they have been silent for two seconds.
//
// It is made for caddyhttp.Server.RegisterOnShutdown. It may be called again.
func (i *Interceptor) Shutdown() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.shut {
		return
	}
	i.shut = true
	leaving.Store(i, struct{}{})
	if i.inner != nil {
		// Returns when the last connection is gone.
		go func(s *innerServer) { _ = s.http.Shutdown(context.Background()) }(i.inner)
	}
	i.drain()
	i.settle()
}

// drain looks after the raw tunnels until there are none. i.mu must be held.
func (i *Interceptor) drain() {
	if !i.shut || i.draining || len(i.raw) == 0 {
		return
	}
	i.draining = true
	go func() {
		tick := time.NewTicker(drainInterval)
		defer tick.Stop()
		for ; i.drainOnce(); <-tick.C {
		}
	}()
}

// drainOnce reports whether there is more to do.
func (i *Interceptor) drainOnce() bool {
	i.mu.Lock()
	var silent []raw
	if i.cfg.Exiting() {
		for r := range i.raw {
			if r.quiet() >= drainQuiet {
				silent = append(silent, r)
			}
		}
	}
	i.draining = len(i.raw) > 0
	more := i.draining
	i.mu.Unlock()
	for _, r := range silent { // closing may take the lock again
		_ = r.Close()
	}
	return more
}

// Wait waits for the running requests of all tunnels, and for opaque tunnels to
// fall silent, if the process is exiting; on a reload it returns at once, since
// one open stream would hold the reload up. It waits for tunnels of earlier
// configurations as well.
//
// It is made for caddyhttp.Server.RegisterOnStop. The error is that of ctx.
func (i *Interceptor) Wait(ctx context.Context) error {
	// Caddy starts its shutdown hooks without waiting for them to begin.
	i.Shutdown()
	if !i.cfg.Exiting() {
		return nil
	}
	var open []<-chan struct{}
	leaving.Range(func(k, _ any) bool {
		open = append(open, k.(*Interceptor).settled())
		return true
	})
	for n, settled := range open {
		select {
		case <-settled:
			continue // even if ctx is over as well, in which case select might not see it
		default:
		}
		select {
		case <-settled:
		case <-ctx.Done():
			return fmt.Errorf("waiting for the open tunnels of %d configurations: %w", len(open)-n, context.Cause(ctx))
		}
	}
	return nil
}

// Close is Shutdown, for Cleanup, which Caddy also calls on a reload while
// streams of the old configuration run: it cuts none.
func (i *Interceptor) Close() { i.Shutdown() }
