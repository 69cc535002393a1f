package vault

import (
	"encoding/json"
	"time"

	"github.com/attache-proxy/attache/providers/printable"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault/database"
	"github.com/attache-proxy/attache/resolver/vault/narrowing"
	"github.com/attache-proxy/attache/resolver/vault/seal"
)

// Account is somebody's connection to a connector. It holds no secrets; Unseal
// returns those.
type Account struct {
	ID           string // acc_…
	Organisation string
	Connector    string // key
	Option       string // which of the connector's ways to authenticate
	// Name is unique among the owner's accounts of one connector.
	Name string
	// Identifier and IdentifierType name the owner: a user, the organisation
	// itself, or what the operator wants.
	Identifier     string
	IdentifierType string // "user", "org", "custom"
	// AppID is the OAuth client it was connected through; empty where there is none.
	AppID string

	State      State
	ResumeTo   State // where a suspended account goes on; empty for others
	Reason     Reason
	StateSince time.Time
	// ConnectedAt is when the credentials first worked; zero while pending and
	// after revoking.
	ConnectedAt time.Time

	Scopes   []string // granted by the service
	Provider ProviderAccount
	// Fields are the connector's fields that are not secret (a subdomain).
	Fields map[string]string
	// Captured are values from token answers and identity requests.
	Captured map[string]string
	// Metadata is the operator's own; any JSON object.
	Metadata map[string]any
	Settings Settings
	// TestMode marks accounts whose calls go to the service's sandbox.
	TestMode bool

	// ExpiresAt is when the access token ends, by the database's clock; zero means
	// not known or never.
	ExpiresAt time.Time
	// Generation counts the credentials this account has had.
	Generation uint64

	CreatedAt, UpdatedAt time.Time
	// Version counts edits and state changes; a refresh that changes no state
	// does not count, so that it disturbs nobody's edit.
	Version int64

	// LastUsed is zero unless the account was read with its usage (lists, Account).
	LastUsed time.Time
	// LastErrorAt and LastError are of the last call that failed, also from the usage.
	LastErrorAt time.Time
	LastError   string

	leaseOwner       string
	leaseUntil       int64
	fence            int64
	intentFence      int64
	intentAt         time.Time
	intentGeneration uint64
}

// ProviderAccount is who the account is at the service.
type ProviderAccount struct{ ID, Label, Email string }

// clean takes out what a service could steer a terminal with, or turn a line
// round: control and format characters.
func (p *ProviderAccount) clean() ProviderAccount {
	return ProviderAccount{printable.Line(p.ID), printable.Line(p.Label), printable.Line(p.Email)}
}

// Settings are what an operator may tune per account. Zero values mean the
// defaults of the proxy.
type Settings struct {
	// AutoRefresh false stops refreshing; nil means true.
	AutoRefresh *bool `json:"auto_refresh,omitempty"`
	// RateLimit is calls per minute; 0 means no limit.
	RateLimit int `json:"rate_limit,omitempty"`
	// TimeoutMillis is how long a call may wait for its answer to begin.
	TimeoutMillis int64 `json:"timeout_ms,omitempty"`
	// RetryAttempts is how often a call that can be sent again is.
	RetryAttempts int `json:"retry_attempts,omitempty"`
	// TokenLife is how many seconds a token is taken to live where the service does
	// not say; 0: as the connector has it.
	TokenLife int64 `json:"token_life,omitempty"`
	// Scopes are asked for at the sign-in instead of the connector's; nil: those.
	Scopes  []string `json:"scopes,omitempty"`
	Budgets []string `json:"budgets,omitempty"` // and prices, as package budget has them
	// Play is what an account in test mode makes believe: PlayRateLimit, PlayOutage, or
	// nothing.
	Play string `json:"play,omitempty"`
}

// What accounts in test mode can make believe besides their state.
const (
	PlayRateLimit = "rate_limit" // the account's limit is reached
	PlayOutage    = "outage"     // the service cannot be reached
)

