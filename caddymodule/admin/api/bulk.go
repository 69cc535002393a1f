package api

import (
	"context"
	"net/http"
	"sync"

	"github.com/attache-proxy/attache/caddymodule/admin/rest"
	"github.com/attache-proxy/attache/caddymodule/admin/signin"
	"github.com/attache-proxy/attache/resolver/problem"
	"github.com/attache-proxy/attache/resolver/vault"
)

// bulkAtOnce is how many items are worked on at the same time: most of it is
// waiting for services.
const bulkAtOnce = 8

func mountBulk(a *API) {
	rest.Register(a.rest, rest.Operation{ID: "bulk-create-accounts", Method: http.MethodPost, Path: "/accounts/bulk", Role: vault.RoleOperator, Noun: "ACCOUNT", Body: rest.MaxBody, Summary: "Make many accounts",
		Detail: "Each item is as for POST /accounts and succeeds or fails alone."}, a.bulkCreate)
	rest.Register(a.rest, rest.Operation{ID: "bulk-refresh-accounts", Method: http.MethodPost, Path: "/accounts/bulk/refresh", Role: vault.RoleOperator, Noun: "ACCOUNT", Summary: "Refresh many accounts"}, a.bulkRefresh)
	rest.Register(a.rest, rest.Operation{ID: "bulk-account-settings", Method: http.MethodPost, Path: "/accounts/bulk/settings", Role: vault.RoleOperator, Noun: "ACCOUNT", Summary: "Change the settings of many accounts",
		Detail: "Settings that are absent stay as they are."}, a.bulkSettings)
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
	Index   int              `json:"index" doc:"Which item of the request this is about, from 0."`
	ID      string           `json:"id,omitempty"`
	Status  int              `json:"status" doc:"As the request for this item alone would have been answered."`
	Account *Account         `json:"account,omitempty"`
	Error   *problem.Problem `json:"error,omitempty"`
}

// bulk works on n items and collects what became of each.
func (a *API) bulk(ctx context.Context, c *signin.Caller, n, success int, f func(ctx context.Context, i int) (vault.Account, error)) *bulkOut {
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

func (a *API) result(ctx context.Context, c *signin.Caller, i, success int, f func(ctx context.Context, i int) (vault.Account, error)) BulkResult {
	acct, err := f(ctx, i)
	if err != nil {
		p := a.rest.Explain(err, "ACCOUNT", nil)
		return BulkResult{Index: i, ID: acct.ID, Status: p.Status, Error: p}
	}
	b := AccountOf(acct)
	return BulkResult{Index: i, ID: acct.ID, Status: success, Account: &b}
}

type bulkCreateIn struct {
	Body struct {
		Items []NewAccount `json:"items" minItems:"1" maxItems:"1000"`
	}
}

func (a *API) bulkCreate(ctx context.Context, c *signin.Caller, in *bulkCreateIn) (*bulkOut, error) {
	return a.bulk(ctx, c, len(in.Body.Items), http.StatusCreated, func(ctx context.Context, i int) (vault.Account, error) {
		return a.makeAccount(ctx, c, &in.Body.Items[i])
	}), nil
}

type bulkIDsIn struct {
	Body struct {
		IDs []string `json:"ids" minItems:"1" maxItems:"1000"`
	}
}

func (a *API) bulkRefresh(ctx context.Context, c *signin.Caller, in *bulkIDsIn) (*bulkOut, error) {
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

func (a *API) bulkSettings(ctx context.Context, c *signin.Caller, in *bulkSettingsIn) (*bulkOut, error) {
	return a.bulk(ctx, c, len(in.Body.IDs), http.StatusOK, func(ctx context.Context, i int) (vault.Account, error) {
		acct, err := a.changeSettings(ctx, c, in.Body.IDs[i], in.Body.Settings)
		if err != nil {
			acct.ID = in.Body.IDs[i]
		}
		return acct, err
	}), nil
}

func (a *API) changeSettings(ctx context.Context, c *signin.Caller, id string, s *SettingsEdit) (vault.Account, error) {
	if err := a.editable(id); err != nil {
		return vault.Account{}, err
	}
	return c.UpdateAccount(ctx, id, 0, vault.AccountEdit{ChangeSettings: s.over})
}
