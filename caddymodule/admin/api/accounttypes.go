package api

import (
	"math"
	"strings"
	"time"

	"github.com/attache-proxy/attache/caddymodule/admin/rest"
	"github.com/attache-proxy/attache/resolver/vault"
)

// Account is an account as the API shows it. It has no secrets.
type Account struct {
	ID             string            `json:"id" example:"acc_0sgcas6yb073d30fdcwgd2k734"`
	Organisation   string            `json:"organisation"`
	Connector      string            `json:"connector" example:"zendesk"`
	Option         string            `json:"option,omitempty" doc:"Which of the connector's ways to authenticate."`
	Name           string            `json:"name" doc:"Unique per connector and owner."`
	Identifier     string            `json:"identifier,omitempty" doc:"Whose account it is, in the operator's words."`
	IdentifierType string            `json:"identifier_type,omitempty" enum:"user,org,custom"`
	AppID          string            `json:"app_id,omitempty" doc:"The OAuth client it was connected through."`
	State          string            `json:"state" enum:"pending,active,expired,revoked,error,suspended"`
	Status         string            `json:"status" enum:"pending,active,expired,revoked,error,suspended" doc:"The same as state."`
	StateReason    *Reason           `json:"state_reason,omitempty"`
	StateSince     *time.Time        `json:"state_since,omitempty"`
	ConnectedAt    *time.Time        `json:"connected_at,omitempty"`
	Scopes         []string          `json:"scopes" nullable:"false" doc:"Granted by the service."`
	AsksFor        []string          `json:"requested_scopes,omitempty" doc:"Asked for at the sign-in instead of the connector's."`
	Provider       *ProviderAccount  `json:"provider,omitempty" doc:"Who the account is at the service."`
	Fields         map[string]string `json:"fields,omitempty" doc:"The connector's fields that are not secret."`
	Metadata       map[string]any    `json:"metadata" doc:"The operator's own."`
	Settings       Settings          `json:"settings"`
	Budgets        []string          `json:"budgets,omitempty"`
	TestMode       bool              `json:"test_mode"`
	ExpiresAt      *time.Time        `json:"expires_at" nullable:"true" doc:"When the access token ends; null where it does not or nobody knows."`
	LastUsedAt     *time.Time        `json:"last_used_at" nullable:"true" doc:"null: never."`
	LastError      *LastError        `json:"last_error" doc:"The last call that failed, or why the account is in this state; null: none is known."`
	Secrets        []SecretInfo      `json:"secrets,omitempty" doc:"Which secrets are stored. Their values are never shown."`
	CreatedAt      *time.Time        `json:"created_at,omitempty"`
	UpdatedAt      *time.Time        `json:"updated_at,omitempty"`
	Version        int64             `json:"version,omitempty" doc:"Also the ETag. It counts edits and changes of state, not refreshes."`
	ReadOnly       bool              `json:"read_only,omitempty" doc:"Declared in the configuration file."`
}

type Reason struct {
	Code   string `json:"code" example:"invalid_grant"`
	Detail string `json:"detail,omitempty"`
}

// LastError is the newer of two failures: of a call, and of the account itself.
type LastError struct {
	At    time.Time `json:"at"`
	Error string    `json:"error" example:"invalid_grant: the service does not take the refresh token any more"`
}

func lastErrorOf(a vault.Account) *LastError {
	e := LastError{a.LastErrorAt, a.LastError}
	if (a.State == vault.Error || a.State == vault.Expired) && a.StateSince.After(e.At) {
		e = LastError{a.StateSince, strings.TrimSuffix(a.Reason.Code+": "+a.Reason.Detail, ": ")}
	}
	if e.At.IsZero() {
		return nil
	}
	return &e
}

type ProviderAccount struct {
	ID    string `json:"id,omitempty"`
	Label string `json:"label,omitempty"`
	Email string `json:"email,omitempty"`
}

