package connect

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/resolver/problem"
	"github.com/attache-proxy/attache/resolver/vault"
)

const (
	// deviceScan is how often a replica looks for device codes that no replica
	// asks about any more.
	deviceScan  = 5 * time.Second
	deviceBatch = 200
	deviceAtOne = 16
	// deviceClaim is how long a replica that asks keeps the others away: longer
	// than one answer may take.
	deviceClaim = 45 * time.Second
)

// PollDevices asks services whether people have confirmed their codes, until ctx
// ends. Every replica does; a session is polled by the one that claims its turn,
// so that a replica which dies is replaced by another.
func (a *Turns) PollDevices(ctx context.Context) {
	for {
		next := a.pollDue(ctx)
		t := time.NewTimer(next)
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-a.wake:
			t.Stop()
		case <-t.C:
		}
	}
}

// pollDue polls for all sessions whose turn it is, and says how long to wait for
// the next one.
func (a *Turns) pollDue(ctx context.Context) time.Duration {
	sessions, err := a.v.DeviceSessions(ctx, deviceBatch)
	if err != nil {
		if ctx.Err() == nil {
			a.log.Warn("looking for device codes", "error", err)
		}
		return deviceScan
	}
	wait, now := deviceScan, a.v.Clock(ctx)
	slots := make(chan struct{}, deviceAtOne)
	var all sync.WaitGroup
	for _, s := range sessions {
		if left := dueAt(s).Sub(now); left > 0 {
			wait = min(wait, left)
			continue
		}
		wait = 0
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			if _, err := a.PollDevice(ctx, s); err != nil && ctx.Err() == nil {
				a.log.Warn("asking about a device code", "session", s.ID, "error", err)
			}
		})
	}
	all.Wait()
	return max(wait, 50*time.Millisecond)
}

// PollSoon makes this replica look at once.
func (a *Turns) PollSoon() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// dueAt is when the next poll may be made, by the database's clock: replicas whose
// clocks are apart take turns all the same.
func dueAt(s vault.Session) time.Time { return time.UnixMilli(s.Data.Next) }

// PollDevice asks the service once, if it is the turn of s and no other replica
// does so now. It returns the session as it then is.
func (a *Turns) PollDevice(ctx context.Context, s vault.Session) (vault.Session, error) {
	now := a.v.Clock(ctx)
	if s.Flow != vault.FlowDevice || s.Stage != vault.SessionAuthorizing || now.Before(dueAt(s)) {
		return s, nil
	}
	mine, err := a.v.UpdateSession(ctx, s.ID, s.Version, vault.SessionEdit{Data: func(d *vault.SessionData) { d.Next = now.Add(deviceClaim).UnixMilli() }})
	switch {
	case errors.Is(err, vault.ErrConflict), errors.Is(err, vault.ErrUsed), errors.Is(err, vault.ErrExpired), errors.Is(err, vault.ErrNotFound):
		return s, nil // another replica, or it is over
	case err != nil:
		return s, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishFor)
	defer cancel()
	wait, err := a.askDevice(ctx, mine)
	if err == nil && wait > 0 {
		next := a.v.Clock(ctx).Add(wait).UnixMilli()
		return a.v.UpdateSession(ctx, s.ID, 0, vault.SessionEdit{Data: func(d *vault.SessionData) { d.Next, d.Interval = next, wait.Milliseconds() }})
	}
	after, err := a.Settle(ctx, mine, err)
	if p := (*problem.Problem)(nil); errors.As(err, &p) {
		err = nil // the session says so
	}
	return after, err
}

// askDevice asks once. A wait of more than 0 says that the person has not decided
// yet; then the account is connected, or err says why not.
func (a *Turns) askDevice(ctx context.Context, s vault.Session) (wait time.Duration, err error) {
	if AttemptOver(s, a.v.Clock(ctx)) {
		return 0, a.flowProblem(nil, &oauth.Error{Code: "expired_token"})
	}
	sealed, err := a.v.SessionSecrets(ctx, s.ID)
	if err != nil {
		return 0, err
	}
	t, err := a.underWay(ctx, s, sealed)
	if err != nil {
		return 0, err
	}
	req := a.request(t)
	req.DeviceCode, req.Scopes = sealed.Get(sealedDevice), s.Scopes
	interval := time.Duration(s.Data.Interval) * time.Millisecond
	tok, err := t.OAuth.Token(ctx, req)
	if err == nil {
		return 0, a.finish(ctx, s, t, tok)
	}
	if wait, pending := oauth.Pending(err, interval); pending {
		return wait, nil
	}
	return 0, a.flowProblem(t, err)
}
