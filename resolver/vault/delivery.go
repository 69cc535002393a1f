package vault

import (
	"context"
	"time"

	"github.com/attache-proxy/attache/providers/secret"
)

// Delivery is one event on its way to one webhook.
type Delivery struct {
	ID        string // dlv_…
	WebhookID string
	EventID   string // the same for every webhook and attempt
	Event     string
	Payload   string // JSON
	State     string // DeliveryWaiting, DeliveryDone, DeliveryFailed
	Attempts  int
	NextAt    time.Time
	Status    int    // of the last answer; 0 when there was none
	Error     string // of the last attempt
	CreatedAt time.Time
	EndedAt   time.Time
}

const (
	DeliveryWaiting = "waiting"
	DeliveryDone    = "delivered"
	DeliveryFailed  = "failed"
)

const deliveryColumns = "id, webhook_id, event_id, event, payload, state, attempts, next_at, status, error, created_at, ended_at"

func scanDelivery(s scanner) (d Delivery, err error) {
	err = s.Scan(&d.ID, &d.WebhookID, &d.EventID, &d.Event, &d.Payload, &d.State, &d.Attempts, timeCol{&d.NextAt}, &d.Status, &d.Error,
		timeCol{&d.CreatedAt}, timeCol{&d.EndedAt})
	return d, err
}

// told is what a webhook is told of an account: nothing that is secret, and not
// the metadata, which is the operator's own.
type told struct {
	ID             string     `json:"id"`
	Organisation   string     `json:"organisation"`
	Connector      string     `json:"connector"`
	Option         string     `json:"option"`
	Name           string     `json:"name"`
	Identifier     string     `json:"identifier"`
	IdentifierType string     `json:"identifier_type"`
	State          State      `json:"state"`
	Reason         Reason     `json:"reason"`
	Label          string     `json:"provider_label,omitempty"`
	ExpiresAt      *time.Time `json:"expires_at,omitempty"`
}

// payload is the body of a delivery, in the form of standardwebhooks.com.
type payload struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      struct {
		Account told `json:"account"`
	} `json:"data"`
}

// enqueue writes a delivery for each webhook that wants the event, in the
// transaction of what happened: told if and only if it is so.
func (t *tx) enqueue(ctx context.Context, event string, a *Account, why Reason) error {
	hooks, err := collect(ctx, t.v, t, scanWebhook, "SELECT "+webhookColumns+" FROM webhooks WHERE active = 1 AND organisation IN (?, '*')", a.Organisation)
	if err != nil {
		return err
	}
	now := t.v.moment()
	eventID := newID("evt", now)
	p := payload{Type: event, Timestamp: now}
	p.Data.Account = told{a.ID, a.Organisation, a.Connector, a.Option, a.Name, a.Identifier, a.IdentifierType, a.State, why, a.Provider.Label, nil}
	if !a.ExpiresAt.IsZero() {
		p.Data.Account.ExpiresAt = &a.ExpiresAt
	}
	for _, h := range hooks {
		if !h.Wants(event) {
			continue
		}
		if err := t.addDelivery(ctx, h.ID, eventID, event, jsonText(p)); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) addDelivery(ctx context.Context, hook, eventID, event, body string) error {
	now := micros(t.v.now())
	_, err := t.exec(ctx, "INSERT INTO deliveries ("+deliveryColumns+") VALUES (?, ?, ?, ?, ?, ?, 0, ?, 0, '', ?, 0)",
		newID("dlv", t.v.now()), hook, eventID, event, body, DeliveryWaiting, now, now)
	return err
}

// TestWebhook sends an event of type "ping" to one webhook.
func (s *View) TestWebhook(ctx context.Context, id string) error {
	w, err := s.Webhook(ctx, id)
	if err != nil {
		return err
	}
	now := s.v.now().UTC()
	return s.v.write(ctx, func(t *tx) error {
		return t.addDelivery(ctx, w.ID, newID("evt", now), "ping", jsonText(map[string]any{"type": "ping", "timestamp": now, "data": struct{}{}}))
	})
}

// Due is a delivery that is to be sent now, with where to and the signing key.
type Due struct {
	Delivery
	URL string
	Key secret.Value
}

// ClaimDeliveries takes up to n deliveries that are due, for this process alone
// until hold is over. Who dies before FinishDelivery leaves them to the others.
func (v *Vault) ClaimDeliveries(ctx context.Context, n int, hold time.Duration) ([]Due, error) {
	now := v.now()
	var due []Due
	err := v.write(ctx, func(t *tx) error {
		ds, err := collect(ctx, v, t, scanDelivery, `WITH free AS
				(SELECT id FROM deliveries WHERE state = 'waiting' AND next_at <= ? ORDER BY next_at LIMIT ?`+v.d.skip+`)
			UPDATE deliveries SET next_at = ?, attempts = attempts + 1 WHERE id IN (SELECT id FROM free)
			RETURNING `+deliveryColumns, micros(now), n, micros(now.Add(hold)))
		if err != nil {
			return err
		}
		due = due[:0]
		for _, d := range ds {
			x := Due{Delivery: d}
			if err := t.row(ctx, "SELECT url FROM webhooks WHERE id = ?", d.WebhookID).Scan(&x.URL); err != nil {
				return err
			}
			values, err := v.unsealAll(ctx, t, owner{id: d.WebhookID})
			if err != nil {
				return err
			}
			x.Key = values.Get(fieldSigning)
			due = append(due, x)
		}
		return nil
	})
	return due, err
}

// FinishDelivery writes how an attempt ended: at next it is tried again; a zero
// next ends it, as delivered if problem is empty.
func (v *Vault) FinishDelivery(ctx context.Context, id string, status int, problem string, next time.Time) error {
	state, ended := DeliveryWaiting, int64(0)
	switch {
	case problem == "":
		state, ended = DeliveryDone, micros(v.now())
	case next.IsZero():
		state, ended = DeliveryFailed, micros(v.now())
	}
	return v.write(ctx, func(t *tx) error {
		_, err := t.exec(ctx, "UPDATE deliveries SET state = ?, status = ?, error = ?, next_at = ?, ended_at = ? WHERE id = ?",
			state, status, storable(problem), micros(next), ended, id)
		return err
	})
}

// Redeliver sends a delivery again, from the first attempt on.
func (s *View) Redeliver(ctx context.Context, webhookID, id string) error {
	if _, err := s.Webhook(ctx, webhookID); err != nil {
		return err
	}
	return s.v.write(ctx, func(t *tx) error {
		n, err := t.exec(ctx, "UPDATE deliveries SET state = ?, attempts = 0, next_at = ?, ended_at = 0 WHERE id = ? AND webhook_id = ?",
			DeliveryWaiting, micros(s.v.now()), id, webhookID)
		if err == nil && n == 0 {
			err = ErrNotFound
		}
		return err
	})
}

// Deliveries lists what was sent to a webhook, the newest first.
func (s *View) Deliveries(ctx context.Context, webhookID string, p Page) (List[Delivery], error) {
	if _, err := s.Webhook(ctx, webhookID); err != nil {
		return List[Delivery]{}, err
	}
	w := &where{}
	w.is("webhook_id", webhookID)
	return deliveryList.read(ctx, s.v, w, p)
}

var deliveryList = listing[Delivery]{
	columns: deliveryColumns, from: "deliveries", key: "id", kind: "dlv", newestFirst: true,
	scan: scanDelivery, id: func(d Delivery) string { return d.ID },
}
