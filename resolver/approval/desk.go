package approval

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/attache-proxy/attache/resolver/refusal"
)

// Limits bound what is held. Beyond them requests are refused at once, and sent again
// once somebody has said yes.
type Limits struct {
	// PerAgent and All are requests; Bytes is of their bodies.
	PerAgent, All int
	Bytes         int64
}

// Default is what a Desk holds.
var Default = Limits{PerAgent: 100, All: 10_000, Bytes: 64 << 20}

// Desk is where requests wait for people. It is safe for concurrent use.
type Desk struct {
	store  Store
	limits Limits
	// looking are places for reading how approvals stand: after changes were missed all
	// that wait look at once.
	looking chan struct{}
	closed  chan struct{}
	close   sync.Once

	mu      sync.Mutex
	waiting map[string]*group
	agents  map[string]int
	held    int
	bytes   int64
}

// group is those that wait for one approval here.
type group struct {
	woken []chan struct{}
	// ours says that one of them asked, and told that an agent was told to come back.
	ours, told bool
}

// NewDesk is a desk over a store.
func NewDesk(store Store, limits Limits) *Desk {
	return &Desk{store: store, limits: limits, looking: make(chan struct{}, 8), closed: make(chan struct{}), waiting: map[string]*group{}, agents: map[string]int{}}
}

// Close refuses what waits: the questions stay open. It is for the end of a configuration.
func (d *Desk) Close() { d.close.Do(func() { close(d.closed) }) }

// Heard says that an approval has changed; an empty id that any may have.
func (d *Desk) Heard(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if id != "" {
		d.waiting[id].wake()
		return
	}
	for _, g := range d.waiting {
		g.wake()
	}
}

func (g *group) wake() {
	if g == nil {
		return
	}
	for _, c := range g.woken {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// Held is how many requests wait.
func (d *Desk) Held() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.held
}

// Hold is a request that is to be held.
type Hold struct {
	Describe func() *Request
	Request  *Request // by Describe
	// Wait is how long at most; zero is not at all.
	Wait time.Duration
	// Bytes are kept of its body meanwhile.
	Bytes int64
	// Gone tells that its permission was taken away.
	Gone *Gone
	// May is asked before it goes on: nil where nothing else is in the way.
	May func(ctx context.Context) error

	until time.Time
}

// Decide returns when the request may be sent, with what the answer was, or refuses it:
// with a *refusal.Refusal, or with the error of ctx where the agent hung up.
func (d *Desk) Decide(ctx context.Context, h *Hold) (*Approval, error) {
	h.until = time.Now().Add(h.Wait)
	a, filed, err := d.file(ctx, h)
	if err != nil {
		if ctx.Err() != nil {
			return a, ctx.Err()
		}
		return a, h.unfiled(err)
	}
	h.Request.Preview = Preview{} // the store has it
	if a.Stands(time.Now()) == Pending {
		if a, err = d.await(ctx, h, a, filed); err != nil {
			return a, err
		}
	}
	return a, d.settled(ctx, h, a)
}

// file describes the request and asks, on a stack of its own: that of a request that waits
// stays small.
func (d *Desk) file(ctx context.Context, h *Hold) (a *Approval, filed bool, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if p := recover(); p != nil {
				a, err = new(Approval), fmt.Errorf("describing a request: %v", p)
			}
		}()
		h.Request = h.Describe()
		var found Approval
		found, filed, err = d.store.FileApproval(ctx, h.Request)
		a = &found
	}()
	<-done
	return a, filed, err
}

// settled lets a request go on, or says why not.
func (d *Desk) settled(ctx context.Context, h *Hold, a *Approval) error {
	switch a.Stands(time.Now()) {
	case Approved:
	case Denied:
		return h.denied(a)
	case Used:
		return h.used(a)
	case Pending:
		return h.pending(a)
	case Withdrawn:
		return h.withdrawn(a)
	default:
		return h.expired(a)
	}
	if err := h.May(ctx); err != nil {
		return err
	}
	if !a.Single() {
		return nil
	}
	switch err := d.store.UseApproval(ctx, a.ID); {
	case errors.Is(err, ErrGone):
		return h.used(a)
	case err != nil:
		return unavailable(err)
	}
	return nil
}

