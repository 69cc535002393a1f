package vault

import (
	"context"
	"errors"
	"time"

	"github.com/attache-proxy/attache/providers/secret"
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
	TokenInfo           // its name is unique
	Role         Role   //
	Organisation string // All: every one
	CreatedBy    string
}

const adminTokenColumns = "id, name, role, organisation, hint, created_by, created_at, expires_at"

func scanAdminToken(s scanner) (x AdminToken, err error) {
	err = s.Scan(&x.ID, &x.Name, &x.Role, &x.Organisation, &x.Hint, &x.CreatedBy, timeCol{&x.CreatedAt}, timeCol{&x.ExpiresAt})
	return x, err
}

// CreateAdminToken makes a token for an organisation of this view (empty: the
// view's own), which is shown this once. A zero end means that it does not expire.
func (s *View) CreateAdminToken(ctx context.Context, name string, role Role, org string, end time.Time) (AdminToken, secret.Value, error) {
	if err := checkName("name", name); err != nil {
		return AdminToken{}, secret.Value{}, err
	}
	if roles[role] == 0 {
		return AdminToken{}, secret.Value{}, invalid("role", "must be admin, operator or viewer")
	}
	if org == "" {
		org = s.org
	}
	org, err := s.placeShared(org)
	if err != nil {
		return AdminToken{}, secret.Value{}, err
	}
	now := s.v.moment()
	token, hash, hint := newToken(adminTokenPrefix)
	x := AdminToken{TokenInfo{newID("adm", now), name, hint, now, whole(end)}, role, org, s.actor.Kind + ":" + s.actor.Name}
	err = s.v.write(ctx, func(t *tx) error {
		_, err := t.exec(ctx, "INSERT INTO admin_tokens (id, name, role, organisation, hash, hint, created_by, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
			x.ID, name, string(role), org, hash, hint, x.CreatedBy, micros(now), micros(end))
		if err != nil {
			return err
		}
		return s.note(ctx, t, "admin_token.created", org, name+" ("+string(role)+")")
	})
	if err != nil {
		return AdminToken{}, secret.Value{}, err
	}
	return x, token, nil
}

// AdminByToken returns the live admin token that this is, or ErrNotFound. It is
// read from the database each time, so that a deleted token opens nothing more.
func (v *Vault) AdminByToken(ctx context.Context, token secret.Value) (AdminToken, error) {
	x, err := one(ctx, v, v.r.keep(), scanAdminToken, "SELECT "+adminTokenColumns+" FROM admin_tokens WHERE hash = ?", hashToken(token.Reveal()))
	if err == nil && over(x.ExpiresAt, v.now()) {
		err = ErrNotFound
	}
	if err != nil {
		return AdminToken{}, err
	}
	return x, nil
}

// AdminTokens lists the admin tokens of this view.
func (s *View) AdminTokens(ctx context.Context, p Page) (List[AdminToken], error) {
	return adminTokenList.read(ctx, s.v, s.where("organisation"), p)
}

var adminTokenList = listing[AdminToken]{
	columns: adminTokenColumns, from: "admin_tokens", key: "id", kind: "adm", scan: scanAdminToken, id: func(x AdminToken) string { return x.ID },
}

// DeleteAdminToken ends an admin token at once.
func (s *View) DeleteAdminToken(ctx context.Context, id string) error {
	return s.v.write(ctx, func(t *tx) error {
		x, err := one(ctx, s.v, t, scanAdminToken, t.locked("SELECT "+adminTokenColumns+" FROM admin_tokens WHERE id = ?"), id)
		if err != nil {
			return err
		}
		if !s.sees(x.Organisation) {
			return ErrNotFound
		}
		if _, err := t.exec(ctx, "DELETE FROM admin_tokens WHERE id = ?", id); err != nil {
			return err
		}
		return s.note(ctx, t, "admin_token.deleted", x.Organisation, x.Name)
	})
}

// AdminTokenLives reports whether a token of that id still opens the API.
func (v *Vault) AdminTokenLives(ctx context.Context, id string) (bool, error) {
	x, err := one(ctx, v, v.r, scanAdminToken, "SELECT "+adminTokenColumns+" FROM admin_tokens WHERE id = ?", id)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil && !over(x.ExpiresAt, v.now()), err
}
