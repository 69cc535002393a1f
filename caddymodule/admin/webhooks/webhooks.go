package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/attache-proxy/attache/resolver/vault"
)

func mountWebhooks(a *API) {
	register(a, operation{id: "list-webhooks", method: http.MethodGet, path: "/webhooks", role: vault.RoleViewer, noun: "WEBHOOK", summary: "List webhooks"}, a.listWebhooks)
	register(a, operation{id: "create-webhook", method: http.MethodPost, path: "/webhooks", role: vault.RoleAdmin, noun: "WEBHOOK", status: http.StatusCreated, summary: "Make a webhook",
		detail: "It is told of accounts that are made, edited, deleted or change their state. The answer has the key of its signatures, this once; see standardwebhooks.com."}, a.createWebhook)
	register(a, operation{id: "get-webhook", method: http.MethodGet, path: "/webhooks/{id}", role: vault.RoleViewer, noun: "WEBHOOK", summary: "Read a webhook"}, a.getWebhook)
	register(a, operation{id: "update-webhook", method: http.MethodPatch, path: "/webhooks/{id}", role: vault.RoleAdmin, noun: "WEBHOOK", summary: "Edit a webhook"}, a.patchWebhook)
	register(a, operation{id: "delete-webhook", method: http.MethodDelete, path: "/webhooks/{id}", role: vault.RoleAdmin, noun: "WEBHOOK", status: http.StatusNoContent, summary: "Delete a webhook"}, a.deleteWebhook)
	register(a, operation{id: "test-webhook", method: http.MethodPost, path: "/webhooks/{id}/test", role: vault.RoleAdmin, noun: "WEBHOOK", status: http.StatusAccepted, summary: "Send a webhook a ping"}, a.testWebhook)
	register(a, operation{id: "list-deliveries", method: http.MethodGet, path: "/webhooks/{id}/deliveries", role: vault.RoleViewer, noun: "WEBHOOK", summary: "What was sent to a webhook, the newest first"}, a.listDeliveries)
	register(a, operation{id: "redeliver", method: http.MethodPost, path: "/webhooks/{id}/deliveries/{delivery_id}/redeliver", role: vault.RoleAdmin, noun: "DELIVERY", status: http.StatusAccepted, summary: "Send something again"}, a.redeliver)
}

type Webhook struct {
	ID           string    `json:"id"`
	Organisation string    `json:"organisation" doc:"* is every one."`
	URL          string    `json:"url"`
	Events       []string  `json:"events"`
	Active       bool      `json:"active"`
	CreatedAt    time.Time `json:"created_at"`
	UpdatedAt    time.Time `json:"updated_at"`
	Version      int64     `json:"version"`
}

func webhookOf(w vault.Webhook) Webhook {
	return Webhook{w.ID, w.Organisation, w.URL, w.Events, w.Active, w.CreatedAt, w.UpdatedAt, w.Version}
}

type webhookOut struct {
	ETag string `header:"ETag"`
	Body Webhook
}

type newWebhookOut struct {
	ETag     string `header:"ETag"`
	Location string `header:"Location"`
	Body     struct {
		Webhook
		Secret *string `json:"secret" nullable:"true" doc:"The key of its signatures, shown this once; null when the request is repeated."`
	}
}

func (a *API) listWebhooks(ctx context.Context, c *Caller, in *PageQuery) (*listOut[Webhook], error) {
	l, err := c.Webhooks(ctx, in.page())
	return listed(l, err, webhookOf)
}

type createWebhookIn struct {
	Body struct {
		URL          string   `json:"url" format:"uri" maxLength:"2048"`
		Events       []string `json:"events" minItems:"1" maxItems:"50" doc:"account.created, .updated, .credentials_set, .deleted, .pending, .active, .expired, .revoked, .error, .suspended; account.* or *."`
		Organisation string   `json:"organisation,omitempty" doc:"Default: the token's own; * is every one."`
	}
}

