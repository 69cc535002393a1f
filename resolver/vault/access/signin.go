package access

import (
	"context"
	"errors"
	"time"

	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault/audit"
	"github.com/attache-proxy/attache/resolver/vault/database"
	"github.com/attache-proxy/attache/resolver/vault/seal"
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

func scanSignIn(s database.Scanner) (x SignIn, err error) {
	err = s.Scan(&x.ID, &x.Name, &x.Subject, &x.Role, &x.Organisation, database.Time(&x.CreatedAt), database.Time(&x.ExpiresAt))
	return x, err
}

// CreateSignIn begins a session and returns the token that opens it, for the
// browser's cookie. ID and CreatedAt are set here.
func (s Gate) CreateSignIn(ctx context.Context, x SignIn) (SignIn, secret.Value, error) {
	if err := database.CheckName("name", x.Name); err != nil {
		return SignIn{}, secret.Value{}, err
	}
	if roles[x.Role] == 0 {
		return SignIn{}, secret.Value{}, database.Invalid("role", "must be admin, operator or viewer")
	}
	if x.Organisation != audit.All {
		if err := database.CheckName("organisation", x.Organisation); err != nil {
			return SignIn{}, secret.Value{}, err
		}
	}
	if x.ExpiresAt.IsZero() || x.Subject == "" {
		return SignIn{}, secret.Value{}, errors.New("a session needs a subject and an end")
	}
	x.CreatedAt, x.ExpiresAt = s.db.Now(), database.Whole(x.ExpiresAt)
	x.ID = database.NewID("sgn", x.CreatedAt)
	token, hash, _ := seal.NewToken(seal.SignInToken)
	view := s.log.As(audit.Actor{Kind: "person", Name: x.Name}, x.Organisation)
	err := s.db.Write(ctx, func(t *database.Tx) error {
		_, err := t.Exec(ctx, "INSERT INTO signins (id, name, subject, role, organisation, hash, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
			x.ID, x.Name, x.Subject, string(x.Role), x.Organisation, hash, database.Micros(x.CreatedAt), database.Micros(x.ExpiresAt))
		if err != nil {
			return err
		}
		return view.Note(ctx, t, "signin.created", x.Organisation, x.Subject+" ("+string(x.Role)+")")
	})
	if err != nil {
		return SignIn{}, secret.Value{}, err
	}
	return x, token, nil
}

// SignInByToken returns the session that a token opens, or ErrNotFound. Like
// AdminByToken it asks the database each time, so that signing out holds at once.
func (s Gate) SignInByToken(ctx context.Context, token secret.Value) (SignIn, error) {
	if !seal.LooksLike(seal.SignInToken, token.Reveal()) {
		return SignIn{}, database.ErrNotFound
	}
	x, err := database.One(ctx, s.db.Reader.Keep(), scanSignIn, "SELECT "+signInColumns+" FROM signins WHERE hash = ?", seal.Hash(token.Reveal()))
	if err == nil && seal.Over(x.ExpiresAt, s.db.Now()) {
		err = database.ErrNotFound
	}
	if err != nil {
		return SignIn{}, err
	}
	return x, nil
}

// SignInLives reports whether the session of that id still opens the API.
func (s Gate) SignInLives(ctx context.Context, id string) (bool, error) {
	x, err := database.One(ctx, s.db.Reader, scanSignIn, "SELECT "+signInColumns+" FROM signins WHERE id = ?", id)
	if errors.Is(err, database.ErrNotFound) {
		return false, nil
	}
	return err == nil && !seal.Over(x.ExpiresAt, s.db.Now()), err
}

// SignOut ends a session at once, on every replica.
func (s Tokens) SignOut(ctx context.Context, id string) error {
	return s.db.Write(ctx, func(t *database.Tx) error {
		n, err := t.Exec(ctx, "DELETE FROM signins WHERE id = ?", id)
		if err != nil {
			return err
		}
		if n == 0 {
			return database.ErrNotFound
		}
		return s.view.Note(ctx, t, "signin.ended", s.view.Org, "")
	})
}
