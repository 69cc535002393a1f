package resolver

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/attache-proxy/attache/providers/sign"
	"github.com/attache-proxy/attache/resolver/limit"
	"github.com/attache-proxy/attache/resolver/operation"
	"github.com/attache-proxy/attache/resolver/override"
	"github.com/attache-proxy/attache/resolver/spool"
)

const (
	// maxReplayBytes is up to what length a body is kept to be sent again after a 401.
	maxReplayBytes = 1 << 20
	// DefaultSignedBody is up to what length a body is kept because the signature
	// needs it, unless the configuration says otherwise.
	DefaultSignedBody = 16 << 20
)

// takeBody buffers the body where the signature needs it, or where a 401 could
// make us send it again. Otherwise it streams.
func (x *exchange) takeBody() error {
	req, call, t := x.req, x.call, &x.body
	judged := call.deed.Waits() && !call.deed.Unread(req.ContentLength)
	if req.Body == nil || req.Body == http.NoBody {
		t.Held, t.Replayable = true, true
		if judged {
			return x.r.judgeBody(req.Context(), call, nil, nil)
		}
		return nil
	}
	// Whether one needs it may hang on the host that the request will go to.
	if x.signer.NeedsBody() {
		x.ready = x.outgoing()
		t.Signer = sign.NeedsBody(x.signer, &x.ready.req)
	}
	replay := (x.r.credentials.CanRefresh(call.Account) || call.usesTokens() != nil) && req.ContentLength > 0 && req.ContentLength <= maxReplayBytes
	look, err := override.For(req.Header, call.onlyReads)
	if err != nil || !t.Signer && !replay && look == nil && !judged {
		return err
	}
	most := look.Most(x.r.maxBody)
	if judged {
		most = operation.MaxBody
	}
	if req.ContentLength > most {
		return x.tooLarge(most)
	}
	if call.Agent != nil {
		t.Agent = call.Agent.Limit
	}
	n, err := t.Read(req.Body, req.ContentLength, most)
	if err == nil && n <= most && look != nil {
		err = look.Check(t.Reader(), n, t.Agent)
	}
	if err == nil && n <= most && judged {
		err = x.r.judgeBody(req.Context(), call, t.Buffered, t.Agent)
	}
	var disk *spool.Error
	var full *limit.FullError
	var ref *Refusal
	if err != nil || n > most {
		t.Close()
	}
	switch {
	case errors.As(err, &full):
		return TooMany(call.Agent, full.Kind)
	case errors.As(err, &disk):
		return &Refusal{Code: "cannot_sign", Status: http.StatusServiceUnavailable, Err: err,
			Detail: fmt.Sprintf("connector %s signs the body, and this one cannot be kept on disk meanwhile", call.Connector.Key), Next: "Try again later, or send a smaller body."}
	case errors.As(err, &ref):
		return ref
	case err != nil:
		return &Refusal{Code: "bad_request", Err: err, Detail: "the request body broke off", Next: "Send the request again, whole."}
	case n > most:
		return x.tooLarge(most)
	}
	t.Held, t.Replayable = true, true
	return nil
}

func (x *exchange) tooLarge(most int64) error {
	if x.call.deed.Waits() {
		return x.call.bodyTooLong()
	}
	if most < x.r.maxBody {
		return override.TooLarge()
	}
	size := fmt.Sprintf("%d MiB", x.r.maxBody>>20)
	if x.r.maxBody%(1<<20) != 0 {
		size = fmt.Sprintf("%d bytes", x.r.maxBody)
	}
	return &Refusal{Code: "cannot_sign", Status: http.StatusRequestEntityTooLarge,
		Detail: fmt.Sprintf("connector %s signs the body, and this one is larger than %s", x.call.Connector.Key, size),
		Next:   "Send a smaller body, for example in parts."}
}
