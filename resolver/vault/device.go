package vault

import "context"

// DeviceSessions lists sessions in which a person is to confirm a device code
// now, the oldest first. Every replica may look at them and poll for the one
// whose turn it is.
func (v *Vault) DeviceSessions(ctx context.Context, limit int) ([]Session, error) {
	return collect(ctx, v, v.r, scanSession, "SELECT "+sessionColumns+` FROM connect_sessions
		WHERE expires_at > ? AND flow = ? AND stage = ? ORDER BY expires_at LIMIT ?`,
		micros(v.now()), FlowDevice, string(SessionAuthorizing), limit)
}

// AccountSessions lists the sessions of an account that are not over, the newest
// first.
func (s *View) AccountSessions(ctx context.Context, accountID string) ([]Session, error) {
	if _, err := s.Account(ctx, accountID); err != nil {
		return nil, err
	}
	return collect(ctx, s.v, s.v.r, scanSession, "SELECT "+sessionColumns+` FROM connect_sessions
		WHERE account_id = ? AND expires_at > ? AND stage IN (?, ?) ORDER BY id DESC LIMIT 100`,
		accountID, micros(s.v.now()), string(SessionOpen), string(SessionAuthorizing))
}
