package vault

import (
	"context"
	"strings"
	"time"

	"github.com/attache-proxy/attache/resolver/vault/audit"
	"github.com/attache-proxy/attache/resolver/vault/database"
	"github.com/attache-proxy/attache/resolver/vault/seal"
)

// NewAccount is what CreateAccount makes an account of. Empty strings get the
// defaults: the view's organisation, the name "default", the organisation as the
// identifier.
type NewAccount struct {
	Organisation   string
	Connector      string
	Option         string
	Name           string
	Identifier     string
	IdentifierType string
	AppID          string
	Metadata       map[string]any
	Settings       Settings
	TestMode       bool
	// Credentials may be nil: the account then waits for them.
	Credentials *Credentials
	// Connected says that the credentials were tested and work, and may name
	// whose account it is. The account is then active at once.
	Connected *Connection
}

// CreateAccount makes an account, pending unless n.Connected is set. It returns ErrExists when the owner has
// one of that name for the connector, and *InvalidError.
func (s *View) CreateAccount(ctx context.Context, n NewAccount) (Account, error) {
	a, err := s.newAccount(n)
	if err != nil {
		return Account{}, err
	}
	made := a
	err = s.v.write(ctx, func(t *tx) error {
		a = made
		if err := s.insertAccount(ctx, t, &a, n.Credentials); err != nil || n.Connected == nil {
			return err
		}
		if n.Connected.Provider != nil {
			a.Provider = n.Connected.Provider.clean()
		}
		a.addCaptured(n.Connected.Captured)
		if err := s.move(ctx, t, &a, Active, Reason{Code: ReasonConnected}); err != nil {
			return err
		}
		return t.storeAccount(ctx, &a)
	})
	if err != nil {
		return Account{}, err
	}
	return a, nil
}

// newAccount fills and checks an account; it is not stored yet.
func (s *View) newAccount(n NewAccount) (Account, error) {
	org, err := s.Place(n.Organisation)
	if err != nil {
		return Account{}, err
	}
	now := s.v.db.Now()
	a := Account{
		ID: database.NewID("acc", now), Organisation: org, Connector: n.Connector, Option: n.Option, Name: n.Name,
		Identifier: n.Identifier, IdentifierType: n.IdentifierType, AppID: n.AppID,
		State: Pending, Reason: Reason{Code: ReasonCreated}, StateSince: now,
		Metadata: n.Metadata, Settings: n.Settings, TestMode: n.TestMode,
		CreatedAt: now, UpdatedAt: now, Version: 1,
	}
	if a.Name == "" {
		a.Name = "default"
	}
	if a.Identifier == "" {
		a.Identifier, a.IdentifierType = org, "org"
	}
	if a.IdentifierType == "" {
		a.IdentifierType = "user"
	}
	if err := a.check(); err != nil {
		return Account{}, err
	}
	if n.Credentials != nil {
		if err := n.Credentials.check(); err != nil {
			return Account{}, err
		}
		a.take(n.Credentials)
	}
	return a, nil
}

var insertAccount = "INSERT INTO accounts (" + strings.ReplaceAll(accountColumns, "a.", "") + ") VALUES (" +
	strings.TrimSuffix(strings.Repeat("?, ", strings.Count(accountColumns, ",")+1), ", ") + ")"

func (s *View) insertAccount(ctx context.Context, t *tx, a *Account, c *Credentials) (err error) {
	checked := ""
	if c != nil {
		checked = c.Checked
	}
	if err := t.sameConnector(ctx, a.Connector, checked); err != nil {
		return err
	}
	if err := t.mayGoBy(ctx, a); err != nil {
		return err
	}
	if c != nil {
		if a.ExpiresAt, err = t.Expiry(ctx, c.ExpiresAt); err != nil {
			return err
		}
	}
	if odd := a.impossible(); odd != "" {
		return errImpossible(a.ID, odd)
	}
	if _, err := t.Exec(ctx, insertAccount, a.values()...); err != nil {
		return err
	}
	if c != nil {
		if err := t.v.seals.Put(ctx, t.Tx, a.owner(), c.sealed()); err != nil {
			return err
		}
	}
	return s.tell(ctx, t, a, "account.created", Reason{})
}

