package webhooks

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/attache-proxy/attache/caddymodule/admin/paths"
	"github.com/attache-proxy/attache/caddymodule/admin/rest"
	"github.com/attache-proxy/attache/caddymodule/admin/signin"
	"github.com/attache-proxy/attache/resolver/vault"
)

// Mount registers the resource.
func Mount(s *rest.Server) {
	rest.Register(s, rest.Operation{ID: "list-webhooks", Method: http.MethodGet, Path: "/webhooks", Role: vault.RoleViewer, Noun: "WEBHOOK", Summary: "List webhooks"}, listWebhooks)
	rest.Register(s, rest.Operation{ID: "create-webhook", Method: http.MethodPost, Path: "/webhooks", Role: vault.RoleAdmin, Noun: "WEBHOOK", Status: http.StatusCreated, Summary: "Make a webhook",
		Detail: "It is told of accounts that are made, edited, deleted or change their state, of approvals that are asked for and decided, and of budgets that are nearly used up. The answer has the key of its signatures, this once; see standardwebhooks.com."}, createWebhook)
	rest.Register(s, rest.Operation{ID: "get-webhook", Method: http.MethodGet, Path: "/webhooks/{id}", Role: vault.RoleViewer, Noun: "WEBHOOK", Summary: "Read a webhook"}, getWebhook)
	rest.Register(s, rest.Operation{ID: "update-webhook", Method: http.MethodPatch, Path: "/webhooks/{id}", Role: vault.RoleAdmin, Noun: "WEBHOOK", Summary: "Edit a webhook"}, patchWebhook)
	rest.Register(s, rest.Operation{ID: "delete-webhook", Method: http.MethodDelete, Path: "/webhooks/{id}", Role: vault.RoleAdmin, Noun: "WEBHOOK", Status: http.StatusNoContent, Summary: "Delete a webhook"}, deleteWebhook)
	rest.Register(s, rest.Operation{ID: "test-webhook", Method: http.MethodPost, Path: "/webhooks/{id}/test", Role: vault.RoleAdmin, Noun: "WEBHOOK", Status: http.StatusAccepted, Summary: "Send a webhook a ping"}, testWebhook)
	rest.Register(s, rest.Operation{ID: "list-deliveries", Method: http.MethodGet, Path: "/webhooks/{id}/deliveries", Role: vault.RoleViewer, Noun: "WEBHOOK", Summary: "What was sent to a webhook, the newest first"}, listDeliveries)
	rest.Register(s, rest.Operation{ID: "redeliver", Method: http.MethodPost, Path: "/webhooks/{id}/deliveries/{delivery_id}/redeliver", Role: vault.RoleAdmin, Noun: "DELIVERY", Status: http.StatusAccepted, Summary: "Send something again"}, redeliver)
}

type Webhook struct {
	ID           string    `json:"id"`
	Organisation string    `json:"organisation" doc:"* is every one."`
	URL          string    `json:"url"`
	Events       []string  `json:"events"`
	Active       bool      `json:"active"`
	Format       string    `json:"format,omitempty" doc:"slack, or absent for the form of standardwebhooks.com."`
	CreatedAt    time.Time `json:"created_at"`
	UpdatedAt    time.Time `json:"updated_at"`
	Version      int64     `json:"version"`
}

