package webhook

import (
	"context"
	"time"

	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault/database"
	"github.com/attache-proxy/attache/resolver/vault/seal"
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

func scanDelivery(s database.Scanner) (d Delivery, err error) {
	err = s.Scan(&d.ID, &d.WebhookID, &d.EventID, &d.Event, &d.Payload, &d.State, &d.Attempts, database.Time(&d.NextAt), &d.Status, &d.Error,
		database.Time(&d.CreatedAt), database.Time(&d.EndedAt))
	return d, err
}

// Account is what a webhook is told of one: nothing that is secret, and not the
// metadata, which is the operator's own.
type Account struct {
	ID             string     `json:"id"`
	Organisation   string     `json:"organisation"`
	Connector      string     `json:"connector"`
	Option         string     `json:"option"`
	Name           string     `json:"name"`
	Identifier     string     `json:"identifier"`
	IdentifierType string     `json:"identifier_type"`
	State          string     `json:"state"`
	Reason         any        `json:"reason"`
	Label          string     `json:"provider_label,omitempty"`
	ExpiresAt      *time.Time `json:"expires_at,omitempty"`
}

// Approval is what a webhook is told of a question to a person: nothing of what is in the
// request.
type Approval struct {
	ID           string    `json:"id"`
	Organisation string    `json:"organisation"`
	State        string    `json:"state"`
	Agent        string    `json:"agent"`
	AgentID      string    `json:"agent_id"`
	Connector    string    `json:"connector"`
	Account      string    `json:"account"`
	AccountID    string    `json:"account_id"`
	Operation    string    `json:"operation,omitempty"`
	Effect       string    `json:"effect"`
	Resource     string    `json:"resource,omitempty"`
	Method       string    `json:"method"`
	URL          string    `json:"url"`
	Rule         string    `json:"rule"`
	Proposed     string    `json:"proposed_rule,omitempty"`
	RequestedAt  time.Time `json:"requested_at"`
	ExpiresAt    time.Time `json:"expires_at"`
	Scope        string    `json:"scope,omitempty"`
	By           string    `json:"decided_by,omitempty"`
	Reason       string    `json:"reason,omitempty"`
}

// payload is the body of a delivery, in the form of standardwebhooks.com.
type payload struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      struct {
		Account  *Account  `json:"account,omitempty"`
		Approval *Approval `json:"approval,omitempty"`
		Budget   *Budget   `json:"budget,omitempty"`
		Tool     *Tool     `json:"tool,omitempty"`
	} `json:"data"`
}

// Enqueue writes a delivery for each webhook that wants the event, in the
// transaction of what happened: told if and only if it is so.
func Enqueue(ctx context.Context, t *database.Tx, event string, a Account) error {
	var p payload
	p.Data.Account = &a
	return enqueue(ctx, t, event, a.Organisation, &p)
}

// EnqueueApproval is Enqueue of an approval's event.
func EnqueueApproval(ctx context.Context, t *database.Tx, event string, a Approval) error {
	var p payload
	p.Data.Approval = &a
	return enqueue(ctx, t, event, a.Organisation, &p)
}

func enqueue(ctx context.Context, t *database.Tx, event, organisation string, p *payload) error {
	hooks, err := database.Collect(ctx, t, scanWebhook, "SELECT "+Columns+" FROM webhooks WHERE active = 1 AND organisation IN (?, '*')", organisation)
	if err != nil {
		return err
	}
	now := t.Now()
	eventID := database.NewID("evt", now)
	p.Type, p.Timestamp = event, now
	for _, h := range hooks {
		if !h.Wants(event) {
			continue
		}
		if err := add(ctx, t, h.ID, eventID, event, database.JSONText(p)); err != nil {
			return err
		}
	}
	return nil
}

func add(ctx context.Context, t *database.Tx, hook, eventID, event, body string) error {
	now := database.Micros(t.Now())
	_, err := t.Exec(ctx, "INSERT INTO deliveries ("+deliveryColumns+") VALUES (?, ?, ?, ?, ?, ?, 0, ?, 0, '', ?, 0)",
		database.NewID("dlv", t.Now()), hook, eventID, event, body, DeliveryWaiting, now, now)
	return err
}

