package vault

import (
	"context"

	"github.com/attache-proxy/attache/resolver/vault/database"
)

// Status is what `attache vault status` shows.
type Status struct {
	Driver        string `json:"driver"`
	SchemaVersion int64  `json:"schema_version"`
	Bytes         int64  `json:"bytes"` // of the database
	// Rows counts the rows of the main tables.
	Rows map[string]int64 `json:"rows"`
	// States counts the accounts by state.
	States map[State]int64 `json:"accounts"`
	// Secrets counts the sealed values by the key that sealed them.
	Secrets map[string]int64 `json:"sealed"`
	// Keys are the ids of the keys that are loaded; the first seals.
	Keys []string `json:"keys"`
	// DroppedEvents counts audit events that this process lost.
	DroppedEvents int64 `json:"dropped_events"`
}

// counted is every table that Status counts.
var counted = []string{"accounts", "agents", "agent_tokens", "grants", "connectors", "apps", "connect_sessions", "webhooks", "deliveries", "audit", "admin_tokens", "signins", "secrets"}

// Status counts everything; it reads whole indexes and is for people.
func (v *Vault) Status(ctx context.Context) (Status, error) {
	st := Status{Driver: v.db.Driver(), SchemaVersion: database.SchemaVersion, States: map[State]int64{}, Secrets: map[string]int64{}, Keys: v.seals.Keys.IDs(), DroppedEvents: v.Dropped()}
	var err error
	if st.Bytes, err = v.db.Bytes(ctx); err != nil {
		return Status{}, err
	}
	if st.Rows, err = v.db.Counts(ctx, counted); err != nil {
		return Status{}, err
	}
	states, err := database.CountBy(ctx, v.r, "SELECT state, COUNT(*) FROM accounts GROUP BY state")
	if err != nil {
		return Status{}, err
	}
	for k, n := range states {
		st.States[State(k)] = n
	}
	st.Secrets, err = database.CountBy(ctx, v.r, "SELECT key_id, COUNT(*) FROM secrets GROUP BY key_id")
	return st, err
}