// Refreshes reports whether tokens are refreshed by themselves.
func (s Settings) Refreshes() bool { return s.AutoRefresh == nil || *s.AutoRefresh }

// Timeout is TimeoutMillis as a duration; 0 means the default.
func (s Settings) Timeout() time.Duration { return time.Duration(s.TimeoutMillis) * time.Millisecond }

// Names of sealed values that are not the connector's fields.
const (
	FieldToken        = "@token"
	FieldRefreshToken = "@refresh_token"
)

// Credentials are what an account is given to work with.
type Credentials struct {
	// Option is the way to authenticate that they are for; empty: the account's.
	Option string
	// Checked is the digest of the connector's definition by which they were checked;
	// empty where the vault has none.
	Checked string
	// Fields that are not secret; they are stored and shown as they are.
	Fields map[string]string
	// Secrets are sealed, each under its field's name.
	Secrets secret.Values
	// Token and RefreshToken come from a token endpoint; zero where there is none.
	Token, RefreshToken secret.Value
	// RefreshTokenGone deletes the old refresh token where no new one came.
	RefreshTokenGone bool
	// ExpiresAt is by this process's clock. The database's is what is stored.
	ExpiresAt time.Time
	Scopes    []string
	Captured  map[string]string
}

// Unsealed is an account with its secrets open.
type Unsealed struct {
	Account Account
	// Credential has Fields (secret and not), Token, Expiry, Scopes, Generation.
	// Its Expiry is by this process's clock; that of the account by the database's.
	Credential   secret.Credential
	RefreshToken secret.Value

	read    database.Moment
	version int64 // of the row's secrets
}

const accountColumns = `a.id, a.organisation, a.connector, a.auth_option, a.name, a.identifier, a.identifier_type, a.app_id,
	a.state, a.resume_to, a.state_code, a.state_detail, a.state_since, a.connected_at, a.scopes,
	a.provider_id, a.provider_label, a.provider_email, a.fields, a.captured, a.metadata, a.settings, a.test_mode,
	a.expires_at, a.generation, a.lease_owner, a.lease_until, a.fence, a.intent_fence, a.intent_at, a.intent_generation,
	a.created_at, a.updated_at, a.version`

// into lists where the columns of accountColumns go.
func (a *Account) into() []any {
	return []any{&a.ID, &a.Organisation, &a.Connector, &a.Option, &a.Name, &a.Identifier, &a.IdentifierType, &a.AppID,
		&a.State, &a.ResumeTo, &a.Reason.Code, &a.Reason.Detail, database.Time(&a.StateSince), database.Time(&a.ConnectedAt), database.JSON(&a.Scopes),
		&a.Provider.ID, &a.Provider.Label, &a.Provider.Email, database.JSON(&a.Fields), database.JSON(&a.Captured), database.JSON(&a.Metadata), database.JSON(&a.Settings), database.Bool(&a.TestMode),
		database.Time(&a.ExpiresAt), &a.Generation, &a.leaseOwner, &a.leaseUntil, &a.fence, &a.intentFence, database.Time(&a.intentAt), &a.intentGeneration,
		database.Time(&a.CreatedAt), database.Time(&a.UpdatedAt), &a.Version}
}

func scanAccount(s database.Scanner) (Account, error) {
	var a Account
	err := s.Scan(a.into()...)
	a.Provider = a.Provider.clean() // rows of older versions
	return a, err
}

// usedColumns read the newest day of usage, and the newest with an error; two
// or three index look-ups per row.
const usedColumns = `COALESCE((SELECT u.last_used FROM usage u WHERE u.account_id = a.id ORDER BY u.day DESC LIMIT 1), 0),
	COALESCE((SELECT u.last_error_at FROM usage u WHERE u.account_id = a.id AND u.last_error_at > 0 ORDER BY u.day DESC LIMIT 1), 0),
	COALESCE((SELECT u.last_error FROM usage u WHERE u.account_id = a.id AND u.last_error_at > 0 ORDER BY u.day DESC LIMIT 1), '')`

