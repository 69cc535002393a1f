package access

import (
	"context"
	"errors"
	"time"

	"github.com/attache-proxy/attache/resolver/vault/database"
	"github.com/attache-proxy/attache/resolver/vault/seal"
)

// Answer is what a request with an idempotency key was answered.
type Answer struct {
	Status  int // 0 while the first request is still running
	Headers map[string]string
	Body    string
}

// ErrKeyReused means that an idempotency key came again with another request.
var ErrKeyReused = errors.New("the idempotency key was used for another request")

// keepAnswers is how long an idempotency key is remembered, and runningFor how
// long a request may run before its key counts as abandoned (the process died).
const (
	keepAnswers = 24 * time.Hour
	runningFor  = 2 * time.Minute
)

// BeginRequest claims an idempotency key of owner. request is a hash of method,
// path and body. It returns nil where the caller shall run the request now, the
// answer where it ran before (its Status is 0 while it is running), and
// ErrKeyReused where the key came with another request.
func (s Gate) BeginRequest(ctx context.Context, owner, key, request string) (*Answer, error) {
	var found *Answer
	err := s.db.Write(ctx, func(t *database.Tx) error {
		found = nil
		now := s.db.Now()
		n, err := t.Exec(ctx, `INSERT INTO idempotency_keys (owner, key, request, status, headers, body, created_at, expires_at)
			VALUES (?, ?, ?, 0, '', '', ?, ?) ON CONFLICT (owner, key) DO NOTHING`,
			owner, key, request, database.Micros(now), database.Micros(now.Add(keepAnswers)))
		if err != nil || n == 1 {
			return err
		}
		var a Answer
		var known string
		var created, expires time.Time
		err = t.Row(ctx, t.Locked("SELECT request, status, headers, body, created_at, expires_at FROM idempotency_keys WHERE owner = ? AND key = ?"), owner, key).
			Scan(&known, &a.Status, database.JSON(&a.Headers), &a.Body, database.Time(&created), database.Time(&expires))
		if err != nil {
			return err
		}
		if seal.Over(expires, now) || a.Status == 0 && now.Sub(created) > runningFor {
			_, err := t.Exec(ctx, "UPDATE idempotency_keys SET request = ?, status = 0, headers = '', body = '', created_at = ?, expires_at = ? WHERE owner = ? AND key = ?",
				request, database.Micros(now), database.Micros(now.Add(keepAnswers)), owner, key)
			return err
		}
		if known != request {
			return ErrKeyReused
		}
		found = &a
		return nil
	})
	return found, err
}

// EndRequest stores the answer of a request. It must hold no secret: what a
// request shows once is not shown again to who repeats it.
func (s Gate) EndRequest(ctx context.Context, owner, key string, a Answer) error {
	return s.db.Write(ctx, func(t *database.Tx) error {
		_, err := t.Exec(ctx, "UPDATE idempotency_keys SET status = ?, headers = ?, body = ? WHERE owner = ? AND key = ?",
			a.Status, database.JSONText(a.Headers), a.Body, owner, key)
		return err
	})
}

// ForgetRequest gives a key back after a request that failed on our side.
func (s Gate) ForgetRequest(ctx context.Context, owner, key string) error {
	return s.db.Write(ctx, func(t *database.Tx) error {
		_, err := t.Exec(ctx, "DELETE FROM idempotency_keys WHERE owner = ? AND key = ? AND status = 0", owner, key)
		return err
	})
}
