// Package webhook remembers the addresses that are told of events, and what is on its
// way to them.
package webhook

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault/audit"
	"github.com/attache-proxy/attache/resolver/vault/database"
	"github.com/attache-proxy/attache/resolver/vault/seal"
)

// Hooks is the webhooks that one actor may see.
type Hooks struct {
	db     *database.DB
	seals  *seal.Box
	view   *audit.View
	events []string
}

// Queue is what is to be sent, for all of them.
type Queue struct {
	db    *database.DB
	seals *seal.Box
}

// NewQueue is the queue in db.
func NewQueue(db *database.DB, seals *seal.Box) Queue { return Queue{db, seals} }

// As is the webhooks as view sees them. They may ask for events.
func (s Queue) As(view *audit.View, events []string) Hooks { return Hooks{s.db, s.seals, view, events} }

// Webhook is an address that is told of events.
type Webhook struct {
	ID           string // whk_…
	Organisation string // All: of every organisation
	URL          string
	// Events are names such as "account.expired", or "account.*", or "*".
	Events []string
	Active bool
	// Format is FormatSlack, or empty for the form of standardwebhooks.com.
	Format string

	CreatedAt, UpdatedAt time.Time
	Version              int64
}

// FormatSlack is a message as Slack's incoming webhooks take it.
const FormatSlack = "slack"

// Columns are those of the table webhooks.
const Columns = "id, organisation, url, events, active, created_at, updated_at, version, format"

func scanWebhook(s database.Scanner) (w Webhook, err error) {
	err = s.Scan(&w.ID, &w.Organisation, &w.URL, database.JSON(&w.Events), database.Bool(&w.Active), database.Time(&w.CreatedAt), database.Time(&w.UpdatedAt), &w.Version, &w.Format)
	return w, err
}

// fieldSigning is the sealed key of a webhook's signatures.
const fieldSigning = "@signing"

// Wants reports whether the webhook asked for that event.
func (w *Webhook) Wants(event string) bool {
	return slices.ContainsFunc(w.Events, func(p string) bool {
		prefix, all := strings.CutSuffix(p, "*")
		return p == event || all && strings.HasPrefix(event, prefix)
	})
}

func (w *Webhook) check(known []string) error {
	u, err := url.Parse(w.URL)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http"):
		return database.Invalid("url", "must be an https or http address")
	case u.User != nil || u.Fragment != "" || len(w.URL) > database.MaxText:
		return database.Invalid("url", "must have no user, password or fragment, and at most %d bytes", database.MaxText)
	case w.Format != "" && w.Format != FormatSlack:
		return database.Invalid("format", "knows slack; absent is that of standardwebhooks.com")
	case len(w.Events) == 0 || len(w.Events) > 50:
		return database.Invalid("events", "must name from 1 to 50 events; * means all")
	}
	for _, e := range w.Events {
		if !slices.ContainsFunc(known, (&Webhook{Events: []string{e}}).Wants) {
			return database.Invalid("events", "knows %s, account.* and *", strings.Join(known, ", "))
		}
	}
	return nil
}

// NewWebhook is what CreateWebhook makes a webhook of.
type NewWebhook struct {
	Organisation, URL, Format string
	Events                    []string
}

// CreateWebhook makes a webhook and the key of its signatures (whsec_ and base64,
// as standardwebhooks.com has it), which is shown this once.
func (s Hooks) CreateWebhook(ctx context.Context, n NewWebhook) (Webhook, secret.Value, error) {
	org, err := s.view.PlaceShared(n.Organisation)
	if err != nil {
		return Webhook{}, secret.Value{}, err
	}
	now := s.db.Now()
	w := Webhook{ID: database.NewID("whk", now), Organisation: org, URL: n.URL, Events: n.Events, Active: true, Format: n.Format, CreatedAt: now, UpdatedAt: now, Version: 1}
	if err := w.check(s.events); err != nil {
		return Webhook{}, secret.Value{}, err
	}
	b := make([]byte, 32)
	_, _ = rand.Read(b)
	key := secret.New("whsec_" + base64.StdEncoding.EncodeToString(b))
	err = s.db.Write(ctx, func(t *database.Tx) error {
		_, err := t.Exec(ctx, "INSERT INTO webhooks ("+Columns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
			w.ID, w.Organisation, w.URL, database.JSONText(w.Events), database.Bit(w.Active), database.Micros(now), database.Micros(now), w.Version, w.Format)
		if err != nil {
			return err
		}
		if err := s.seals.Put(ctx, t, seal.Owner{ID: w.ID, Org: w.Organisation}, secret.Values{fieldSigning: key}); err != nil {
			return err
		}
		return s.view.Note(ctx, t, "webhook.created", w.Organisation, w.ID)
	})
	if err != nil {
		return Webhook{}, secret.Value{}, err
	}
	return w, key, nil
}