// await waits for an answer. It returns the approval as it stands, pending where the wait
// is over, or why nothing is waited for any more.
func (d *Desk) await(ctx context.Context, h *Hold, a *Approval, filed bool) (*Approval, error) {
	woken := make(chan struct{}, 1)
	if h.Wait <= 0 || !d.enter(h, a.ID, woken, filed) {
		return d.leftOpen(ctx, h, a)
	}
	timer := time.NewTimer(time.Until(h.until))
	defer timer.Stop()
	woken <- struct{}{} // it may have been answered before it was entered
	for {
		var err error
		select {
		case <-woken:
			now, failed := d.now(ctx, a.ID)
			if failed != nil { // looked at again below
				d.again(woken)
				continue
			}
			if a = now; a.Stands(time.Now()) == Pending {
				continue
			}
		case <-timer.C:
			if now, failed := d.now(ctx, a.ID); failed == nil {
				a = now
			}
			d.leave(h, a.ID, woken, true)
			if a.Stands(time.Now()) == Pending {
				return d.leftOpen(ctx, h, a)
			}
			return a, nil
		case <-ctx.Done():
			err = ctx.Err()
		case <-h.Gone.c:
			err = h.May(ctx)
		case <-d.closed:
			d.leave(h, a.ID, woken, true)
			return d.leftOpen(ctx, h, a)
		}
		if d.leave(h, a.ID, woken, false) && err != nil {
			d.withdraw(ctx, a.ID)
		}
		return a, err
	}
}

// again wakes a waiter a little later.
func (d *Desk) again(woken chan struct{}) {
	time.AfterFunc(time.Second, func() {
		select {
		case woken <- struct{}{}:
		default:
		}
	})
}

// leftOpen is a question for which nobody waits. One that can be answered only while
// somebody does is withdrawn.
func (d *Desk) leftOpen(ctx context.Context, h *Hold, a *Approval) (*Approval, error) {
	if a.Flight && a.Stands(time.Now()) == Pending {
		d.withdraw(ctx, a.ID)
		return a, h.tooLong(a)
	}
	return a, nil
}

