// Package audit writes the audit line, without slowing requests.
package audit

import (
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/attache-proxy/attache/caddymodule/config"
	"github.com/attache-proxy/attache/resolver"
)

// Log writes audit events without slowing requests.
type Log struct {
	log     *zap.Logger
	sync    bool
	mu      sync.Mutex
	waiting []resolver.Observation
	spare   []resolver.Observation // the last batch's memory; only run uses it
	wake    chan struct{}
	stop    chan struct{} // closed by Close; wake never is: a writer may be about to send
	done    chan struct{}
	closed  bool
}

// maxWaiting bounds the events that wait to be written; beyond it the request waits.
const maxWaiting = 16 << 10

// New begins a log as the configuration says; nil where the audit is off, which
// takes events all the same.
func New(log *zap.Logger, c config.Audit) (*Log, error) {
	if c.Off && c.Sync {
		return nil, fmt.Errorf("audit: off and sync exclude each other")
	}
	if c.Off {
		return nil, nil
	}
	a := &Log{log: log, sync: c.Sync, wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	if !a.sync {
		go a.run()
	}
	return a, nil
}

// Write takes one event.
func (a *Log) Write(e *resolver.Observation) {
	if a == nil {
		return
	}
	a.mu.Lock()
	if a.sync || a.closed || len(a.waiting) >= maxWaiting {
		a.mu.Unlock()
		a.line(e)
		return
	}
	a.waiting = append(a.waiting, *e)
	first := len(a.waiting) == 1
	a.mu.Unlock()
	if first {
		select {
		case a.wake <- struct{}{}:
		default:
		}
	}
}

// run writes what has gathered, every 50 ms while there is something.
func (a *Log) run() {
	defer close(a.done)
	for {
		select {
		case <-a.wake:
			time.Sleep(50 * time.Millisecond)
			a.flush()
		case <-a.stop:
			a.flush()
			return
		}
	}
}

func (a *Log) flush() {
	a.mu.Lock()
	batch := a.waiting
	a.waiting = a.spare
	a.mu.Unlock()
	for i := range batch {
		a.line(&batch[i])
	}
	clear(batch)
	a.spare = batch[:0]
}

// Close writes what is left. Streams that end later write their own line.
func (a *Log) Close() error {
	if a == nil {
		return nil
	}
	a.mu.Lock()
	again := a.closed
	a.closed = true
	a.mu.Unlock()
	if !again && !a.sync {
		close(a.stop)
		<-a.done
	}
	return nil
}

// line writes one event. The path is without query: queries hold keys.
func (a *Log) line(e *resolver.Observation) {
	c := a.log.Check(zapcore.InfoLevel, "request")
	if c == nil {
		return
	}
	fields := make([]zap.Field, 0, 23)
	fields = append(fields, zap.String("agent", e.Agent))
	for _, f := range [...]struct{ name, value string }{
		{"run", e.Run}, {"connector", e.Connector}, {"account", e.Account}, {"door", string(e.Door)}, {"method", e.Method}, {"host", e.Host}, {"port", e.Port}, {"path", e.Path},
		{"operation", e.Operation}, {"effect", e.Effect}, {"resource", e.Resource}, {"approval", e.Approval}, {"code", e.Code}, {"phase", e.Phase}, {"reached", e.Reached}, {"cut", e.Cut},
	} {
		if f.value != "" {
			fields = append(fields, zap.String(f.name, f.value))
		}
	}
	if e.Count > 0 {
		fields = append(fields, zap.Int64("count", e.Count))
	}
	if e.Kept {
		fields = append(fields, zap.String("credential", "client_credential_kept"))
	}
	if e.Echo {
		fields = append(fields, zap.String("echo", "replaced"))
	}
	c.Write(append(fields, zap.Int("status", e.Status), zap.Int64("sent", e.Sent), zap.Int64("received", e.Received), zap.Duration("duration", e.Duration))...)
}