func scanAccountUsed(s database.Scanner) (Account, error) {
	var a Account
	err := s.Scan(append(a.into(), database.Time(&a.LastUsed), database.Time(&a.LastErrorAt), &a.LastError)...)
	a.Provider = a.Provider.clean()
	return a, err
}

// values are the arguments of an INSERT in the order of accountColumns.
func (a *Account) values() []any {
	return []any{a.ID, a.Organisation, a.Connector, a.Option, a.Name, a.Identifier, a.IdentifierType, a.AppID,
		string(a.State), string(a.ResumeTo), a.Reason.Code, a.Reason.Detail, database.Micros(a.StateSince), database.Micros(a.ConnectedAt), database.JSONText(a.Scopes),
		a.Provider.ID, a.Provider.Label, a.Provider.Email, database.JSONText(a.Fields), database.JSONText(a.Captured), database.JSONText(a.Metadata), database.JSONText(a.Settings), database.Bit(a.TestMode),
		database.Micros(a.ExpiresAt), int64(a.Generation), a.leaseOwner, a.leaseUntil, a.fence, a.intentFence, database.Micros(a.intentAt), int64(a.intentGeneration),
		database.Micros(a.CreatedAt), database.Micros(a.UpdatedAt), a.Version}
}

// Bounds on what people may store; a row should stay small.
const (
	maxRateLimit = 1_000_000
	maxTimeout   = time.Hour
	maxRetries   = 10
	maxTokenLife = 10 * 365 * 24 * 3600 // seconds
)

// check refuses an account that a person described wrongly.
func (a *Account) check() error {
	for _, f := range []struct{ field, value string }{
		{"connector", a.Connector}, {"option", a.Option}, {"name", a.Name}, {"identifier", a.Identifier},
	} {
		if err := database.CheckName(f.field, f.value); err != nil {
			return err
		}
	}
	switch a.IdentifierType {
	case "user", "org", "custom":
	default:
		return database.Invalid("identifier_type", "must be user, org or custom")
	}
	if err := checkMetadata(a.Metadata); err != nil {
		return err
	}
	return a.Settings.check()
}

func (s Settings) check() error {
	switch {
	case s.RateLimit < 0 || s.RateLimit > maxRateLimit:
		return database.Invalid("settings.rate_limit", "must be from 0 (no limit) to %d calls per minute", maxRateLimit)
	case s.TimeoutMillis < 0 || s.TimeoutMillis > maxTimeout.Milliseconds():
		return database.Invalid("settings.timeout", "must be from 0 (the default) to %.0f seconds", maxTimeout.Seconds())
	case s.RetryAttempts < 0 || s.RetryAttempts > maxRetries:
		return database.Invalid("settings.retry_attempts", "must be from 0 to %d", maxRetries)
	case s.TokenLife < 0 || s.TokenLife > maxTokenLife:
		return database.Invalid("settings.expires_in", "must be from 0 (as the connector has it) to %d seconds", int64(maxTokenLife))
	}
	return narrowing.CheckBudgets("budgets", s.Budgets)
}

func checkMetadata(m map[string]any) error {
	b, err := json.Marshal(m)
	if err != nil {
		return database.Invalid("metadata", "is not JSON")
	}
	if len(b) > database.MaxJSON {
		return database.Invalid("metadata", "is %d bytes of JSON, %d are allowed", len(b), database.MaxJSON)
	}
	return nil
}

// check refuses credentials that name fields which no connector can have.
func (c *Credentials) check() error {
	for name := range c.Fields {
		if !seal.FieldName.MatchString(name) {
			return database.Invalid("credentials."+name, "is not a name of a field")
		}
		if _, both := c.Secrets[name]; both {
			return database.Invalid("credentials."+name, "stands among the secret and the other fields")
		}
	}
	for name := range c.Secrets {
		if !seal.FieldName.MatchString(name) {
			return database.Invalid("credentials."+name, "is not a name of a field")
		}
	}
	return nil
}