// now reads how an approval stands, a few at a time.
func (d *Desk) now(ctx context.Context, id string) (*Approval, error) {
	select {
	case d.looking <- struct{}{}:
		defer func() { <-d.looking }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	a, err := d.store.ApprovalNow(ctx, id)
	return &a, err
}

// withdraw ends a question although the agent is gone. Where it cannot be, it ends by
// itself.
func (d *Desk) withdraw(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_ = d.store.WithdrawApproval(ctx, id)
}

// enter takes a place. It returns false where there is none.
func (d *Desk) enter(h *Hold, id string, woken chan struct{}, filed bool) bool {
	agent := h.Request.AgentID
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.held >= d.limits.All || d.agents[agent] >= d.limits.PerAgent || d.bytes+h.Bytes > d.limits.Bytes {
		if g := d.waiting[id]; g != nil {
			g.told = true
		}
		return false
	}
	d.held++
	d.agents[agent]++
	d.bytes += h.Bytes
	g := d.waiting[id]
	if g == nil {
		g = new(group)
		d.waiting[id] = g
	}
	g.woken = append(g.woken, woken)
	g.ours = g.ours || filed
	return true
}

// leave gives the place back. It returns whether nobody here waits for the approval any
// more, and nobody was told to come back for it.
func (d *Desk) leave(h *Hold, id string, woken chan struct{}, told bool) bool {
	agent := h.Request.AgentID
	d.mu.Lock()
	defer d.mu.Unlock()
	d.held--
	if d.agents[agent]--; d.agents[agent] == 0 {
		delete(d.agents, agent)
	}
	d.bytes -= h.Bytes
	g := d.waiting[id]
	g.told = g.told || told
	if i := slices.Index(g.woken, woken); i >= 0 {
		g.woken = slices.Delete(g.woken, i, i+1)
	}
	if len(g.woken) > 0 {
		return false
	}
	delete(d.waiting, id)
	return g.ours && !g.told
}

// what a refusal says of the request.
func (r *Request) what() string {
	what := r.Operation
	if what == "" {
		what = r.Method + " " + r.URL
	}
	if r.Resource != "" {
		what += " on " + r.Resource
	}
	return what
}

func (h *Hold) refusal(code, says, next string) *refusal.Refusal {
	r := h.Request
	return &refusal.Refusal{Code: code, Operation: r.Operation, Rule: r.Rule,
		Detail: fmt.Sprintf("agent %s, connector %s, account %s: %s", r.Agent, r.Connector, r.Account, says), Next: next}
}

// askAgain is in how many seconds it makes sense to ask how an approval stands.
const askAgain = 30

// Path is where an agent asks how an approval of its own stands.
const Path = "/.well-known/attache/approvals/"

func (h *Hold) pending(a *Approval) error {
	ref := h.refusal("approval_pending", fmt.Sprintf("a person has to decide on %s, and has not yet; it was not sent", h.Request.what()),
		"Stop here and tell the person that approval "+a.ID+" waits for them. Until they have decided this is not to be done in any way, also not by another request or tool. GET "+Path+a.ID+" says how it stands; once it says approved, send this very request again, unchanged, one time.")
	ref.Approval, ref.RetryAfter = a.ID, askAgain
	return ref
}

func (h *Hold) denied(a *Approval) error {
	why := "without a reason"
	if a.Reason != "" {
		why = "and said: " + a.Reason
	}
	ref := h.refusal("approval_denied", fmt.Sprintf("a person said no to %s, %s", h.Request.what(), why), "Do not repeat this request, and do not do the same in another way. Go on without it, or ask the person.")
	ref.Approval = a.ID
	return ref
}

func (h *Hold) used(a *Approval) error {
	ref := h.refusal("approval_used", fmt.Sprintf("the approval for %s was for one request, and another one has used it", h.Request.what()), "Do not repeat this request unless it is to be done once more: a person is asked again then.")
	ref.Approval = a.ID
	return ref
}

func (h *Hold) expired(a *Approval) error {
	ref := h.refusal("approval_expired", fmt.Sprintf("nobody has decided on %s in time, which is a no", h.Request.what()), "Do not do the same in another way. Tell the person; send the request again only when they ask for it.")
	ref.Approval = a.ID
	return ref
}

func (h *Hold) withdrawn(a *Approval) error {
	ref := h.refusal("approval_expired", fmt.Sprintf("the question about %s was withdrawn, because another request like this one hung up", h.Request.what()), "Do not do the same in another way. Send the request again if it is still needed: a person is asked anew.")
	ref.Approval = a.ID
	return ref
}

func (h *Hold) tooLong(a *Approval) error {
	ref := h.refusal("approval_expired", fmt.Sprintf("nobody has decided on %s while it waited, and its body is too long to be known again", h.Request.what()), "Do not do the same in another way. Tell the person; send the request again when they are there to decide on it.")
	ref.Approval = a.ID
	return ref
}

func (h *Hold) unfiled(err error) error {
	if errors.Is(err, ErrTooMany) {
		ref := h.refusal("approval_limit", fmt.Sprintf("too much is asked of people: at most %d questions of an agent may be open, and %d be asked in an hour", MaxPending, MaxHourly), "Stop here and tell the person. Send nothing more of the kind until they have decided on what is open.")
		ref.RetryAfter = 600
		return ref
	}
	return unavailable(err)
}

func unavailable(err error) error {
	return &refusal.Refusal{Code: "vault_unavailable", Err: err, Detail: "a person has to decide on this request, and cannot be asked at the moment; it was not sent", Next: "Try again in a few seconds."}
}
