package resolver_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver"
	"github.com/attache-proxy/attache/resolver/approval"
)

// silent is a store in which nobody answers.
type silent struct {
	mu sync.Mutex
	n  int
}

func (s *silent) FileApproval(_ context.Context, r *approval.Request) (approval.Approval, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	a := approval.Approval{ID: fmt.Sprintf("apr_%d", s.n), Request: *r, State: approval.Pending, ExpiresAt: time.Now().Add(time.Hour)}
	a.Preview = approval.Preview{}
	return a, true, nil
}

func (s *silent) ApprovalNow(_ context.Context, id string) (approval.Approval, error) {
	return approval.Approval{ID: id, State: approval.Pending, ExpiresAt: time.Now().Add(time.Hour)}, nil
}
func (s *silent) UseApproval(context.Context, string) error      { return approval.ErrGone }
func (s *silent) WithdrawApproval(context.Context, string) error { return nil }

// pipes is a listener in memory, so that descriptors do not count.
type pipes struct{ c chan net.Conn }

func (p pipes) Accept() (net.Conn, error) {
	if c, ok := <-p.c; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}
func (p pipes) Close() error   { return nil }
func (p pipes) Addr() net.Addr { return &net.UnixAddr{Net: "pipe"} }

// BenchmarkHeld holds 10 000 requests of 1 KiB behind Go's HTTP server, and says how much
// memory each takes beyond its connection, whose handler waits for nothing of ours.
func BenchmarkHeld(b *testing.B) {
	const held = 10_000
	desk := approval.NewDesk(&silent{}, approval.Limits{PerAgent: held, All: held, Bytes: 64 << 20})
	w := newWorld(new(testing.T), worldConfig{yaml: deedYAML, desk: desk, accounts: []*resolver.Account{{Name: "one", Fields: secret.Values{"key": secret.New("k-0123456789")}}},
		grants: []resolver.Grant{{Connector: "svc", Write: true, Operations: ruleSet(new(testing.T), "ask * wait 10m")}}})
	for b.Loop() {
		var idle atomic.Int64
		connection := heldMemory(b, held, func() bool { return idle.Load() == held }, func(r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			idle.Add(1)
			<-r.Context().Done()
		})
		whole := heldMemory(b, held, func() bool { return desk.Held() == held }, func(r *http.Request) {
			ask := resolver.AskOf(r, r.URL)
			ask.Agent, ask.Target = w.agent, resolver.Target{Host: "svc.example", Port: "443"}
			if call, err := w.Decide(r.Context(), ask); err == nil {
				_, _ = w.Send(r, call)
			}
		})
		b.ReportMetric(float64(whole-connection)/held, "B/held")
		b.ReportMetric(float64(connection)/held, "B/connection")
		b.ReportMetric(float64(whole)/(1<<20), "MiB")
	}
}

// heldMemory is what n requests take while they are in a handler.
func heldMemory(b *testing.B, n int, in func() bool, handler func(*http.Request)) int64 {
	before := inUse()
	l := pipes{make(chan net.Conn)}
	var out atomic.Int64
	server := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		defer out.Add(1)
		handler(r)
	})}
	go server.Serve(l) //nolint:errcheck // it ends with the listener
	request := "POST /x HTTP/1.1\r\nHost: svc.example\r\nContent-Type: application/json\r\nAuthorization: Bearer " + strings.Repeat("x", 40) + "\r\nUser-Agent: bench\r\nContent-Length: 1024\r\n\r\n" + strings.Repeat(" ", 1024)
	var clients []net.Conn
	for range n {
		here, there := net.Pipe()
		l.c <- there
		if _, err := here.Write([]byte(request)); err != nil {
			b.Fatal(err)
		}
		clients = append(clients, here)
	}
	for !in() {
		time.Sleep(10 * time.Millisecond)
	}
	took := inUse() - before
	close(l.c)
	for _, c := range clients {
		_ = c.Close()
	}
	for out.Load() < int64(n) {
		time.Sleep(10 * time.Millisecond)
	}
	return took
}

// inUse is the memory of heap and stacks, after a collection.
func inUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}
