package resolver

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/attache-proxy/attache/resolver/listing"
	"github.com/attache-proxy/attache/resolver/tool"
)

// server is whose tools a call is about.
func (call *Call) server() tool.Server {
	return tool.Server{Organisation: call.Agent.organisation(), Connector: call.Connector.Key, AccountID: call.Account.ID, Account: call.Account.Name, Host: call.deed.Head.Host}
}

// listed filters what an MCP server says.
func (x *exchange) listed(res *http.Response) error {
	d := x.call.deed
	if !d.Guards() {
		return nil
	}
	var replies atomic.Int32
	err := d.Filter(x.req.Context(), res, x.r.tools, x.call.server(), func(id json.RawMessage, method string) {
		if replies.Add(1) <= maxReplies && !x.call.Ended() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(x.req.Context()), 10*time.Second)
			go x.call.refuses(x.r, x.req.Clone(ctx), cancel, id, method)
		}
	})
	if err != nil {
		_ = res.Body.Close()
		return &Refusal{Code: "answer_unsafe", Detail: x.call.Target.Host + " answered, and " + err.Error(), Next: "The service has answered, so do not repeat the request before you know what it did. Tell the operator."}
	}
	return nil
}

// maxReplies is how often, for one answer, a server is told that it may not ask that.
const maxReplies = 16

// refuses tells the server that the client is not asked, where it listens for that at the
// path of the request. Nothing hangs on it.
func (call *Call) refuses(r *Resolver, req *http.Request, done func(), id json.RawMessage, method string) {
	defer done()
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": id, "error": listing.Refusal(method)})
	if err != nil {
		return
	}
	req.Method, req.Body, req.ContentLength, req.Trailer = http.MethodPost, io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
	for _, name := range []string{"Content-Encoding", "Last-Event-Id", "Expect", "Transfer-Encoding", "Range"} {
		delete(req.Header, name)
	}
	req.Header["Content-Type"], req.Header["Content-Length"] = []string{"application/json"}, []string{strconv.Itoa(len(body))}
	reply := &Call{Agent: call.Agent, Connector: call.Connector, Host: call.Host, Account: call.Account, Target: call.Target, HTTPS: call.HTTPS, Kept: call.Kept, Token: call.Token, Method: req.Method, Path: call.Path, methods: []string{req.Method}, writes: true}
	if res, err := r.Send(req, reply); err == nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10))
		_ = res.Body.Close()
	}
}