// tell writes that an account was changed: to the audit, to webhooks and to the
// subscribers, all of it when the transaction commits.
func (s *View) tell(ctx context.Context, t *tx, a *Account, event string, why Reason) error {
	t.Changed(Change{Kind: KindAccount, ID: a.ID, Connector: a.Connector, Organisation: a.Organisation})
	kind := AuditAdmin
	if event == "account."+string(a.State) {
		kind = AuditState
	}
	detail := why.Code
	if why.Detail != "" {
		detail += ": " + why.Detail
	}
	e := s.Event(kind, event, a.Organisation)
	e.AccountID, e.Connector, e.Detail = a.ID, a.Connector, detail
	if err := audit.Write(ctx, t.Tx, e); err != nil {
		return err
	}
	return t.enqueue(ctx, event, a, why)
}

// Account returns one account, or ErrNotFound.
func (s *View) Account(ctx context.Context, id string) (Account, error) {
	a, err := database.One(ctx, s.v.r, scanAccountUsed, "SELECT "+accountColumns+", "+usedColumns+" FROM accounts a WHERE a.id = ?", id)
	return s.ownAccount(a, err)
}

func (s *View) ownAccount(a Account, err error) (Account, error) {
	if err == nil && !s.Sees(a.Organisation) {
		err = ErrNotFound
	}
	if err != nil {
		return Account{}, err
	}
	return a, nil
}

// AccountFilter narrows a list; empty fields match all.
type AccountFilter struct {
	Connector, Identifier, IdentifierType, Name, Organisation string
	// Words is part of a name, an identifier, a connector's key, or a label or e-mail
	// address at the service.
	Words    string
	States   []State
	TestMode *bool
	// ExpiresBefore matches accounts whose token ends before that time.
	ExpiresBefore time.Time
}

// Accounts lists accounts.
func (s *View) Accounts(ctx context.Context, f AccountFilter, p Page) (List[Account], error) {
	states := sorted(f.States)
	switch {
	case f.Words != "":
		return accountList.Search(ctx, s.v.r, s.accountsWhere(f, states...), p)
	case len(states) < 2 || p.ByName():
		return accountList.Read(ctx, s.v.r, s.accountsWhere(f, states...), p)
	}
	// One list per state, each along an index, joined here: for several at once
	// databases choose to read every account of the connector.
	var lists []List[Account]
	for _, state := range states {
		l, err := accountList.Read(ctx, s.v.r, s.accountsWhere(f, state), p)
		if err != nil {
			return List[Account]{}, err
		}
		lists = append(lists, l)
	}
	return accountList.Join(lists, p), nil
}

// accountsWhere is the filter for some states; none means any.
func (s *View) accountsWhere(f AccountFilter, states ...State) *database.Where {
	w := s.Where("a.organisation")
	w.Is("a.organisation", f.Organisation)
	w.Is("a.connector", f.Connector)
	w.Is("a.identifier", f.Identifier)
	w.Is("a.identifier_type", f.IdentifierType)
	w.Is("a.name", f.Name)
	var names []string
	for _, state := range states {
		names = append(names, string(state))
	}
	w.OneOf("a.state", names)
	w.Words(f.Words, "a.name", "a.identifier", "a.provider_label", "a.provider_email", "a.connector")
	if f.TestMode != nil && *f.TestMode {
		w.Add("a.test_mode = 1") // as the index says it
	} else if f.TestMode != nil {
		w.Add("a.test_mode = 0")
	}
	if !f.ExpiresBefore.IsZero() {
		w.Add("a.expires_at > 0 AND a.expires_at < ?", database.Micros(f.ExpiresBefore))
	}
	return w
}

var accountList = database.Listing[Account]{
	Columns: accountColumns + ", " + usedColumns, From: "accounts a", Key: "a.id", Kind: "acc",
	Scan: scanAccountUsed, ID: func(a Account) string { return a.ID }, Name: "a.name", NameOf: func(a Account) string { return a.Name },
}

// editAccount runs f on the account at version (0: whatever it is) in a
// transaction and stores what f made of it.
func (s *View) editAccount(ctx context.Context, id string, version int64, f func(*tx, *Account) error) (Account, error) {
	var a Account
	err := s.v.write(ctx, func(t *tx) (err error) {
		a, err = t.lockAccount(ctx, id)
		if err != nil {
			return err
		}
		if !s.Sees(a.Organisation) {
			return ErrNotFound
		}
		if version != 0 && version != a.Version {
			return ErrConflict
		}
		if err := f(t, &a); err != nil {
			return err
		}
		a.Version++
		return t.storeAccount(ctx, &a)
	})
	if err != nil {
		return Account{}, err
	}
	return a, nil
}

