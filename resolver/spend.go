package resolver

import (
	"cmp"
	"context"
	"net/http"

	"github.com/attache-proxy/attache/providers/usage"
	"github.com/attache-proxy/attache/resolver/budget"
	"github.com/attache-proxy/attache/resolver/tap"
)

// pay counts the request by its budgets, before a credential is obtained for it.
func (x *exchange) pay() error {
	call := x.call
	if call.spend == nil {
		return nil
	}
	r := budget.Request{Does: call.doing(), Up: x.req.ContentLength}
	if spec := call.usesTokens(); spec != nil {
		t := spec.Asked(x.body.Buffered, x.req.ContentLength)
		r.Tokens = budget.Tokens{Model: cmp.Or(t.Model, usage.ModelOf(call.Path)), In: t.In, Out: t.Out}
	}
	return call.spend.Take(x.req.Context(), r)
}

// usesTokens reads the tokens of a language model that the call uses; nil where nobody
// counts them.
func (call *Call) usesTokens() *usage.Spec {
	if call.spend == nil || call.Connector == nil || !call.spend.ByTokens() {
		return nil
	}
	return call.Connector.TokensOf(call.methods[0], call.Path)
}

// taps reads the tokens of an answer while it passes.
func (x *exchange) taps(res *http.Response) {
	if spec := x.call.usesTokens(); spec != nil && res.StatusCode != http.StatusSwitchingProtocols && res.Body != nil {
		x.call.tap = tap.On(res, spec, usage.Files(x.req.Header))
	}
}

// doing is what the call does, as budgets count it; nil where nobody knows.
func (call *Call) doing() (out []budget.Operation) {
	if call.deed == nil {
		return nil
	}
	if request := call.deed.Done(); request != nil {
		for i := range request.Does {
			out = append(out, budget.Operation{Name: request.Does[i].Name, Effect: request.Does[i].Effect})
		}
	}
	return out
}

// tokens are what a language model read and wrote; nil where that is not known, since no
// answer came.
func (call *Call) tokens() *budget.Tokens {
	if call.tap == nil {
		return nil
	}
	t := call.tap.Tokens(call.Outcome.Sent())
	return &budget.Tokens{Model: cmp.Or(t.Model, usage.ModelOf(call.Path)), In: t.In, Out: t.Out}
}

// payAtOnce counts what is over when it was permitted: a URL that works without us.
func (call *Call) payAtOnce(ctx context.Context) error {
	if err := call.spend.Take(ctx, budget.Request{Does: call.doing()}); err != nil {
		return err
	}
	call.spend.Reaches()
	call.spend.End(ctx, 0, 0, nil)
	return nil
}
