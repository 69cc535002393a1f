// Package webhooks is the resource of that name, and the courier that delivers.
package webhooks

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/attache-proxy/attache/caddymodule/admin/rest"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault"
)

// Doer sends a request.
type Doer interface {
	Do(*http.Request) (*http.Response, error)
}

// Courier sends webhooks. Every replica has one; a delivery is claimed by one of
// them at a time.
type Courier struct {
	Vault *vault.Vault
	HTTP  Doer
	Log   *slog.Logger
	Now   func() time.Time
	// PublicURL is where people reach the dashboard; may be empty.
	PublicURL string
	// Failed hears of each attempt that failed; may be nil.
	Failed func()
}

const (
	courierEvery = time.Second
	courierBatch = 16
	// courierHold is how long a claim lasts; an attempt takes less.
	courierHold    = time.Minute
	courierTimeout = 15 * time.Second
)

// pauses between attempts; after the last the delivery has failed. Together they
// are a bit over a day.
var pauses = []time.Duration{
	5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 4 * time.Hour, 8 * time.Hour, 10 * time.Hour,
}

func (c *Courier) Run(ctx context.Context) {
	tick := time.NewTicker(courierEvery)
	defer tick.Stop()
	for {
		for c.round(ctx) == courierBatch && ctx.Err() == nil { // more may be due
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// round sends what is due and returns how much that was.
func (c *Courier) round(ctx context.Context) int {
	due, err := c.Vault.ClaimDeliveries(ctx, courierBatch, courierHold)
	if err != nil {
		if ctx.Err() == nil {
			c.Log.Warn("looking for webhooks to send", "error", err)
		}
		return 0
	}
	var wg sync.WaitGroup
	for i := range due {
		wg.Go(func() { c.deliver(ctx, &due[i]) })
	}
	wg.Wait()
	return len(due)
}

func (c *Courier) deliver(ctx context.Context, d *vault.Due) {
	status, err := c.send(ctx, d)
	problem := ""
	var next time.Time
	if err != nil {
		if c.Failed != nil {
			c.Failed()
		}
		problem = err.Error()
		if d.Attempts <= len(pauses) {
			pause := pauses[d.Attempts-1]
			next = c.Now().Add(pause + rand.N(pause/10+1))
		}
	}
	// Also when we are stopping: who claims it again would send it twice.
	end, cancel := rest.Afterwards(ctx)
	defer cancel()
	if err := c.Vault.FinishDelivery(end, d.ID, status, problem, next); err != nil {
		c.Log.Warn("noting what became of a webhook", "delivery", d.ID, "error", err)
	}
}

// send makes one attempt. Any status from 200 to 299 is success.
func (c *Courier) send(ctx context.Context, d *vault.Due) (int, error) {
	if c.HTTP == nil {
		return 0, errors.New("nothing sends webhooks here")
	}
	ctx, cancel := context.WithTimeout(ctx, courierTimeout)
	defer cancel()
	body := d.Payload
	if d.Format == "slack" {
		body = slack(d.Payload, c.PublicURL)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.URL, strings.NewReader(body))
	if err != nil {
		return 0, errors.New("the address is no URL")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "attache-webhooks")
	sign(req.Header, d.EventID, c.Now(), body, d.Key)
	res, err := c.HTTP.Do(req)
	if err != nil {
		return 0, fmt.Errorf("no answer: %w", unwrapURL(err))
	}
	defer res.Body.Close()
	_, _ = io.CopyN(io.Discard, res.Body, 64<<10)
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return res.StatusCode, fmt.Errorf("answered %d", res.StatusCode)
	}
	return res.StatusCode, nil
}

// unwrapURL leaves out the address, which may have a secret in its query.
func unwrapURL(err error) error {
	if inner := errors.Unwrap(err); inner != nil {
		return inner
	}
	return err
}

// sign writes the headers of Standard Webhooks (v1: HMAC-SHA256 over
// id.timestamp.body).
// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
func sign(h http.Header, id string, at time.Time, body string, key secret.Value) {
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(key.Reveal(), "whsec_"))
	if err != nil {
		raw = []byte(key.Reveal())
	}
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, raw)
	var signed bytes.Buffer
	signed.WriteString(id + "." + stamp + "." + body)
	mac.Write(signed.Bytes())
	h.Set("Webhook-Id", id)
	h.Set("Webhook-Timestamp", stamp)
	h.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}