func (t *tx) lockAccount(ctx context.Context, id string) (Account, error) {
	return database.One(ctx, t, scanAccount, t.Locked("SELECT "+accountColumns+" FROM accounts a WHERE a.id = ?"), id)
}

// storeAccount writes the account back over the row that lockAccount read.
func (t *tx) storeAccount(ctx context.Context, a *Account) error {
	if odd := a.impossible(); odd != "" {
		return errImpossible(a.ID, odd)
	}
	a.UpdatedAt = t.v.db.Now()
	_, err := t.Exec(ctx, `UPDATE accounts SET name = ?, identifier = ?, identifier_type = ?, auth_option = ?, app_id = ?,
			state = ?, resume_to = ?, state_code = ?, state_detail = ?, state_since = ?, connected_at = ?, scopes = ?,
			provider_id = ?, provider_label = ?, provider_email = ?, fields = ?, captured = ?, metadata = ?, settings = ?,
			expires_at = ?, generation = ?, lease_owner = ?, lease_until = ?, fence = ?,
			intent_fence = ?, intent_at = ?, intent_generation = ?, updated_at = ?, version = ?
		WHERE id = ?`,
		a.Name, a.Identifier, a.IdentifierType, a.Option, a.AppID,
		string(a.State), string(a.ResumeTo), a.Reason.Code, a.Reason.Detail, database.Micros(a.StateSince), database.Micros(a.ConnectedAt), database.JSONText(a.Scopes),
		a.Provider.ID, a.Provider.Label, a.Provider.Email, database.JSONText(a.Fields), database.JSONText(a.Captured), database.JSONText(a.Metadata), database.JSONText(a.Settings),
		database.Micros(a.ExpiresAt), int64(a.Generation), a.leaseOwner, a.leaseUntil, a.fence,
		a.intentFence, database.Micros(a.intentAt), int64(a.intentGeneration), database.Micros(a.UpdatedAt), a.Version, a.ID)
	return err
}

// AccountEdit is what a person may change; nil leaves a thing as it is.
type AccountEdit struct {
	Name, Identifier, IdentifierType *string
	Metadata                         map[string]any // replaces all of it
	// ChangeSettings makes the new settings of those that are there; nil leaves them.
	ChangeSettings func(Settings) Settings
}

// UpdateAccount edits an account that is at version, or at any if version is 0.
func (s *View) UpdateAccount(ctx context.Context, id string, version int64, e AccountEdit) (Account, error) {
	return s.editAccount(ctx, id, version, func(t *tx, a *Account) error {
		set(&a.Name, e.Name)
		set(&a.Identifier, e.Identifier)
		set(&a.IdentifierType, e.IdentifierType)
		if e.ChangeSettings != nil {
			a.Settings = e.ChangeSettings(a.Settings)
		}
		if e.Metadata != nil {
			a.Metadata = e.Metadata
		}
		if err := a.check(); err != nil {
			return err
		}
		return s.tell(ctx, t, a, "account.updated", Reason{})
	})
}

// set copies *from where there is something.
func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

// DeleteAccount deletes an account, its secrets, grants, sessions and usage. Its
// audit stays.
func (s *View) DeleteAccount(ctx context.Context, id string, version int64) error {
	return s.v.write(ctx, func(t *tx) error {
		a, err := t.lockAccount(ctx, id)
		if err != nil {
			return err
		}
		if !s.Sees(a.Organisation) {
			return ErrNotFound
		}
		if version != 0 && version != a.Version {
			return ErrConflict
		}
		if err := t.v.seals.Drop(ctx, t.Tx, id); err != nil {
			return err
		}
		for _, text := range []string{
			// Secrets of its connect sessions go before the sessions themselves.
			"DELETE FROM secrets WHERE owner_id IN (SELECT id FROM connect_sessions WHERE account_id = ?)",
			"DELETE FROM usage WHERE account_id = ?", "DELETE FROM usage_paths WHERE account_id = ?",
			"DELETE FROM accounts WHERE id = ?",
		} {
			if _, err := t.Exec(ctx, text, id); err != nil {
				return err
			}
		}
		return s.tell(ctx, t, &a, "account.deleted", Reason{})
	})
}

// AccountSecrets says which secrets an account has.
func (s *View) AccountSecrets(ctx context.Context, id string) ([]SecretInfo, error) {
	if _, err := s.Account(ctx, id); err != nil {
		return nil, err
	}
	return seal.Infos(ctx, s.v.r, id)
}