func (a *API) createWebhook(ctx context.Context, c *Caller, in *createWebhookIn) (*newWebhookOut, error) {
	org := in.Body.Organisation
	if org == "" {
		org = c.Organisation()
	}
	w, key, err := c.CreateWebhook(ctx, vault.NewWebhook{Organisation: org, URL: in.Body.URL, Events: in.Body.Events})
	if err != nil {
		return nil, err
	}
	c.shownOnce("secret")
	out := &newWebhookOut{ETag: etag(w.Version), Location: Base + "/webhooks/" + w.ID}
	out.Body.Webhook, out.Body.Secret = webhookOf(w), revealed(key)
	return out, nil
}

func (a *API) getWebhook(ctx context.Context, c *Caller, in *PathID) (*webhookOut, error) {
	w, err := c.Webhook(ctx, in.ID)
	return &webhookOut{etag(w.Version), webhookOf(w)}, err
}

type patchWebhookIn struct {
	PathID
	IfMatch
	Body struct {
		URL     *string  `json:"url,omitempty" format:"uri" maxLength:"2048"`
		Events  []string `json:"events,omitempty" maxItems:"50"`
		Active  *bool    `json:"active,omitempty"`
		Version int64    `json:"version,omitempty" doc:"The version that is edited; or use If-Match."`
	}
}

func (a *API) patchWebhook(ctx context.Context, c *Caller, in *patchWebhookIn) (*webhookOut, error) {
	version, err := in.editVersion(in.Body.Version)
	if err != nil {
		return nil, err
	}
	w, err := c.UpdateWebhook(ctx, in.ID, version, vault.WebhookEdit{URL: in.Body.URL, Events: in.Body.Events, Active: in.Body.Active})
	return &webhookOut{etag(w.Version), webhookOf(w)}, err
}

func (a *API) deleteWebhook(ctx context.Context, c *Caller, in *deleteIn) (*nothing, error) {
	version, err := in.version()
	if err != nil {
		return nil, err
	}
	return &nothing{}, c.DeleteWebhook(ctx, in.ID, version)
}

func (a *API) testWebhook(ctx context.Context, c *Caller, in *PathID) (*nothing, error) {
	return &nothing{}, c.TestWebhook(ctx, in.ID)
}

type Delivery struct {
	ID        string          `json:"id"`
	EventID   string          `json:"event_id" doc:"The webhook-id header: the same at every attempt."`
	Event     string          `json:"event"`
	State     string          `json:"state" enum:"waiting,delivered,failed"`
	Attempts  int             `json:"attempts"`
	Status    int             `json:"status,omitempty" doc:"What was answered last; absent without an answer."`
	Error     string          `json:"error,omitempty"`
	NextAt    *time.Time      `json:"next_at,omitempty"`
	CreatedAt time.Time       `json:"created_at"`
	EndedAt   *time.Time      `json:"ended_at,omitempty"`
	Payload   json.RawMessage `json:"payload"`
}

func deliveryOf(d vault.Delivery) Delivery {
	b := Delivery{ID: d.ID, EventID: d.EventID, Event: d.Event, State: d.State, Attempts: d.Attempts, Status: d.Status, Error: d.Error,
		CreatedAt: d.CreatedAt, EndedAt: optionalTime(d.EndedAt), Payload: json.RawMessage(d.Payload)}
	if d.State == vault.DeliveryWaiting {
		b.NextAt = optionalTime(d.NextAt)
	}
	return b
}

type listDeliveriesIn struct {
	PathID
	PageQuery
}

func (a *API) listDeliveries(ctx context.Context, c *Caller, in *listDeliveriesIn) (*listOut[Delivery], error) {
	l, err := c.Deliveries(ctx, in.ID, in.page())
	return listed(l, err, deliveryOf)
}

type redeliverIn struct {
	PathID
	DeliveryID string `path:"delivery_id" maxLength:"128"`
}

func (a *API) redeliver(ctx context.Context, c *Caller, in *redeliverIn) (*nothing, error) {
	return &nothing{}, c.Redeliver(ctx, in.ID, in.DeliveryID)
}
