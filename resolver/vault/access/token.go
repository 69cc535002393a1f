package access

import (
	"context"
	"errors"
	"time"

	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault/database"
	"github.com/attache-proxy/attache/resolver/vault/seal"
)

// Role is what an admin token may do.
type Role string

const (
	// RoleViewer reads.
	RoleViewer Role = "viewer"
	// RoleOperator also edits accounts, agents, grants, connectors and apps.
	RoleOperator Role = "operator"
	// RoleAdmin also edits admin tokens, webhooks and settings.
	RoleAdmin Role = "admin"
)

// roles in the order of what they may do.
var roles = map[Role]int{RoleViewer: 1, RoleOperator: 2, RoleAdmin: 3}

// Includes reports whether r may do what other may.
func (r Role) Includes(other Role) bool { return roles[r] >= roles[other] && roles[r] > 0 }

// AdminToken opens the REST API.
type AdminToken struct {
	seal.TokenInfo        // its name is unique
	Role           Role   //
	Organisation   string // All: every one
	CreatedBy      string
}

// Columns are those of the table admin_tokens, without the hash.
const Columns = "id, name, role, organisation, hint, created_by, created_at, expires_at"

func scanAdminToken(s database.Scanner) (x AdminToken, err error) {
	err = s.Scan(&x.ID, &x.Name, &x.Role, &x.Organisation, &x.Hint, &x.CreatedBy, database.Time(&x.CreatedAt), database.Time(&x.ExpiresAt))
	return x, err
}

// CreateAdminToken makes a token for an organisation of this view (empty: the
// view's own), which is shown this once. A zero end means that it does not expire.
func (s Tokens) CreateAdminToken(ctx context.Context, name string, role Role, org string, end time.Time) (AdminToken, secret.Value, error) {
	if err := database.CheckName("name", name); err != nil {
		return AdminToken{}, secret.Value{}, err
	}
	if roles[role] == 0 {
		return AdminToken{}, secret.Value{}, database.Invalid("role", "must be admin, operator or viewer")
	}
	if org == "" {
		org = s.view.Org
	}
	org, err := s.view.PlaceShared(org)
	if err != nil {
		return AdminToken{}, secret.Value{}, err
	}
	now := s.db.Now()
	token, hash, hint := seal.NewToken(seal.AdminToken)
	x := AdminToken{seal.TokenInfo{ID: database.NewID("adm", now), Name: name, Hint: hint, CreatedAt: now, ExpiresAt: database.Whole(end)}, role, org, s.view.Actor.String()}
	err = s.db.Write(ctx, func(t *database.Tx) error {
		_, err := t.Exec(ctx, "INSERT INTO admin_tokens (id, name, role, organisation, hash, hint, created_by, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
			x.ID, name, string(role), org, hash, hint, x.CreatedBy, database.Micros(now), database.Micros(end))
		if err != nil {
			return err
		}
		return s.view.Note(ctx, t, "admin_token.created", org, name+" ("+string(role)+")")
	})
	if err != nil {
		return AdminToken{}, secret.Value{}, err
	}
	return x, token, nil
}

// AdminByToken returns the live admin token that this is, or ErrNotFound. It is
// read from the database each time, so that a deleted token opens nothing more.
func (s Gate) AdminByToken(ctx context.Context, token secret.Value) (AdminToken, error) {
	x, err := database.One(ctx, s.db.Reader.Keep(), scanAdminToken, "SELECT "+Columns+" FROM admin_tokens WHERE hash = ?", seal.Hash(token.Reveal()))
	if err == nil && seal.Over(x.ExpiresAt, s.db.Now()) {
		err = database.ErrNotFound
	}
	if err != nil {
		return AdminToken{}, err
	}
	return x, nil
}

// AdminTokens lists the admin tokens of this view.
func (s Tokens) AdminTokens(ctx context.Context, p database.Page) (database.List[AdminToken], error) {
	return adminTokenList.Read(ctx, s.db.Reader, s.view.Where("organisation"), p)
}

var adminTokenList = database.Listing[AdminToken]{
	Columns: Columns, From: "admin_tokens", Key: "id", Kind: "adm", Scan: scanAdminToken, ID: func(x AdminToken) string { return x.ID },
}

// DeleteAdminToken ends an admin token at once.
func (s Tokens) DeleteAdminToken(ctx context.Context, id string) error {
	return s.db.Write(ctx, func(t *database.Tx) error {
		x, err := database.One(ctx, t, scanAdminToken, t.Locked("SELECT "+Columns+" FROM admin_tokens WHERE id = ?"), id)
		if err != nil {
			return err
		}
		if !s.view.Sees(x.Organisation) {
			return database.ErrNotFound
		}
		if _, err := t.Exec(ctx, "DELETE FROM admin_tokens WHERE id = ?", id); err != nil {
			return err
		}
		return s.view.Note(ctx, t, "admin_token.deleted", x.Organisation, x.Name)
	})
}

// AdminTokenLives reports whether a token of that id still opens the API.
func (s Gate) AdminTokenLives(ctx context.Context, id string) (bool, error) {
	x, err := database.One(ctx, s.db.Reader, scanAdminToken, "SELECT "+Columns+" FROM admin_tokens WHERE id = ?", id)
	if errors.Is(err, database.ErrNotFound) {
		return false, nil
	}
	return err == nil && !seal.Over(x.ExpiresAt, s.db.Now()), err
}
