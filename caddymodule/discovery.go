package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/attache-proxy/attache/caddymodule/client"
	"github.com/attache-proxy/attache/caddymodule/live"
	"github.com/attache-proxy/attache/caddymodule/runs"
	"github.com/attache-proxy/attache/caddymodule/version"
	"github.com/attache-proxy/attache/resolver"
	"github.com/attache-proxy/attache/resolver/approval"
	"github.com/attache-proxy/attache/resolver/denial"
	"github.com/attache-proxy/attache/resolver/vault"
)

// wellKnown is where the proxy says what a client must know of it: the CA to
// trust, and which services the agent may call. No secret is in it.
const wellKnown = "/.well-known/attache"

// wellKnown answers what is under /.well-known/attache. The CA certificate is
// public: a client needs it before it can do anything.
func (v *visit) wellKnown() error {
	switch rest := strings.TrimPrefix(v.r.URL.Path, wellKnown); {
	case rest == "/ca.pem" && readsOnly(v.r.Method):
		v.w.Header().Set("Content-Type", "application/x-pem-file")
		_, _ = v.w.Write(v.h.app.rootPEM())
		return errServed
	case client.WellKnown+rest == client.ProofPath && readsOnly(v.r.Method):
		return v.prove()
	case rest == "" && readsOnly(v.r.Method):
		if _, err := v.identifyDirect(); err != nil {
			return err
		}
		return v.about()
	case strings.HasPrefix(rest, "/test/") && v.r.Method == http.MethodPost:
		if _, err := v.identifyDirect(); err != nil {
			return err
		}
		return v.test(strings.TrimPrefix(rest, "/test/"))
	case strings.HasPrefix(wellKnown+rest, approval.Path) && readsOnly(v.r.Method):
		if _, err := v.identifyDirect(); err != nil {
			return err
		}
		return v.approval(strings.TrimPrefix(wellKnown+rest, approval.Path))
	case wellKnown+rest == denial.Path && v.r.Method == http.MethodPost:
		if _, err := v.identifyDirect(); err != nil {
			return err
		}
		return v.propose()
	case strings.HasPrefix(wellKnown+rest, denial.Path+"/") && readsOnly(v.r.Method):
		if _, err := v.identifyDirect(); err != nil {
			return err
		}
		return v.approval(strings.TrimPrefix(wellKnown+rest, denial.Path+"/"))
	case runs.Serves(wellKnown + rest):
		if _, err := v.identifyDirect(); err != nil {
			return err
		}
		answer, err := v.h.app.runs.Serve(v.r, v.agent, v.token)
		if err != nil {
			return err
		}
		return v.json(http.StatusOK, answer)
	case rest == "/presign" && v.r.Method == http.MethodPost:
		return v.presign()
	}
	return &resolver.Refusal{Code: "bad_request", Status: http.StatusNotFound, Detail: v.r.Method + " " + v.r.URL.Path + " is not one of ours",
		Next: "GET " + wellKnown + ", GET " + wellKnown + "/ca.pem, POST " + wellKnown + "/test/CONNECTOR, GET " + approval.Path + "HANDLE, POST " + denial.Path + ", GET " + denial.Path + "/HANDLE or POST " + wellKnown + "/presign."}
}

func readsOnly(method string) bool { return method == http.MethodGet || method == http.MethodHead }

func (v *visit) about() error {
	program := version.Get()
	out := client.About{Version: program.Version, Caddy: program.Caddy, Agent: v.agent.Name, AuthRequired: v.h.agent == nil && !v.h.AgentFromCertificate,
		Unmatched: v.h.Unmatched, CAPEM: string(v.h.app.rootPEM()), Connectors: []client.Connector{}}
	if out.Unmatched == "" {
		out.Unmatched = "tunnel"
	}
	for _, c := range v.h.app.resolver.Index().Connectors() {
		granted, err := v.h.app.resolver.Granted(v.r.Context(), v.agent, c.Key)
		if err != nil {
			return err
		}
		if len(granted) == 0 {
			continue
		}
		ac := client.Connector{Key: c.Key, Title: c.Title, Env: c.Env}
		if t := c.TestFor(granted[0].Account.Option); t != nil {
			ac.Test = true
			if strings.HasPrefix(t.Get, "/") && !strings.ContainsAny(t.Get, "{}") {
				ac.TestPath = t.Get
			}
		}
		if c.BaseURL != nil {
			ac.BaseURL = c.BaseURL.String()
		}
		for _, h := range c.Hosts {
			ac.Hosts = append(ac.Hosts, h.String())
		}
		for _, g := range granted {
			ac.Accounts = append(ac.Accounts, g.Account.Name)
			ac.Write, ac.Presign = ac.Write || g.Write, ac.Presign || g.Presign
			if g.Account.Default || len(granted) == 1 {
				ac.Default = g.Account.Name
			}
		}
		out.Connectors = append(out.Connectors, ac)
	}
	return v.json(http.StatusOK, out)
}

// test runs a connector's test request with the account that the agent would use.
func (v *visit) test(name string) error {
	key, account, _ := strings.Cut(name, ":")
	v.connector = key
	status, expected, err := v.h.app.resolver.Test(v.r.Context(), v.agent, key, account)
	out := client.TestResult{OK: err == nil && status == expected, Status: status, Expected: expected}
	if ref, ok := resolver.AsRefusal(err); ok {
		out.Error = ref.Code + ": " + ref.Detail
	} else if err != nil {
		out.Error = err.Error()
	} else if status == 0 {
		out.Error = fmt.Sprintf("the service answers %d, and says in the answer that it does not take the credential", expected)
	}
	return v.json(http.StatusOK, out)
}

// approval tells an agent how a question of its own stands. That of another is as if it
// were not there.
func (v *visit) approval(id string) error {
	err := error(vault.ErrNotFound)
	var a approval.Approval
	if v.h.app.approvals != nil {
		a, err = v.h.app.asked.Of(v.r.Context(), v.agent, id)
	}
	switch {
	case errors.Is(err, vault.ErrNotFound):
		return &resolver.Refusal{Code: "bad_request", Status: http.StatusNotFound, Detail: "agent " + v.agent.Name + " has asked for no such approval", Next: "Use the handle that a refusal with approval_pending gave you."}
	case err != nil:
		return &resolver.Refusal{Code: "vault_unavailable", Err: err, Detail: "how the approval stands cannot be read at the moment", Next: "Try again in a few seconds."}
	}
	return v.json(http.StatusOK, approval.Told(&a, time.Now()))
}

// propose files a rule that the agent wants in its grant, for people to decide.
func (v *visit) propose() error {
	var in live.Proposal
	dec := json.NewDecoder(http.MaxBytesReader(v.w, v.r.Body, 8<<10))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		return badRequest("the body is not what is taken here: a JSON object with rule, connector, and perhaps account and reason")
	}
	if v.h.app.approvals == nil {
		return badRequest("proposals need a vault, and there is none here; ask the operator for the rule")
	}
	if token := v.token.Reveal(); token != "" { // nobody is shown it, wherever it stands
		in.Reason = strings.ReplaceAll(in.Reason, token, "[token]")
	}
	a, err := v.h.app.asked.Propose(v.r.Context(), v.h.app.resolver, v.agent, in)
	if err != nil {
		return err
	}
	v.w.Header().Set("Location", denial.Path+"/"+a.ID)
	return v.json(http.StatusAccepted, approval.Told(&a, time.Now()))
}
