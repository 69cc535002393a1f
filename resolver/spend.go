package resolver

import (
	"context"

	"github.com/attache-proxy/attache/resolver/budget"
)

// pay counts the request by its budgets, before a credential is obtained for it.
func (x *exchange) pay() error {
	if x.call.spend == nil {
		return nil
	}
	return x.call.spend.Take(x.req.Context(), budget.Request{Does: x.call.doing(), Up: x.req.ContentLength})
}

// doing is what the call does, as budgets count it; nil where nobody knows.
func (call *Call) doing() (out []budget.Operation) {
	if call.deed == nil {
		return nil
	}
	if request := call.deed.done.Load(); request != nil {
		for i := range request.Does {
			out = append(out, budget.Operation{Name: request.Does[i].Name, Effect: request.Does[i].Effect})
		}
	}
	return out
}

// tokens are what a language model read and wrote.
func (call *Call) tokens() *budget.Tokens { return nil }

// payAtOnce counts what is over when it was permitted: a URL that works without us.
func (call *Call) payAtOnce(ctx context.Context) error {
	if err := call.spend.Take(ctx, budget.Request{Does: call.doing()}); err != nil {
		return err
	}
	call.spend.Reaches()
	call.spend.End(ctx, 0, 0, nil)
	return nil
}
