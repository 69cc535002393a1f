package vault

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/attache-proxy/attache/providers/secret"
)

// Webhook is an address that is told of events.
type Webhook struct {
	ID           string // whk_…
	Organisation string // All: of every organisation
	URL          string
	// Events are names such as "account.expired", or "account.*", or "*".
	Events []string
	Active bool

	CreatedAt, UpdatedAt time.Time
	Version              int64
}

const webhookColumns = "id, organisation, url, events, active, created_at, updated_at, version"

func scanWebhook(s scanner) (w Webhook, err error) {
	err = s.Scan(&w.ID, &w.Organisation, &w.URL, jsonCol{&w.Events}, bitCol{&w.Active}, timeCol{&w.CreatedAt}, timeCol{&w.UpdatedAt}, &w.Version)
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

// webhookEvents are all that webhooks are told of.
var webhookEvents = func() []string {
	all := []string{"account.created", "account.updated", "account.credentials_set", "account.deleted"}
	for _, s := range States {
		all = append(all, "account."+string(s))
	}
	return all
}()

func (w *Webhook) check() error {
	u, err := url.Parse(w.URL)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http"):
		return invalid("url", "must be an https or http address")
	case u.User != nil || u.Fragment != "" || len(w.URL) > maxText:
		return invalid("url", "must have no user, password or fragment, and at most %d bytes", maxText)
	case len(w.Events) == 0 || len(w.Events) > 50:
		return invalid("events", "must name from 1 to 50 events; * means all")
	}
	for _, e := range w.Events {
		if !slices.ContainsFunc(webhookEvents, (&Webhook{Events: []string{e}}).Wants) {
			return invalid("events", "knows %s, account.* and *", strings.Join(webhookEvents, ", "))
		}
	}
	return nil
}

// NewWebhook is what CreateWebhook makes a webhook of.
type NewWebhook struct {
	Organisation, URL string
	Events            []string
}

// CreateWebhook makes a webhook and the key of its signatures (whsec_ and base64,
// as standardwebhooks.com has it), which is shown this once.
func (s *View) CreateWebhook(ctx context.Context, n NewWebhook) (Webhook, secret.Value, error) {
	org, err := s.placeShared(n.Organisation)
	if err != nil {
		return Webhook{}, secret.Value{}, err
	}
	now := s.v.moment()
	w := Webhook{ID: newID("whk", now), Organisation: org, URL: n.URL, Events: n.Events, Active: true, CreatedAt: now, UpdatedAt: now, Version: 1}
	if err := w.check(); err != nil {
		return Webhook{}, secret.Value{}, err
	}
	b := make([]byte, 32)
	_, _ = rand.Read(b)
	key := secret.New("whsec_" + base64.StdEncoding.EncodeToString(b))
	err = s.v.write(ctx, func(t *tx) error {
		_, err := t.exec(ctx, "INSERT INTO webhooks ("+webhookColumns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
			w.ID, w.Organisation, w.URL, jsonText(w.Events), bit(w.Active), micros(now), micros(now), w.Version)
		if err != nil {
			return err
		}
		if err := t.putSecrets(ctx, owner{id: w.ID, org: w.Organisation}, secret.Values{fieldSigning: key}); err != nil {
			return err
		}
		return s.note(ctx, t, "webhook.created", w.Organisation, w.ID)
	})
	if err != nil {
		return Webhook{}, secret.Value{}, err
	}
	return w, key, nil
}

// note writes an admin action to the audit.
func (s *View) note(ctx context.Context, t *tx, code, org, detail string) error {
	e := s.event(AuditAdmin, code, org)
	e.Detail = detail
	return t.audit(ctx, e)
}

// Webhook returns one webhook, or ErrNotFound.
func (s *View) Webhook(ctx context.Context, id string) (Webhook, error) {
	return s.ownWebhook(one(ctx, s.v, s.v.r, scanWebhook, "SELECT "+webhookColumns+" FROM webhooks WHERE id = ?", id))
}

func (s *View) ownWebhook(w Webhook, err error) (Webhook, error) {
	if err == nil && !s.sees(w.Organisation) {
		err = ErrNotFound
	}
	if err != nil {
		return Webhook{}, err
	}
	return w, nil
}

// Webhooks lists webhooks.
func (s *View) Webhooks(ctx context.Context, p Page) (List[Webhook], error) {
	return webhookList.read(ctx, s.v, s.where("organisation"), p)
}

var webhookList = listing[Webhook]{
	columns: webhookColumns, from: "webhooks", key: "id", kind: "whk", scan: scanWebhook, id: func(w Webhook) string { return w.ID },
}

// WebhookEdit is what may be changed; nil leaves a thing as it is.
type WebhookEdit struct {
	URL    *string
	Events []string
	Active *bool
}

// UpdateWebhook edits a webhook that is at version, or at any if version is 0.
func (s *View) UpdateWebhook(ctx context.Context, id string, version int64, e WebhookEdit) (Webhook, error) {
	return s.editWebhook(ctx, id, version, func(t *tx, w *Webhook) error {
		set(&w.URL, e.URL)
		set(&w.Active, e.Active)
		if e.Events != nil {
			w.Events = e.Events
		}
		if err := w.check(); err != nil {
			return err
		}
		w.Version++
		w.UpdatedAt = s.v.moment()
		_, err := t.exec(ctx, "UPDATE webhooks SET url = ?, events = ?, active = ?, updated_at = ?, version = ? WHERE id = ?",
			w.URL, jsonText(w.Events), bit(w.Active), micros(w.UpdatedAt), w.Version, id)
		if err != nil {
			return err
		}
		return s.note(ctx, t, "webhook.updated", w.Organisation, id)
	})
}

// DeleteWebhook deletes a webhook and its deliveries.
func (s *View) DeleteWebhook(ctx context.Context, id string, version int64) error {
	_, err := s.editWebhook(ctx, id, version, func(t *tx, w *Webhook) error {
		if err := t.dropSecrets(ctx, id); err != nil {
			return err
		}
		if _, err := t.exec(ctx, "DELETE FROM webhooks WHERE id = ?", id); err != nil {
			return err
		}
		return s.note(ctx, t, "webhook.deleted", w.Organisation, id)
	})
	return err
}

func (s *View) editWebhook(ctx context.Context, id string, version int64, f func(*tx, *Webhook) error) (Webhook, error) {
	var w Webhook
	err := s.v.write(ctx, func(t *tx) (err error) {
		w, err = s.ownWebhook(one(ctx, s.v, t, scanWebhook, t.locked("SELECT "+webhookColumns+" FROM webhooks WHERE id = ?"), id))
		if err != nil {
			return err
		}
		if version != 0 && version != w.Version {
			return ErrConflict
		}
		return f(t, &w)
	})
	if err != nil {
		return Webhook{}, err
	}
	return w, nil
}
