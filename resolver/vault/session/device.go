package session

import (
	"context"

	"github.com/attache-proxy/attache/resolver/vault/database"
)

// DeviceSessions lists sessions in which a person is to confirm a device code
// now, the oldest first. Every replica may look at them and poll for the one
// whose turn it is.
func (s Desk) DeviceSessions(ctx context.Context, limit int) ([]Session, error) {
	return database.Collect(ctx, s.db.Reader, scanSession, "SELECT "+sessionColumns+` FROM connect_sessions
		WHERE expires_at > ? AND flow = ? AND stage = ? ORDER BY expires_at LIMIT ?`,
		database.Micros(s.db.Now()), FlowDevice, string(SessionAuthorizing), limit)
}

// AccountSessions lists the sessions of an account that are not over, the newest
// first.
func (s Sessions) AccountSessions(ctx context.Context, accountID string) ([]Session, error) {
	var org string
	err := s.db.Explain(s.db.Reader.Row(ctx, "SELECT organisation FROM accounts WHERE id = ?", accountID).Scan(&org))
	if err == nil && !s.view.Sees(org) {
		err = database.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return database.Collect(ctx, s.db.Reader, scanSession, "SELECT "+sessionColumns+` FROM connect_sessions
		WHERE account_id = ? AND expires_at > ? AND stage IN (?, ?) ORDER BY id DESC LIMIT 100`,
		accountID, database.Micros(s.db.Now()), string(SessionOpen), string(SessionAuthorizing))
}