// TestWebhook sends an event of type "ping" to one webhook.
func (s Hooks) TestWebhook(ctx context.Context, id string) error {
	w, err := s.Webhook(ctx, id)
	if err != nil {
		return err
	}
	now := s.db.Now().UTC()
	return s.db.Write(ctx, func(t *database.Tx) error {
		return add(ctx, t, w.ID, database.NewID("evt", now), "ping", database.JSONText(map[string]any{"type": "ping", "timestamp": now, "data": struct{}{}}))
	})
}

// Due is a delivery that is to be sent now, with where to and the signing key.
type Due struct {
	Delivery
	URL, Format string
	Key         secret.Value
}

// ClaimDeliveries takes up to n deliveries that are due, for this process alone
// until hold is over. Who dies before FinishDelivery leaves them to the others.
func (s Queue) ClaimDeliveries(ctx context.Context, n int, hold time.Duration) ([]Due, error) {
	now := s.db.Now()
	var due []Due
	err := s.db.Write(ctx, func(t *database.Tx) error {
		ds, err := database.Collect(ctx, t, scanDelivery, `WITH free AS
				(`+t.Skipping("SELECT id FROM deliveries WHERE state = 'waiting' AND next_at <= ? ORDER BY next_at LIMIT ?")+`)
			UPDATE deliveries SET next_at = ?, attempts = attempts + 1 WHERE id IN (SELECT id FROM free)
			RETURNING `+deliveryColumns, database.Micros(now), n, database.Micros(now.Add(hold)))
		if err != nil {
			return err
		}
		due = due[:0]
		for _, d := range ds {
			x := Due{Delivery: d}
			if err := t.Row(ctx, "SELECT url, format FROM webhooks WHERE id = ?", d.WebhookID).Scan(&x.URL, &x.Format); err != nil {
				return err
			}
			values, err := s.seals.UnsealAll(ctx, t, seal.Owner{ID: d.WebhookID})
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
func (s Queue) FinishDelivery(ctx context.Context, id string, status int, problem string, next time.Time) error {
	state, ended := DeliveryWaiting, int64(0)
	switch {
	case problem == "":
		state, ended = DeliveryDone, database.Micros(s.db.Now())
	case next.IsZero():
		state, ended = DeliveryFailed, database.Micros(s.db.Now())
	}
	return s.db.Write(ctx, func(t *database.Tx) error {
		_, err := t.Exec(ctx, "UPDATE deliveries SET state = ?, status = ?, error = ?, next_at = ?, ended_at = ? WHERE id = ?",
			state, status, database.Storable(problem), database.Micros(next), ended, id)
		return err
	})
}

// Redeliver sends a delivery again, from the first attempt on.
func (s Hooks) Redeliver(ctx context.Context, webhookID, id string) error {
	if _, err := s.Webhook(ctx, webhookID); err != nil {
		return err
	}
	return s.db.Write(ctx, func(t *database.Tx) error {
		n, err := t.Exec(ctx, "UPDATE deliveries SET state = ?, attempts = 0, next_at = ?, ended_at = 0 WHERE id = ? AND webhook_id = ?",
			DeliveryWaiting, database.Micros(s.db.Now()), id, webhookID)
		if err == nil && n == 0 {
			err = database.ErrNotFound
		}
		return err
	})
}

// Deliveries lists what was sent to a webhook, the newest first.
func (s Hooks) Deliveries(ctx context.Context, webhookID string, p database.Page) (database.List[Delivery], error) {
	if _, err := s.Webhook(ctx, webhookID); err != nil {
		return database.List[Delivery]{}, err
	}
	w := &database.Where{}
	w.Is("webhook_id", webhookID)
	return deliveryList.Read(ctx, s.db.Reader, w, p)
}

var deliveryList = database.Listing[Delivery]{
	Columns: deliveryColumns, From: "deliveries", Key: "id", Kind: "dlv", NewestFirst: true,
	Scan: scanDelivery, ID: func(d Delivery) string { return d.ID },
}
