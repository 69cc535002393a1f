package resolver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/attache-proxy/attache/resolver/limit"
)

// Running are the calls that are under way, streams, upgrades and tunnels among
// them. It outlives configurations, as streams do. The zero value is ready.
type Running struct {
	mu          sync.Mutex
	first, last *Call // by when they began
	woken       chan struct{}
}

// running is a call's place among those that are under way.
type running struct {
	in         *Running
	prev, next *Call
	kind       limit.Kind

	mu     sync.Mutex // of what follows
	closer io.Closer  // ends the exchange with the service
	ended  bool       // End was called, or its permission was taken away
	taken  bool       // its permission was taken away
	told   bool       // that it goes on
	// method and path are what was sent, where that is not what was asked.
	method, path string
}

// Begin counts a call of an agent in; Finish must follow. Kind is limit.Requests,
// Upgrades or Tunnels. Its error is a *Refusal where the agent has too many.
func (r *Resolver) Begin(call *Call, kind limit.Kind) error {
	if !call.Agent.Limit.Take(kind, 1) {
		return TooMany(call.Agent, kind)
	}
	call.Began = time.Now()
	call.run.in, call.run.kind = r.running, kind
	r.running.add(call)
	return nil
}

// Finish counts a call out.
func (r *Resolver) Finish(call *Call) {
	if call.run.in == nil {
		return
	}
	call.run.in.remove(call)
	call.spend.End(context.Background(), call.Outcome.Sent(), call.Outcome.Received(), call.tokens())
	call.Agent.Limit.Give(call.run.kind, 1)
	call.ends(nil)
	call.run.mu.Lock()
	call.run.ended = true
	call.run.mu.Unlock()
}

// TooMany refuses an agent that has all it may have of a kind in use.
func TooMany(agent *Agent, kind limit.Kind) *Refusal {
	all, unit, option := kind.Names()
	return &Refusal{Code: "too_many_requests", RetryAfter: 1,
		Detail: fmt.Sprintf("agent %s has %s in use, of at most %d %s", agent.Name, all, agent.Limit.Limit(kind), unit),
		Next:   "Wait until something of it has ended, and go on with less at a time. The operator may raise the limit: limits { " + option + " … }."}
}

// inflatePatience is how long an answer waits for memory: those that are short,
// which is most, give it back at once. The request was sent, and may have changed
// something, so that refusing its answer is the last resort.
const inflatePatience = 30 * time.Second

// inflateWithin takes memory to inflate an answer in from what the agent may have.
func inflateWithin(call *Call, bytes int64) (release func(), err error) {
	if call.Agent == nil || call.Agent.Limit == nil {
		return func() {}, nil
	}
	patience := inflatePatience
	if bytes > call.Agent.Limit.Limit(limit.Memory) {
		patience = 0
	}
	for until := time.Now().Add(patience); !call.Agent.Limit.Take(limit.Memory, bytes); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(until) || call.Ended() {
			return nil, TooMany(call.Agent, limit.Memory)
		}
	}
	return sync.OnceFunc(func() { call.Agent.Limit.Give(limit.Memory, bytes) }), nil
}

// IsUpgrade reports a request that asks for another protocol.
func IsUpgrade(r *http.Request) bool {
	return len(r.Header["Upgrade"]) > 0 || len(r.Header[":protocol"]) > 0
}

// errEnded is the cause of what ends because its permission was taken away.
var errEnded = errors.New("the permission ended")

// ends says what is to be closed when the call's permission is taken away: the
// connection or the body that the call holds now; nil means nothing. It is closed
// at once where that has happened already, and then false is returned.
func (call *Call) ends(c io.Closer) bool {
	call.run.mu.Lock()
	before, taken := call.run.closer, call.run.taken
	call.run.closer = c
	call.run.mu.Unlock()
	if was, ok := before.(cutting); ok {
		was.cancel(nil) // what it held is over
	}
	if taken && c != nil {
		_ = c.Close()
	}
	return !taken
}

// Holds implements upstream.Holder.
func (call *Call) Holds(c io.Closer) bool { return call.ends(c) }

// Under implements upstream.Holder.
func (call *Call) Under(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancelCause(ctx)
	call.ends(cutting{cancel})
	return ctx
}

// end takes the permission away.
func (call *Call) end() {
	call.run.mu.Lock()
	c := call.run.closer
	already := call.run.ended || call.run.taken
	call.run.taken = true
	call.run.mu.Unlock()
	if !already && c != nil {
		_ = c.Close()
	}
}

// Ended reports whether the call was ended because its permission was taken away.
func (call *Call) Ended() bool {
	call.run.mu.Lock()
	defer call.run.mu.Unlock()
	return call.run.taken
}

func (s *Running) add(call *Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if call.run.prev = s.last; s.last != nil {
		s.last.run.next = call
	} else {
		s.first = call
	}
	s.last = call
}

func (s *Running) remove(call *Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	run := &call.run
	if run.prev != nil {
		run.prev.run.next = run.next
	} else {
		s.first = run.next
	}
	if run.next != nil {
		run.next.run.prev = run.prev
	} else {
		s.last = run.prev
	}
	run.prev, run.next = nil, nil
}

// all lists what runs; the oldest first.
func (s *Running) all() []*Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*Call
	for c := s.first; c != nil; c = c.run.next {
		out = append(out, c)
	}
	return out
}