func webhookOf(w vault.Webhook) Webhook {
	return Webhook{w.ID, w.Organisation, w.URL, w.Events, w.Active, w.Format, w.CreatedAt, w.UpdatedAt, w.Version}
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

func listWebhooks(ctx context.Context, c *signin.Caller, in *rest.PageQuery) (*rest.ListOut[Webhook], error) {
	l, err := c.Webhooks(ctx, in.Page())
	return rest.Listed(l, err, webhookOf)
}

type createWebhookIn struct {
	Body struct {
		URL          string   `json:"url" format:"uri" maxLength:"2048"`
		Events       []string `json:"events" minItems:"1" maxItems:"50" doc:"account.created, .updated, .credentials_set, .deleted, .pending, .active, .expired, .revoked, .error, .suspended; approval.requested, .decided; proposal.filed, .decided; tool.changed; budget.warning; account.*, approval.*, proposal.* or *."`
		Organisation string   `json:"organisation,omitempty" doc:"Default: the token's own; * is every one."`
		Format       string   `json:"format,omitempty" enum:"slack" doc:"slack: a message as Slack's incoming webhooks take it. Absent: the form of standardwebhooks.com."`
	}
}

func createWebhook(ctx context.Context, c *signin.Caller, in *createWebhookIn) (*newWebhookOut, error) {
	org := in.Body.Organisation
	if org == "" {
		org = c.Organisation()
	}
	w, key, err := c.CreateWebhook(ctx, vault.NewWebhook{Organisation: org, URL: in.Body.URL, Events: in.Body.Events, Format: in.Body.Format})
	if err != nil {
		return nil, err
	}
	c.ShownOnce("secret")
	out := &newWebhookOut{ETag: rest.Etag(w.Version), Location: paths.API + "/webhooks/" + w.ID}
	out.Body.Webhook, out.Body.Secret = webhookOf(w), rest.Revealed(key)
	return out, nil
}

func getWebhook(ctx context.Context, c *signin.Caller, in *rest.PathID) (*webhookOut, error) {
	w, err := c.Webhook(ctx, in.ID)
	return &webhookOut{rest.Etag(w.Version), webhookOf(w)}, err
}

type patchWebhookIn struct {
	rest.PathID
	rest.IfMatch
	Body struct {
		URL     *string  `json:"url,omitempty" format:"uri" maxLength:"2048"`
		Events  []string `json:"events,omitempty" maxItems:"50"`
		Active  *bool    `json:"active,omitempty"`
		Format  *string  `json:"format,omitempty" enum:"slack," doc:"slack, or empty for the form of standardwebhooks.com."`
		Version int64    `json:"version,omitempty" doc:"The version that is edited; or use If-Match."`
	}
}

func patchWebhook(ctx context.Context, c *signin.Caller, in *patchWebhookIn) (*webhookOut, error) {
	version, err := in.EditVersion(in.Body.Version)
	if err != nil {
		return nil, err
	}
	w, err := c.UpdateWebhook(ctx, in.ID, version, vault.WebhookEdit{URL: in.Body.URL, Events: in.Body.Events, Active: in.Body.Active, Format: in.Body.Format})
	return &webhookOut{rest.Etag(w.Version), webhookOf(w)}, err
}

func deleteWebhook(ctx context.Context, c *signin.Caller, in *rest.DeleteIn) (*rest.Nothing, error) {
	version, err := in.Version()
	if err != nil {
		return nil, err
	}
	return &rest.Nothing{}, c.DeleteWebhook(ctx, in.ID, version)
}

func testWebhook(ctx context.Context, c *signin.Caller, in *rest.PathID) (*rest.Nothing, error) {
	return &rest.Nothing{}, c.TestWebhook(ctx, in.ID)
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
		CreatedAt: d.CreatedAt, EndedAt: rest.OptionalTime(d.EndedAt), Payload: json.RawMessage(d.Payload)}
	if d.State == vault.DeliveryWaiting {
		b.NextAt = rest.OptionalTime(d.NextAt)
	}
	return b
}

type listDeliveriesIn struct {
	rest.PathID
	rest.PageQuery
}

func listDeliveries(ctx context.Context, c *signin.Caller, in *listDeliveriesIn) (*rest.ListOut[Delivery], error) {
	l, err := c.Deliveries(ctx, in.ID, in.Page())
	return rest.Listed(l, err, deliveryOf)
}

type redeliverIn struct {
	rest.PathID
	DeliveryID string `path:"delivery_id" maxLength:"128"`
}

func redeliver(ctx context.Context, c *signin.Caller, in *redeliverIn) (*rest.Nothing, error) {
	return &rest.Nothing{}, c.Redeliver(ctx, in.ID, in.DeliveryID)
}
