package admin_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attache-proxy/attache/caddymodule/admin"
	"github.com/attache-proxy/attache/resolver/vault"
	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
)

// hook is somebody's webhook. It fails the first time.
type hook struct {
	mu     sync.Mutex
	got    []*http.Request
	bodies []string
	fail   int
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	b, _ := io.ReadAll(r.Body)
	h.got, h.bodies = append(h.got, r), append(h.bodies, string(b))
	if len(h.got) <= h.fail {
		w.WriteHeader(http.StatusInternalServerError)
	}
}

func (h *hook) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.got)
}

func within(t *testing.T, d time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(d); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %v", what, d)
		}
	}
}

func TestWebhookDelivery(t *testing.T) {
	vaulttest.Each(t, func(t *testing.T, c vault.Config) {
		h := &hook{}
		srv := httptest.NewServer(h)
		defer srv.Close()
		w := newWorld(t, c, nil)
		ctx, cancel := context.WithCancel(t.Context())
		stopped := make(chan struct{})
		go func() { w.api.Run(ctx); close(stopped) }()
		defer func() { cancel(); <-stopped }()
		made := w.want(201, "", "POST", "/webhooks", `{"url":"`+srv.URL+`/x?y=1","events":["account.suspended"]}`)
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(made.str("secret"), "whsec_"))
		if err != nil {
			t.Fatal(err)
		}
		acct := w.account("hooked")
		w.want(200, "", "POST", "/accounts/"+acct+"/suspend", `{"reason":"lunch"}`)
		within(t, 10*time.Second, "a delivery", func() bool { return h.count() == 1 })

		r, body := h.got[0], h.bodies[0]
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(r.Header.Get("Webhook-Id") + "." + r.Header.Get("Webhook-Timestamp") + "." + body))
		if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); r.Header.Get("Webhook-Signature") != want {
			t.Errorf("signature = %s, want %s", r.Header.Get("Webhook-Signature"), want)
		}
		var p struct {
			Type string
			Data struct {
				Account struct {
					ID, State string
					Reason    struct{ Code, Detail string }
				}
			}
		}
		if err := json.Unmarshal([]byte(body), &p); err != nil || p.Type != "account.suspended" || p.Data.Account.ID != acct || p.Data.Account.State != "suspended" || p.Data.Account.Reason.Detail != "lunch" {
			t.Errorf("the body = %s, %v", body, err)
		}
		if strings.Contains(body, "good-secret") {
			t.Errorf("the body holds a secret: %s", body)
		}
		log := "/webhooks/" + made.str("id") + "/deliveries"
		within(t, 5*time.Second, "the delivery log", func() bool {
			l := w.do("GET", log, "")
			return l.len("items") == 1 && l.str("items.0.state") == "delivered" && l.get("items.0.status") == 200.0
		})
		w.want(202, "", "POST", "/webhooks/"+made.str("id")+"/test", "")
		within(t, 5*time.Second, "a ping", func() bool { return h.count() == 2 && strings.Contains(h.bodies[1], `"ping"`) })
		id := w.want(200, "", "GET", log, "").str("items.1.id")
		w.want(202, "", "POST", log+"/"+id+"/redeliver", "")
		within(t, 5*time.Second, "it again", func() bool { return h.count() == 3 })
		if h.got[2].Header.Get("Webhook-Id") != r.Header.Get("Webhook-Id") {
			t.Errorf("a delivery that is repeated has another id")
		}
		w.want(404, "DELIVERY_NOT_FOUND", "POST", log+"/dlv_x/redeliver", "")
		w.want(200, "", "PATCH", "/webhooks/"+made.str("id"), `{"active":false}`, "If-Match", made.header.Get("ETag"))
		w.want(422, "INVALID_INPUT", "POST", "/webhooks", `{"url":"ftp://x","events":["*"]}`)
		w.want(204, "", "DELETE", "/webhooks/"+made.str("id"), "")
	})
}

// TestWebhookRetry: what fails is tried again, later, and noted.
func TestWebhookRetry(t *testing.T) {
	h := &hook{fail: 1}
	srv := httptest.NewServer(h)
	defer srv.Close()
	c := vaulttest.SQLite(t)
	var mu sync.Mutex
	shift := time.Duration(0)
	c.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return time.Now().Add(shift) }
	w := newWorld(t, c, nil)
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() { w.api.Run(ctx); close(stopped) }()
	defer func() { cancel(); <-stopped }()
	made := w.want(201, "", "POST", "/webhooks", `{"url":"`+srv.URL+`","events":["account.created"]}`)
	w.account("x")
	within(t, 10*time.Second, "the first attempt", func() bool { return h.count() == 1 })
	log := "/webhooks/" + made.str("id") + "/deliveries"
	within(t, 5*time.Second, "the failure is noted", func() bool {
		l := w.do("GET", log, "")
		return l.str("items.0.state") == "waiting" && l.get("items.0.status") == 500.0 && l.str("items.0.error") == "answered 500" && l.get("items.0.next_at") != nil
	})
	mu.Lock()
	shift = 10 * time.Second
	mu.Unlock()
	within(t, 10*time.Second, "the second attempt", func() bool { return h.count() == 2 })
	within(t, 5*time.Second, "success", func() bool {
		l := w.do("GET", log, "")
		return l.str("items.0.state") == "delivered" && l.get("items.0.attempts") == 2.0
	})
}

// guarded refuses every address, as the egress guard refuses private ones.
type guarded struct{}

func (guarded) Do(*http.Request) (*http.Response, error) {
	return nil, &http.MaxBytesError{} // some error
}

func TestWebhookRefused(t *testing.T) {
	w := newWorld(t, vaulttest.SQLite(t), func(c *admin.Config) { c.HTTP = guarded{} })
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() { w.api.Run(ctx); close(stopped) }()
	defer func() { cancel(); <-stopped }()
	made := w.want(201, "", "POST", "/webhooks", `{"url":"http://169.254.169.254/latest?token=canary-77","events":["*"]}`)
	w.account("x")
	within(t, 10*time.Second, "the failure is noted", func() bool {
		l := w.do("GET", "/webhooks/"+made.str("id")+"/deliveries", "")
		if strings.Contains(l.raw, "canary-77") {
			t.Errorf("the delivery log shows the address: %s", l.raw)
		}
		return strings.HasPrefix(l.str("items.0.error"), "no answer")
	})
}
