package resolver

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/attache-proxy/attache/resolver/failure"
	"github.com/attache-proxy/attache/resolver/outcome"
)

// errSlow is the cause of a request that waited too long for its answer to begin.
var errSlow = errors.New("the answer did not begin in time")

// trip sends out, within the account's limits and while it is permitted: how long the answer may take to
// begin, and how often a request that can be sent again is.
func (x *exchange) trip(out *http.Request) (*http.Response, error) {
	a := x.call.Account
	if a == nil {
		return x.timed(out, 0)
	}
	for try := 0; ; try++ {
		res, err := x.timed(out, a.Limits.Timeout)
		if try >= a.Limits.Retries || !failure.Repeatable(out) || !failure.WorthRepeating(res, err) || out.Context().Err() != nil {
			return res, err
		}
		if res != nil {
			discard(res)
		}
		if err := rest(out.Context(), nil, 100*time.Millisecond<<min(try, 5)); err != nil {
			return nil, err
		}
		if out.GetBody != nil {
			if out.Body, err = out.GetBody(); err != nil {
				return nil, err
			}
		}
	}
}

// timed ends a request whose answer has not begun after d; zero is never. Once it
// has begun, it may take as long as it likes, and as the agent is permitted.
func (x *exchange) timed(out *http.Request, d time.Duration) (res *http.Response, err error) {
	began := x.call.run.in != nil
	switch {
	case d > 0:
		res, err = x.within(out, d)
	case began:
		res, err = x.tr.Send(out, x.owner, x.call)
	default:
		res, err = x.tr.Send(out, x.owner, nil)
	}
	if err == nil && began {
		if rw, upgraded := outcome.Upgraded(res); upgraded {
			x.call.ends(rw) // a context ends nothing any more
		}
	}
	return res, err
}

// within sends a request under a context that ends where its answer does not begin
// after d, and with the permission.
func (x *exchange) within(out *http.Request, d time.Duration) (*http.Response, error) {
	began := x.call.run.in != nil
	ctx, cancel := context.WithCancelCause(out.Context())
	if began {
		x.call.ends(cutting{cancel}) // Finish ends the context
	}
	timer := time.AfterFunc(d, func() { cancel(errSlow) })
	defer timer.Stop()
	res, err := x.tr.Send(out.WithContext(ctx), x.owner, nil)
	if err != nil {
		if errors.Is(context.Cause(ctx), errSlow) {
			err = slow{}
		}
		cancel(nil)
		return nil, err
	}
	if !began {
		outcome.Then(res, func() { cancel(nil) })
	}
	return res, nil
}

// cutting ends a request by its context.
type cutting struct{ cancel context.CancelCauseFunc }

func (c cutting) Close() error { c.cancel(errEnded); return nil }

// permissionEnded is what an agent gets whose permission was taken away while it
// waited for the answer to begin.
func permissionEnded(call *Call) *Refusal {
	about := "agent " + call.Agent.Name
	if call.Connector != nil {
		about += " and connector " + call.Connector.Key
	}
	return &Refusal{Code: "not_permitted", Detail: "the permission of " + about + " was taken away while the service had not answered yet",
		Next: "Do not repeat this request. Ask the operator."}
}

// mayRefresh counts a refresh that a 401 provokes against the agent's limit.
func (call *Call) mayRefresh() bool {
	return call.Agent == nil || call.Agent.Limit.MayRefresh(time.Now())
}

// slow is a time-out as net/http understands it.
type slow struct{}

func (slow) Error() string   { return errSlow.Error() }
func (slow) Timeout() bool   { return true }
func (slow) Temporary() bool { return true }