type Settings struct {
	AutoRefresh   bool    `json:"auto_refresh" default:"true" doc:"Whether tokens are refreshed by themselves."`
	RateLimit     int     `json:"rate_limit" minimum:"0" maximum:"1000000" doc:"Calls per minute; 0 means no limit."`
	Timeout       float64 `json:"timeout" minimum:"0" maximum:"3600" doc:"How many seconds a call may wait for its answer to begin; 0 means the default."`
	RetryAttempts int     `json:"retry_attempts" minimum:"0" maximum:"10" doc:"How often a call that can be sent again is, where the service did not answer."`
	ExpiresIn     int64   `json:"expires_in" minimum:"0" maximum:"315360000" doc:"How many seconds a token is taken to live where the service does not say; 0 means as the connector has it."`
}

// SettingsEdit tells a setting that was not sent from one that is zero.
type SettingsEdit struct {
	AutoRefresh   *bool    `json:"auto_refresh,omitempty" doc:"Whether tokens are refreshed by themselves; default true."`
	RateLimit     *int     `json:"rate_limit,omitempty" minimum:"0" maximum:"1000000" doc:"Calls per minute; 0 means no limit."`
	Timeout       *float64 `json:"timeout,omitempty" minimum:"0" maximum:"3600" doc:"How many seconds a call may wait for its answer to begin; 0 means the default."`
	RetryAttempts *int     `json:"retry_attempts,omitempty" minimum:"0" maximum:"10" doc:"How often a call that can be sent again is, where the service did not answer."`
	ExpiresIn     *int64   `json:"expires_in,omitempty" minimum:"0" maximum:"315360000" doc:"How many seconds a token is taken to live where the service does not say; 0 means as the connector has it. It holds from the next token."`
}

// over changes what was sent.
func (in *SettingsEdit) over(s vault.Settings) vault.Settings {
	if in == nil {
		return s
	}
	if in.AutoRefresh != nil {
		s.AutoRefresh = in.AutoRefresh
	}
	if in.RateLimit != nil {
		s.RateLimit = *in.RateLimit
	}
	if in.Timeout != nil {
		s.TimeoutMillis = int64(math.Round(*in.Timeout * 1000))
	}
	if in.RetryAttempts != nil {
		s.RetryAttempts = *in.RetryAttempts
	}
	if in.ExpiresIn != nil {
		s.TokenLife = *in.ExpiresIn
	}
	return s
}

type SecretInfo struct {
	Field       string    `json:"field"`
	Fingerprint string    `json:"fingerprint" doc:"Equal for equal secrets of one organisation; it tells nothing else."`
	Last4       string    `json:"last4,omitempty" doc:"The last four characters of a long secret."`
	UpdatedAt   time.Time `json:"updated_at"`
}

// AccountOf shows an account, without its secrets.
func AccountOf(a vault.Account) Account {
	b := Account{
		ID: a.ID, Organisation: a.Organisation, Connector: a.Connector, Option: a.Option, Name: a.Name,
		Identifier: a.Identifier, IdentifierType: a.IdentifierType, AppID: a.AppID,
		State: string(a.State), Status: string(a.State), StateReason: &Reason{a.Reason.Code, a.Reason.Detail}, StateSince: rest.OptionalTime(a.StateSince), ConnectedAt: rest.OptionalTime(a.ConnectedAt),
		Scopes: a.Scopes, Fields: a.Fields, Metadata: a.Metadata, TestMode: a.TestMode,
		Settings: Settings{a.Settings.Refreshes(), a.Settings.RateLimit, a.Settings.Timeout().Seconds(), a.Settings.RetryAttempts, a.Settings.TokenLife},
		AsksFor:  a.Settings.Scopes, Budgets: a.Settings.Budgets,
		ExpiresAt: rest.OptionalTime(a.ExpiresAt), LastUsedAt: rest.OptionalTime(a.LastUsed), LastError: lastErrorOf(a),
		CreatedAt: rest.OptionalTime(a.CreatedAt), UpdatedAt: rest.OptionalTime(a.UpdatedAt), Version: a.Version,
	}
	b.fill()
	if a.Provider != (vault.ProviderAccount{}) {
		b.Provider = &ProviderAccount{a.Provider.ID, a.Provider.Label, a.Provider.Email}
	}
	return b
}

func secretsOf(infos []vault.SecretInfo) []SecretInfo {
	var out []SecretInfo
	for _, i := range infos {
		name := map[string]string{vault.FieldToken: "access_token", vault.FieldRefreshToken: "refresh_token"}[i.Field]
		if name == "" {
			name = i.Field
		}
		out = append(out, SecretInfo{name, i.Fingerprint, i.Tail, i.UpdatedAt})
	}
	return out
}

