package vault

import (
	"context"
	"errors"
	"time"

	"github.com/attache-proxy/attache/providers/secret"
)

// SignIn is a person's session with the REST API: somebody whom an OpenID
// provider vouched for. It always ends.
type SignIn struct {
	ID   string // sgn_…
	Name string // of the person, for the audit
	// Subject is the provider's issuer, a space, and its sub.
	Subject              string
	Role                 Role
	Organisation         string // All: every one
	CreatedAt, ExpiresAt time.Time
}

const signInColumns = "id, name, subject, role, organisation, created_at, expires_at"

func scanSignIn(s scanner) (x SignIn, err error) {
	err = s.Scan(&x.ID, &x.Name, &x.Subject, &x.Role, &x.Organisation, timeCol{&x.CreatedAt}, timeCol{&x.ExpiresAt})
	return x, err
}

// CreateSignIn begins a session and returns the token that opens it, for the
// browser's cookie. ID and CreatedAt are set here.
func (v *Vault) CreateSignIn(ctx context.Context, x SignIn) (SignIn, secret.Value, error) {
	if err := checkName("name", x.Name); err != nil {
		return SignIn{}, secret.Value{}, err
	}
	if roles[x.Role] == 0 {
		return SignIn{}, secret.Value{}, invalid("role", "must be admin, operator or viewer")
	}
	if x.Organisation != All {
		if err := checkName("organisation", x.Organisation); err != nil {
			return SignIn{}, secret.Value{}, err
		}
	}
	if x.ExpiresAt.IsZero() || x.Subject == "" {
		return SignIn{}, secret.Value{}, errors.New("a session needs a subject and an end")
	}
	x.CreatedAt, x.ExpiresAt = v.moment(), whole(x.ExpiresAt)
	x.ID = newID("sgn", x.CreatedAt)
	token, hash, _ := newToken(signInTokenPrefix)
	view := v.As(Actor{Kind: "person", Name: x.Name}, x.Organisation)
	err := v.write(ctx, func(t *tx) error {
		_, err := t.exec(ctx, "INSERT INTO signins (id, name, subject, role, organisation, hash, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
			x.ID, x.Name, x.Subject, string(x.Role), x.Organisation, hash, micros(x.CreatedAt), micros(x.ExpiresAt))
		if err != nil {
			return err
		}
		return view.note(ctx, t, "signin.created", x.Organisation, x.Subject+" ("+string(x.Role)+")")
	})
	if err != nil {
		return SignIn{}, secret.Value{}, err
	}
	return x, token, nil
}

// SignInByToken returns the session that a token opens, or ErrNotFound. Like
// AdminByToken it asks the database each time, so that signing out holds at once.
func (v *Vault) SignInByToken(ctx context.Context, token secret.Value) (SignIn, error) {
	if !looksLike(signInTokenPrefix, token.Reveal()) {
		return SignIn{}, ErrNotFound
	}
	x, err := one(ctx, v, v.r.keep(), scanSignIn, "SELECT "+signInColumns+" FROM signins WHERE hash = ?", hashToken(token.Reveal()))
	if err == nil && over(x.ExpiresAt, v.now()) {
		err = ErrNotFound
	}
	if err != nil {
		return SignIn{}, err
	}
	return x, nil
}

// SignInLives reports whether the session of that id still opens the API.
func (v *Vault) SignInLives(ctx context.Context, id string) (bool, error) {
	x, err := one(ctx, v, v.r, scanSignIn, "SELECT "+signInColumns+" FROM signins WHERE id = ?", id)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil && !over(x.ExpiresAt, v.now()), err
}

// SignOut ends a session at once, on every replica.
func (s *View) SignOut(ctx context.Context, id string) error {
	return s.v.write(ctx, func(t *tx) error {
		n, err := t.exec(ctx, "DELETE FROM signins WHERE id = ?", id)
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrNotFound
		}
		return s.note(ctx, t, "signin.ended", s.org, "")
	})
}
