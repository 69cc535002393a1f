package resolver_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver"
	"github.com/attache-proxy/attache/resolver/approval"
	"github.com/attache-proxy/attache/resolver/vault"
	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
)

// hall is a world in which a person is asked.
type hall struct {
	*world
	desk   *approval.Desk
	vault  *vault.Vault
	person *vault.View
	// came counts what the service got, and bodies are what was in it.
	came   atomic.Int32
	mu     sync.Mutex
	bodies []string
}

func newHall(t *testing.T, store func(approval.Store) approval.Store, lines ...string) *hall {
	t.Helper()
	v := vaulttest.Open(t, vaulttest.SQLite(t))
	h := &hall{vault: v, person: v.As(vault.Actor{Kind: "person", Name: "kim"}, vault.All)}
	var s approval.Store = v
	if store != nil {
		s = store(v)
	}
	h.desk = approval.NewDesk(s, approval.Default)
	t.Cleanup(v.Subscribe(func(c vault.Change) {
		if c.Kind == vault.KindApproval {
			h.desk.Heard(c.ID)
		}
	}))
	h.world = newWorld(t, worldConfig{yaml: deedYAML, desk: h.desk, accounts: []*resolver.Account{{Name: "one", Fields: secret.Values{"key": secret.New("k-0123456789")}}},
		grants: []resolver.Grant{{Connector: "svc", Write: true, Operations: ruleSet(t, lines...)}},
		service: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			h.came.Add(1)
			h.mu.Lock()
			h.bodies = append(h.bodies, string(body))
			h.mu.Unlock()
		})})
	return h
}

// open waits for a question that is open.
func (h *hall) open() approval.Approval {
	h.t.Helper()
	for range 1000 {
		l, err := h.person.Approvals(context.Background(), vault.ApprovalFilter{State: approval.Pending}, vault.Page{})
		if err != nil {
			h.t.Fatal(err)
		}
		if len(l.Items) > 0 {
			a, err := h.person.Approval(context.Background(), l.Items[0].ID)
			if err != nil {
				h.t.Fatal(err)
			}
			return a
		}
		time.Sleep(10 * time.Millisecond)
	}
	h.t.Fatal("nobody is asked")
	return approval.Approval{}
}

func (h *hall) answer(id string, yes bool, scope approval.Scope, reason string) {
	h.t.Helper()
	if _, err := h.person.Answer(context.Background(), id, vault.Decision{Yes: yes, Scope: scope, Reason: reason}); err != nil {
		h.t.Fatal(err)
	}
}