const (
	// lookEvery is how often running calls are looked at without a reason.
	runningEvery = time.Second
	// longFrom is how long a call runs before its beginning is told.
	longFrom = 2 * time.Second
)

// Wake makes Watch look at what runs: somebody's permission may have changed.
func (s *Running) Wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.woken == nil {
		s.woken = make(chan struct{}, 1)
	}
	select {
	case s.woken <- struct{}{}:
	default:
	}
}

func (s *Running) wakes() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.woken == nil {
		s.woken = make(chan struct{}, 1)
	}
	return s.woken
}

// Watch ends calls whose permission is gone, and tells of those that go on for
// long, until ctx ends. It looks each second, and when it is woken.
func (r *Resolver) Watch(ctx context.Context) {
	tick := time.NewTicker(runningEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-r.running.wakes():
		}
		r.lookAt(ctx, r.running.all())
	}
}

func (r *Resolver) lookAt(ctx context.Context, calls []*Call) {
	for _, call := range calls {
		if !call.spend.Goes(ctx, call.Outcome.Sent(), call.Outcome.Received()) || !r.stillMay(ctx, call) {
			call.end()
		}
		if time.Since(call.Began) > longFrom && !call.waits.Load() {
			r.GoesOn(call)
		}
	}
}

// stillMay reports whether a call would be permitted now. Where that cannot be
// found out it goes on: the vault may be away for a moment.
func (r *Resolver) stillMay(ctx context.Context, call *Call) bool {
	ok, err := r.may(ctx, call)
	return ok || err != nil
}

// may reports whether a call would be permitted now, or why that cannot be found out.
func (r *Resolver) may(ctx context.Context, call *Call) (bool, error) {
	agent, err := r.directory.AgentByID(ctx, call.Agent.ID)
	if errors.Is(err, ErrUnknownAgent) {
		return false, nil
	}
	if err == nil && !call.Token.IsZero() { // it may have been deleted alone
		if _, err = r.directory.AgentByToken(ctx, "", call.Token.Reveal()); errors.Is(err, ErrUnknownAgent) {
			return false, nil
		}
	}
	if err != nil || call.Connector == nil {
		return err == nil, err
	}
	granted, err := r.directory.Granted(ctx, agent, call.Connector.Key)
	if err != nil {
		return false, err
	}
	for i := range granted {
		if g := &granted[i]; g.Account.ID == call.Account.ID {
			return g.Account.State == StateActive && call.mayStill(g) && !r.needsConfinement(call.Agent, g) && g.Allows(call.Target.Host, call.methods, call.Path), nil
		}
	}
	return false, nil
}

// GoesOn tells, once, that a call has begun and goes on: a stream, an upgraded
// connection, a tunnel, or a long transfer. Its end is told like any request's.
func (r *Resolver) GoesOn(call *Call) {
	call.run.mu.Lock()
	if call.run.in == nil || call.run.told || call.run.ended {
		call.run.mu.Unlock()
		return
	}
	call.run.told = true
	call.run.mu.Unlock()
	e := call.Event()
	e.Phase = PhaseBegin
	r.observer.Observe(&e)
}

// goesOn reports an answer that is made to last: an upgrade or a stream of events.
func goesOn(res *http.Response) bool {
	if res.StatusCode == http.StatusSwitchingProtocols {
		return true
	}
	t := res.Header["Content-Type"]
	return len(t) > 0 && strings.HasPrefix(t[0], "text/event-stream")
}

// Event is the call as the audit tells it: what was sent for whom.
func (call *Call) Event() Observation {
	e := Observation{Door: call.Door, Method: call.Method, Path: call.Path, Token: call.Token,
		Host: call.Target.Host, Port: call.Target.Port, Status: call.Outcome.Status(), Sent: call.Outcome.Sent(), Received: call.Outcome.Received()}
	if call.Agent != nil {
		e.Agent, e.AgentID, e.Run = call.Agent.Name, call.Agent.ID, call.Agent.Run.Name()
	}
	e.Kept = call.Kept
	if does, known := call.Does(); known {
		e.Operation, e.Effect, e.Resource = does.Name, does.Effect.String(), does.Resource
	}
	if a := call.approval.Load(); a != nil {
		e.Approval = *a
	}
	if call.Connector != nil {
		e.Connector = call.Connector.Key
	}
	if call.Account != nil {
		e.Account, e.AccountID = call.Account.Name, call.Account.ID
	}
	if !call.Began.IsZero() {
		e.Duration = time.Since(call.Began)
	}
	call.run.mu.Lock()
	defer call.run.mu.Unlock()
	if call.run.told {
		e.Phase = PhaseEnd
	}
	if call.run.method != "" {
		e.Method, e.Path = call.run.method, call.run.path
	}
	return e
}

// asks remembers what is asked of the service, where another handler has changed
// what was decided on. It comes before the signer, which may put a secret into the path.
func (call *Call) asks(req *http.Request) {
	path := req.URL.EscapedPath()
	decided := call.Method
	if len(call.methods) > 0 {
		decided = call.methods[0] // on the wire
	}
	if req.Method == decided && path == call.Path {
		return
	}
	call.run.mu.Lock()
	defer call.run.mu.Unlock()
	call.run.method, call.run.path = req.Method, path
}
