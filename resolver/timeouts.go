package resolver

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"
)

// errSlow is the cause of a request that waited too long for its answer to begin.
var errSlow = errors.New("the answer did not begin in time")

// trip sends out, within the account's limits: how long the answer may take to
// begin, and how often a request that can be sent again is.
func (x *exchange) trip(out *http.Request) (*http.Response, error) {
	a := x.call.Account
	if a == nil || a.Limits.Timeout == 0 && a.Limits.Retries == 0 {
		return x.tr.Send(out, x.owner)
	}
	for try := 0; ; try++ {
		res, err := x.timed(out, a.Limits.Timeout)
		if try >= a.Limits.Retries || !x.repeatable(out) || !worthRepeating(res, err) || out.Context().Err() != nil {
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

// repeatable reports a request that may be sent twice (RFC 9110 §9.2.2) and can be.
func (x *exchange) repeatable(out *http.Request) bool {
	switch out.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete:
		return out.Body == nil || out.Body == http.NoBody || out.GetBody != nil
	}
	return false
}

func worthRepeating(res *http.Response, err error) bool {
	if err != nil {
		return true
	}
	switch res.StatusCode {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// timed ends a request whose answer has not begun after d. Once it has begun,
// it may take as long as it likes.
func (x *exchange) timed(out *http.Request, d time.Duration) (*http.Response, error) {
	if d == 0 {
		return x.tr.Send(out, x.owner)
	}
	ctx, cancel := context.WithCancelCause(out.Context())
	timer := time.AfterFunc(d, func() { cancel(errSlow) })
	res, err := x.tr.Send(out.WithContext(ctx), x.owner)
	timer.Stop()
	if err != nil {
		if errors.Is(context.Cause(ctx), errSlow) {
			err = slow{}
		}
		cancel(nil)
		return nil, err
	}
	if rw, ok := res.Body.(io.ReadWriteCloser); ok && res.StatusCode == http.StatusSwitchingProtocols {
		res.Body = closing2{rw, cancel}
	} else {
		res.Body = closing{res.Body, cancel}
	}
	return res, nil
}

// slow is a time-out as net/http understands it.
type slow struct{}

func (slow) Error() string   { return errSlow.Error() }
func (slow) Timeout() bool   { return true }
func (slow) Temporary() bool { return true }

// closing ends a request's context with its body.
type closing struct {
	io.ReadCloser
	cancel context.CancelCauseFunc
}

func (c closing) Close() error { defer c.cancel(nil); return c.ReadCloser.Close() }

// closing2 is the same for an upgraded connection.
type closing2 struct {
	io.ReadWriteCloser
	cancel context.CancelCauseFunc
}

func (c closing2) Close() error { defer c.cancel(nil); return c.ReadWriteCloser.Close() }
