package vault

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/attache-proxy/attache/resolver/vault/access"
	"github.com/attache-proxy/attache/resolver/vault/audit"
	"github.com/attache-proxy/attache/resolver/vault/database"
	"github.com/attache-proxy/attache/resolver/vault/seal"
	"github.com/attache-proxy/attache/resolver/vault/transfer"
	"github.com/attache-proxy/attache/resolver/vault/webhook"
)

// exports are the tables that last, in an order in which rows that others refer to
// come first. Sessions, deliveries, idempotency keys and changes do not.
var exports = []transfer.Table{
	{Name: "settings", Columns: transfer.Words("name value version updated_at"), Order: "name", Where: "name NOT LIKE 'vault.%'"},
	{Name: "connectors", Columns: transfer.Words(connectorColumns), Order: "id"},
	{Name: "apps", Columns: transfer.Words(appColumns), Order: "id"},
	{Name: "accounts", Columns: transfer.Words(strings.ReplaceAll(accountColumns, "a.", "")), Order: "id"},
	{Name: "agents", Columns: transfer.Words(strings.ReplaceAll(agentColumns, "g.", "")), Order: "id"},
	{Name: "agent_tokens", Columns: transfer.Words("id agent_id name hash hint created_at expires_at"), Order: "id"},
	{Name: "grants", Columns: transfer.Words(strings.ReplaceAll(grantColumns, "r.", "")), Order: "id"},
	{Name: "webhooks", Columns: transfer.Words(webhook.Columns), Order: "id"},
	{Name: "admin_tokens", Columns: transfer.Words(access.Columns + " hash"), Order: "id"},
	{Name: "usage", Columns: transfer.Words("account_id day calls errors auth_errors bytes_in bytes_out last_used last_success last_error_at last_error"), Order: "account_id, day"},
	{Name: "traffic", Columns: transfer.Words("kind name slot organisation calls errors"), Order: "kind, name, slot, organisation"},
	{Name: "spent", Columns: transfer.Words("counter slot used until forget"), Order: "counter, slot"},
	{Name: "secrets", Columns: transfer.Words(seal.Columns + " updated_at"), Order: "owner_id, field", Where: "owner_id <> 'vault' AND owner_id NOT LIKE 'ses~_%' ESCAPE '~'"},
	{Name: "audit", Columns: transfer.Words(audit.Columns), Order: "id"},
}

// Export writes everything that lasts to w, as of one moment, the audit only if
// asked for. report may be nil.
func (v *Vault) Export(ctx context.Context, w io.Writer, audit bool, report func(Progress)) error {
	tables := exports
	if !audit {
		tables = tables[:len(tables)-1]
	}
	err := v.db.Snapshot(ctx, func(t *database.Tx) error {
		id, err := database.One(ctx, t, database.Text, "SELECT value FROM settings WHERE name = ?", seal.IDSetting)
		if err != nil {
			return err
		}
		h := transfer.Header{Vault: transfer.Version, Schema: database.SchemaVersion, ID: id, Keys: v.seals.Keys.IDs(), At: v.now().UTC()}
		return transfer.Write(ctx, t, w, h, tables, report)
	})
	if err != nil {
		return fmt.Errorf("exporting the vault: %w", err)
	}
	return nil
}
