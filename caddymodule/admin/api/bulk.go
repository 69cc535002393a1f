package admin

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"github.com/attache-proxy/attache/resolver/vault"
)

// bulkBytes is the largest body of a bulk request, and bulkAtOnce how many items
// are worked on at the same time (most of it is waiting for services).
const (
	bulkBytes  = 16 << 20
	bulkAtOnce = 8
)

func mountBulk(a *API) {
	register(a, operation{id: "bulk-create-accounts", method: http.MethodPost, path: "/accounts/bulk", role: vault.RoleOperator, noun: "ACCOUNT", body: bulkBytes, summary: "Make many accounts",
		detail: "Each item is as for POST /accounts and succeeds or fails alone."}, a.bulkCreate)
	register(a, operation{id: "bulk-refresh-accounts", method: http.MethodPost, path: "/accounts/bulk/refresh", role: vault.RoleOperator, noun: "ACCOUNT", summary: "Refresh many accounts"}, a.bulkRefresh)
	register(a, operation{id: "bulk-account-settings", method: http.MethodPost, path: "/accounts/bulk/settings", role: vault.RoleOperator, noun: "ACCOUNT", summary: "Change the settings of many accounts",
		detail: "Settings that are absent stay as they are."}, a.bulkSettings)
}

// bulkOut has a result per item, in the order of the request.
type bulkOut struct {
	Body struct {
		Succeeded int          `json:"succeeded"`
		Failed    int          `json:"failed"`
		Results   []BulkResult `json:"results"`
	}
}

type BulkResult struct {
	Index   int      `json:"index" doc:"Which item of the request this is about, from 0."`
	ID      string   `json:"id,omitempty"`
	Status  int      `json:"status" doc:"As the request for this item alone would have been answered."`
	Account *Account `json:"account,omitempty"`
	Error   *Problem `json:"error,omitempty"`
}

// bulk works on n items and collects what became of each.
func (a *API) bulk(ctx context.Context, c *Caller, n, success int, f func(ctx context.Context, i int) (vault.Account, error)) *bulkOut {
	out := &bulkOut{}
	out.Body.Results = make([]BulkResult, n)
	var wg sync.WaitGroup
	turn := make(chan struct{}, bulkAtOnce)
	for i := range n {
		turn <- struct{}{}
		wg.Go(func() {
			defer func() { <-turn }()
			out.Body.Results[i] = a.result(ctx, c, i, success, f)
		})
	}
	wg.Wait()
	for _, r := range out.Body.Results {
		if r.Error == nil {
			out.Body.Succeeded++
		} else {
			out.Body.Failed++
		}
	}
	return out
}

func (a *API) result(ctx context.Context, c *Caller, i, success int, f func(ctx context.Context, i int) (vault.Account, error)) BulkResult {
	acct, err := f(ctx, i)
	if err != nil {
		r := BulkResult{Index: i, ID: acct.ID}
		if !errors.As(a.explain(err, "ACCOUNT", nil), &r.Error) {
			r.Error = problem(http.StatusInternalServerError, "INTERNAL", "Something went wrong here; the log has the cause.")
		}
		r.Status = r.Error.Status
		return r
	}
	b := accountOf(acct)
	return BulkResult{Index: i, ID: acct.ID, Status: success, Account: &b}
}

type bulkCreateIn struct {
	Body struct {
		Items []NewAccount `json:"items" minItems:"1" maxItems:"1000"`
	}
}

func (a *API) bulkCreate(ctx context.Context, c *Caller, in *bulkCreateIn) (*bulkOut, error) {
	return a.bulk(ctx, c, len(in.Body.Items), http.StatusCreated, func(ctx context.Context, i int) (vault.Account, error) {
		return a.makeAccount(ctx, c, &in.Body.Items[i])
	}), nil
}

type bulkIDsIn struct {
	Body struct {
		IDs []string `json:"ids" minItems:"1" maxItems:"1000"`
	}
}

func (a *API) bulkRefresh(ctx context.Context, c *Caller, in *bulkIDsIn) (*bulkOut, error) {
	return a.bulk(ctx, c, len(in.Body.IDs), http.StatusOK, func(ctx context.Context, i int) (vault.Account, error) {
		acct, err := a.refresh(ctx, c, in.Body.IDs[i])
		if err != nil {
			acct.ID = in.Body.IDs[i]
		}
		return acct, err
	}), nil
}

type bulkSettingsIn struct {
	Body struct {
		IDs      []string      `json:"ids" minItems:"1" maxItems:"1000"`
		Settings *SettingsEdit `json:"settings"`
	}
}

func (a *API) bulkSettings(ctx context.Context, c *Caller, in *bulkSettingsIn) (*bulkOut, error) {
	return a.bulk(ctx, c, len(in.Body.IDs), http.StatusOK, func(ctx context.Context, i int) (vault.Account, error) {
		acct, err := a.changeSettings(ctx, c, in.Body.IDs[i], in.Body.Settings)
		if err != nil {
			acct.ID = in.Body.IDs[i]
		}
		return acct, err
	}), nil
}

func (a *API) changeSettings(ctx context.Context, c *Caller, id string, s *SettingsEdit) (vault.Account, error) {
	if err := a.editable(id); err != nil {
		return vault.Account{}, err
	}
	return c.UpdateAccount(ctx, id, 0, vault.AccountEdit{ChangeSettings: s.over})
}