// Webhook returns one webhook, or ErrNotFound.
func (s Hooks) Webhook(ctx context.Context, id string) (Webhook, error) {
	return s.ownWebhook(database.One(ctx, s.db.Reader, scanWebhook, "SELECT "+Columns+" FROM webhooks WHERE id = ?", id))
}

func (s Hooks) ownWebhook(w Webhook, err error) (Webhook, error) {
	if err == nil && !s.view.Sees(w.Organisation) {
		err = database.ErrNotFound
	}
	if err != nil {
		return Webhook{}, err
	}
	return w, nil
}

// Webhooks lists webhooks.
func (s Hooks) Webhooks(ctx context.Context, p database.Page) (database.List[Webhook], error) {
	return webhookList.Read(ctx, s.db.Reader, s.view.Where("organisation"), p)
}

var webhookList = database.Listing[Webhook]{
	Columns: Columns, From: "webhooks", Key: "id", Kind: "whk", Scan: scanWebhook, ID: func(w Webhook) string { return w.ID },
}

// WebhookEdit is what may be changed; nil leaves a thing as it is.
type WebhookEdit struct {
	URL    *string
	Events []string
	Active *bool
	Format *string
}

// UpdateWebhook edits a webhook that is at version, or at any if version is 0.
func (s Hooks) UpdateWebhook(ctx context.Context, id string, version int64, e WebhookEdit) (Webhook, error) {
	return s.editWebhook(ctx, id, version, func(t *database.Tx, w *Webhook) error {
		if e.URL != nil {
			w.URL = *e.URL
		}
		if e.Active != nil {
			w.Active = *e.Active
		}
		if e.Events != nil {
			w.Events = e.Events
		}
		if e.Format != nil {
			w.Format = *e.Format
		}
		if err := w.check(s.events); err != nil {
			return err
		}
		w.Version++
		w.UpdatedAt = s.db.Now()
		_, err := t.Exec(ctx, "UPDATE webhooks SET url = ?, events = ?, active = ?, format = ?, updated_at = ?, version = ? WHERE id = ?",
			w.URL, database.JSONText(w.Events), database.Bit(w.Active), w.Format, database.Micros(w.UpdatedAt), w.Version, id)
		if err != nil {
			return err
		}
		return s.view.Note(ctx, t, "webhook.updated", w.Organisation, id)
	})
}

// DeleteWebhook deletes a webhook and its deliveries.
func (s Hooks) DeleteWebhook(ctx context.Context, id string, version int64) error {
	_, err := s.editWebhook(ctx, id, version, func(t *database.Tx, w *Webhook) error {
		if err := s.seals.Drop(ctx, t, id); err != nil {
			return err
		}
		if _, err := t.Exec(ctx, "DELETE FROM webhooks WHERE id = ?", id); err != nil {
			return err
		}
		return s.view.Note(ctx, t, "webhook.deleted", w.Organisation, id)
	})
	return err
}

func (s Hooks) editWebhook(ctx context.Context, id string, version int64, f func(*database.Tx, *Webhook) error) (Webhook, error) {
	var w Webhook
	err := s.db.Write(ctx, func(t *database.Tx) (err error) {
		w, err = s.ownWebhook(database.One(ctx, t, scanWebhook, t.Locked("SELECT "+Columns+" FROM webhooks WHERE id = ?"), id))
		if err != nil {
			return err
		}
		if version != 0 && version != w.Version {
			return database.ErrConflict
		}
		return f(t, &w)
	})
	if err != nil {
		return Webhook{}, err
	}
	return w, nil
}