// fill makes empty what would be null.
func (b *Account) fill() {
	if b.Scopes == nil {
		b.Scopes = []string{}
	}
	if b.Metadata == nil {
		b.Metadata = map[string]any{}
	}
}

// fileAccount shows an account of the configuration file.
func fileAccount(d DeclaredAccount) Account {
	b := Account{
		ID: fileAccountID(d), Organisation: vault.DefaultOrganisation, Connector: d.Connector, Option: d.Option, Name: d.Name,
		State: string(vault.Active), Status: string(vault.Active), Settings: Settings{AutoRefresh: true}, Budgets: d.Budgets, ReadOnly: true,
	}
	b.fill()
	return b
}

func fileAccountID(d DeclaredAccount) string { return vault.FileAgent + d.Connector + ":" + d.Name }

// NewAccount is what POST /accounts takes.
type NewAccount struct {
	Organisation   string            `json:"organisation,omitempty" maxLength:"128" doc:"Default: the token's own, or \"default\"."`
	Connector      string            `json:"connector" minLength:"1" maxLength:"63"`
	Option         string            `json:"option,omitempty" maxLength:"128" doc:"Default: the connector's first."`
	Name           string            `json:"name,omitempty" maxLength:"128" doc:"Unique per connector and owner. Default: \"default\"."`
	Identifier     string            `json:"identifier,omitempty" maxLength:"128" doc:"Whose account it is. Default: the organisation."`
	IdentifierType string            `json:"identifier_type,omitempty" enum:"user,org,custom" doc:"Default: user."`
	AppID          string            `json:"app_id,omitempty" maxLength:"128"`
	Scopes         []string          `json:"scopes,omitempty" maxItems:"100" doc:"To be asked for at the sign-in instead of the connector's."`
	Credentials    map[string]string `json:"credentials,omitempty" writeOnly:"true" doc:"The option's fields; GET /connectors/{key}/metadata says which. Without them the account waits."`
	Metadata       map[string]any    `json:"metadata,omitempty"`
	Settings       *SettingsEdit     `json:"settings,omitempty"`
	Budgets        []string          `json:"budgets,omitempty" maxItems:"50" doc:"How much all who use it may use together, and what it costs, line by line." example:"[\"budget 2000000 tokens per day\"]"`
	TestMode       bool              `json:"test_mode,omitempty" doc:"For trying things out: nothing is tested, fields that are missing get made-up values, and so does the token, where one is obtained."`
	Test           *bool             `json:"test,omitempty" doc:"Whether the credentials are tested first; default true. Without a test the account stays pending until POST /accounts/{id}/test or /activate."`
}

// PatchAccount is what PATCH takes: what is absent stays.
type PatchAccount struct {
	Name           *string        `json:"name,omitempty" minLength:"1" maxLength:"128"`
	Identifier     *string        `json:"identifier,omitempty" minLength:"1" maxLength:"128"`
	IdentifierType *string        `json:"identifier_type,omitempty" enum:"user,org,custom"`
	Metadata       map[string]any `json:"metadata,omitempty" doc:"Replaces all of it."`
	Settings       *SettingsEdit  `json:"settings,omitempty" doc:"What is absent stays."`
	Budgets        *[]string      `json:"budgets,omitempty" maxItems:"50" doc:"Replaces all of them."`
	Version        int64          `json:"version,omitempty" doc:"The version that is edited; or use If-Match."`
}

func (in *PatchAccount) settings(s vault.Settings) vault.Settings {
	if in.Budgets != nil {
		s.Budgets = *in.Budgets
	}
	return in.Settings.over(s)
}

// actionIn may say why; it is written to the audit.
type actionIn struct {
	rest.PathID
	rest.IfMatch
	Body *struct {
		Reason string `json:"reason,omitempty" maxLength:"500" doc:"For the audit."`
	}
}

func (in *actionIn) why(code string) vault.Reason {
	r := vault.Reason{Code: code}
	if in.Body != nil {
		r.Detail = in.Body.Reason
	}
	return r
}