// code is the refusal's, or what came.
func code(err error) string {
	if ref, ok := resolver.AsRefusal(err); ok {
		return ref.Code
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// What asks, and what the person is shown: by head and by body, whatever the method is
// called, and before anything of it is sent.
func TestHeld(t *testing.T) {
	const mutation = `{"query":"mutation { mergePull(id: 7) { id } }"}`
	for _, c := range []struct {
		name, rules string
		sent        sent
		operation   string
		preview     string
		scopes      string
	}{
		{"path", "ask POST /x", sent{head: "POST /x?force=true&token=abc" + asJSON, body: `{"a":1}`}, "", `{"a":1}`, "once minutes"},
		{"head of get", "ask GET /x", sent{head: "HEAD /x"}, "", "", "once minutes"},
		{"override", "ask DELETE /x|allow *", sent{head: "POST /x\nX-Http-Method-Override: DELETE"}, "", "", "once minutes"},
		{"mutation", "ask mutation merge*|allow read", sent{head: "POST /graphql" + asJSON, body: mutation}, "mutation mergePull", mutation, "once minutes"},
		{"gzip", "ask mutation merge*|allow read", sent{head: "POST /graphql\nContent-Encoding: gzip" + asJSON, body: gzipped(mutation)}, "mutation mergePull", mutation, "once minutes"},
		{"tool", "ask tools/call drop|allow read", sent{head: "POST /mcp" + asJSON, body: `{"method":"tools/call","params":{"name":"drop"}}`}, "tools/call drop", `{"method":"tools/call","params":{"name":"drop"}}`, "once minutes"},
		{"unsure", "ask repos/delete|allow *", sent{head: "DELETE /x"}, "", "", "once minutes"},
		{"batch", "allow query *|ask mutation *", sent{head: "POST /graphql" + asJSON, body: `[{"query":"{a}"},{"query":"mutation{b}"}]`}, "query a + mutation b", `[{"query":"{a}"},{"query":"mutation{b}"}]`, "once minutes"},
		{"bytes", "ask POST /x", sent{head: "POST /x\nContent-Type: application/octet-stream", body: "\x00\x01"}, "", "", "once minutes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHall(t, nil, strings.Split(c.rules, "|")...)
			done := make(chan error, 1)
			go func() {
				_, _, err := h.asks(t, c.sent, false)
				done <- err
			}()
			a := h.open()
			if a.Operation != c.operation || a.Preview.Body != c.preview || a.Agent != "tester" || a.Account != "one" || a.Connector != "svc" {
				t.Errorf("the person sees %+v", a)
			}
			for _, p := range a.Preview.Query {
				if strings.Contains(p.Value, "abc") {
					t.Errorf("a credential in the query is shown: %v", a.Preview.Query)
				}
			}
			var scopes []string
			for _, s := range a.Scopes() {
				scopes = append(scopes, string(s))
			}
			if got := strings.Join(scopes, " "); got != c.scopes {
				t.Errorf("offers %s", got)
			}
			if h.came.Load() != 0 {
				t.Error("it was sent before anybody said yes")
			}
			h.answer(a.ID, true, approval.Once, "")
			if err := <-done; err != nil || h.came.Load() != 1 || h.bodies[0] != c.sent.body {
				t.Errorf("after a yes: %v, %d came, %q", err, h.came.Load(), h.bodies)
			}
			got, err := h.person.Approval(t.Context(), a.ID)
			if err != nil || got.State != approval.Used {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

// No is no, with the reason, and for the same request for a while; silence is no, too;
// who hangs up withdraws; the end of a configuration lets go of what waits.
func TestHeldIsRefused(t *testing.T) {
	h := newHall(t, nil, "ask POST /no", "ask POST /silence wait 1s", "ask POST /later nowait", "ask *")
	done := make(chan error, 1)
	send := func(ctx context.Context, path string) {
		_, err := h.doWith(ctx, "POST", path)
		done <- err
	}
	go send(t.Context(), "/no")
	a := h.open()
	h.answer(a.ID, false, "", "not on a Friday")
	err := <-done
	if ref, ok := resolver.AsRefusal(err); !ok || ref.Code != "approval_denied" || !strings.Contains(ref.Detail, "not on a Friday") || ref.Approval != a.ID {
		t.Errorf("denied: %v", err)
	}
	if send(t.Context(), "/no"); code(<-done) != "approval_denied" {
		t.Error("the same is asked again at once")
	}

	send(t.Context(), "/silence")
	err = <-done
	ref, _ := resolver.AsRefusal(err)
	if code(err) != "approval_pending" || ref.RetryAfter == 0 || ref.Approval != h.open().ID || !strings.Contains(ref.Next, ref.Approval) {
		t.Errorf("silence: %v", err)
	}
	h.answer(ref.Approval, true, approval.Once, "")
	if send(t.Context(), "/silence"); code(<-done) != "" {
		t.Error("a later yes is none")
	}

	ctx, hangUp := context.WithCancel(t.Context())
	go send(ctx, "/hangs-up")
	a = h.open()
	hangUp()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("hung up: %v", err)
	}
	if got, err := h.person.Approval(t.Context(), a.ID); err != nil || got.State != approval.Withdrawn {
		t.Errorf("who hung up still asks: %+v, %v", got, err)
	}

	go send(t.Context(), "/reload")
	a = h.open()
	h.desk.Close()
	if got := code(<-done); got != "approval_pending" || h.desk.Held() != 0 {
		t.Errorf("at the end of a configuration: %s, %d are held", got, h.desk.Held())
	}
	if h.came.Load() != 1 {
		t.Errorf("%d came", h.came.Load())
	}
}

func (h *hall) doWith(ctx context.Context, method, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "https://svc.example"+path, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	ask := resolver.AskOf(req, req.URL)
	ask.Agent, ask.Target = h.agent, resolver.Target{Host: "svc.example", Port: "443"}
	call, err := h.Decide(ctx, ask)
	if err != nil {
		return nil, err
	}
	res, err := h.Send(req, call)
	if err == nil {
		res.Body.Close()
	}
	return res, err
}

// A yes is for one request, of which twenty come at once; and not for another body,
// another parameter or a header that means something else.
func TestYesIsUsedOnce(t *testing.T) {
	h := newHall(t, nil, "ask POST /x nowait")
	first := sent{head: "POST /x?a=1" + asJSON, body: "{}"}
	_, _, err := h.asks(t, first, false)
	ref, _ := resolver.AsRefusal(err)
	if code(err) != "approval_pending" {
		t.Fatal(err)
	}
	h.answer(ref.Approval, true, approval.Once, "")
	for what, other := range map[string]sent{
		"body": {head: first.head, body: "{ }"}, "query": {head: "POST /x?a=2" + asJSON, body: "{}"}, "path": {head: "POST /x/?a=1" + asJSON, body: "{}"},
		"type": {head: "POST /x?a=1\nContent-Type: text/plain", body: "{}"}, "override": {head: first.head + "\nX-Http-Method-Override: POST", body: "{}"}, "header": {head: first.head + "\nX-Target: other", body: "{}"},
	} {
		if _, _, err := h.asks(t, other, false); err == nil {
			t.Errorf("a yes is good for another %s", what)
		}
	}
	var codes sync.Map
	var all sync.WaitGroup
	again := first
	again.head += "\nUser-Agent: another\nTraceparent: 00-1\nAccept: */*\nAuthorization: Bearer whatever"
	for range 20 {
		all.Go(func() {
			_, _, err := h.asks(t, again, false)
			n, _ := codes.LoadOrStore(code(err), new(atomic.Int32))
			n.(*atomic.Int32).Add(1)
		})
	}
	all.Wait()
	if n, ok := codes.Load(""); !ok || n.(*atomic.Int32).Load() != 1 || h.came.Load() != 1 {
		codes.Range(func(k, v any) bool { t.Log(k, v.(*atomic.Int32).Load()); return true })
		t.Errorf("%d came", h.came.Load())
	}
}

// A message of JSON-RPC is the same when it is sent again with the next number, and not with
// another argument.
func TestYesIsForTheSameCall(t *testing.T) {
	h := newHall(t, nil, "ask tools/call drop nowait")
	call := func(id, meta, table string) error {
		_, _, err := h.asks(t, sent{head: "POST /mcp" + asJSON, body: `{"jsonrpc":"2.0","id":` + id + `,"method":"tools/call","params":{"name":"drop","arguments":{"table":"` + table + `"}` + meta + `}}`}, false)
		return err
	}
	ref, _ := resolver.AsRefusal(call("1", `,"_meta":{"progressToken":1}`, "a"))
	if ref == nil || ref.Code != "approval_pending" {
		t.Fatal(ref)
	}
	h.answer(ref.Approval, true, approval.Once, "")
	for _, other := range []error{call("2", "", "b"), call("2", `,"_meta":{"tenant":"x"}`, "a"), call("2", `,"x":1`, "a")} {
		if code(other) != "approval_pending" {
			t.Errorf("another call: %v", other)
		}
	}
	if err := call(`"seven"`, `,"_meta":{"progressToken":2}`, "a"); err != nil {
		t.Errorf("the same call: %v", err)
	}
	if err := call("9", "", "a"); code(err) != "approval_pending" {
		t.Errorf("once more: %v", err)
	}
}

// A body that is too long to be known again is streamed after a yes that comes while it
// waits, and else is not.
func TestHeldLongBody(t *testing.T) {
	h := newHall(t, nil, "ask POST /x", "ask POST /later nowait")
	body := strings.Repeat("0123456789", 20_000)
	done := make(chan error, 1)
	go func() {
		_, _, err := h.asks(t, sent{head: "POST /x\nContent-Type: text/plain", reader: bytes.NewReader([]byte(body))}, false)
		done <- err
	}()
	a := h.open()
	if !a.Flight || a.Preview.Bytes != -1 || len(a.Preview.Body) != approval.MaxBody || a.Preview.Note == "" {
		t.Errorf("the person sees %d bytes, %q", len(a.Preview.Body), a.Preview.Note)
	}
	h.answer(a.ID, true, approval.Once, "")
	if err := <-done; err != nil || h.bodies[0] != body {
		t.Errorf("%v, %d bytes came", err, len(h.bodies))
	}
	_, _, err := h.asks(t, sent{head: "POST /later\nContent-Type: text/plain", body: body}, false)
	if code(err) != "approval_expired" {
		t.Errorf("nowait: %v", err)
	}
}

// broken fails at one step.
type broken struct {
	approval.Store
	file, use error
}

func (b *broken) FileApproval(ctx context.Context, r *approval.Request) (approval.Approval, bool, error) {
	if b.file != nil {
		return approval.Approval{}, false, b.file
	}
	return b.Store.FileApproval(ctx, r)
}

func (b *broken) UseApproval(ctx context.Context, id string) error {
	if b.use != nil {
		return b.use
	}
	return b.Store.UseApproval(ctx, id)
}

// What cannot be asked or recorded is not sent.
func TestHeldFailsClosed(t *testing.T) {
	b := new(broken)
	h := newHall(t, func(s approval.Store) approval.Store { b.Store = s; return b }, "ask * nowait")
	b.file = vault.ErrUnavailable
	if _, err := h.doWith(t.Context(), "POST", "/x"); code(err) != "vault_unavailable" {
		t.Errorf("the vault is away: %v", err)
	}
	b.file = approval.ErrTooMany
	if _, err := h.doWith(t.Context(), "POST", "/x"); code(err) != "approval_limit" {
		t.Errorf("too many: %v", err)
	}
	b.file = nil
	_, err := h.doWith(t.Context(), "POST", "/x")
	ref, _ := resolver.AsRefusal(err)
	h.answer(ref.Approval, true, approval.Once, "")
	b.use = vault.ErrUnavailable
	if _, err := h.doWith(t.Context(), "POST", "/x"); code(err) != "vault_unavailable" {
		t.Errorf("the use cannot be recorded: %v", err)
	}
	if h.came.Load() != 0 {
		t.Errorf("%d came", h.came.Load())
	}
	if w := deedWorld(t, &seen{}, "ask *"); true {
		if _, _, err := w.asks(t, sent{head: "POST /x"}, false); code(err) != "operation_denied" {
			t.Errorf("where nobody can be asked: %v", err)
		}
	}
}
