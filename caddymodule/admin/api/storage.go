package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/attache-proxy/attache/caddymodule/admin/rest"
	"github.com/attache-proxy/attache/caddymodule/admin/signin"
	"github.com/attache-proxy/attache/resolver/problem"
	"github.com/attache-proxy/attache/resolver/vault"
)

func mountStorage(a *API) {
	rest.Register(a.rest, rest.Operation{ID: "presign", Method: http.MethodPost, Path: "/accounts/{id}/presign", Role: vault.RoleOperator, Noun: "ACCOUNT", Summary: "Make a URL that works without the proxy for a while",
		Detail: "For S3 and what speaks as it does, and for Google Cloud Storage (V4). Whoever has the URL may do what it says until it expires, " +
			"whatever becomes of the grant: hand it to nobody else. With agent_id the agent's grant must cover method and path."}, a.presign)
	rest.Register(a.rest, rest.Operation{ID: "set-bucket-access", Method: http.MethodPost, Path: "/accounts/{id}/bucket-access", Role: vault.RoleOperator, Noun: "ACCOUNT", Summary: "Let a service account of Google use a bucket",
		Detail: "The bucket's policy is edited with the account's credentials, which must allow that: roles/storage.objectViewer for read, roles/storage.objectUser for write, neither for none."}, a.setBucketAccess)
}

type presignIn struct {
	rest.PathID
	Body struct {
		URL       string            `json:"url" minLength:"1" maxLength:"4096" doc:"Absolute, or a path at the account's base URL." example:"https://bucket.s3.us-east-1.amazonaws.com/key"`
		Method    string            `json:"method,omitempty" enum:"GET,HEAD,PUT,POST,DELETE" doc:"Default: GET."`
		ExpiresIn int               `json:"expires_in,omitempty" minimum:"1" maximum:"3600" doc:"Seconds, at most an hour. Default: 900."`
		Headers   map[string]string `json:"headers,omitempty" maxProperties:"20" doc:"Signed too: whoever uses the URL must send them." example:"{\"Content-Type\":\"text/plain\"}"`
		AgentID   string            `json:"agent_id,omitempty" maxLength:"128" doc:"Who will use it. Absent: the operator."`
	}
}

type presignOut struct {
	Body struct {
		URL       string            `json:"url" doc:"A credential: shown this once."`
		Method    string            `json:"method"`
		Headers   map[string]string `json:"headers,omitempty"`
		ExpiresAt time.Time         `json:"expires_at"`
	}
}

func (a *API) presign(ctx context.Context, c *signin.Caller, in *presignIn) (*presignOut, error) {
	if err := a.storageOf(ctx, c, in.ID); err != nil {
		return nil, err
	}
	p := Presigning{AccountID: in.ID, AgentID: in.Body.AgentID, Method: in.Body.Method, URL: in.Body.URL, Headers: in.Body.Headers, Expires: time.Duration(in.Body.ExpiresIn) * time.Second}
	if p.Method == "" {
		p.Method = http.MethodGet
	}
	var err error
	if p.Agent, err = a.agentName(ctx, c, p.AgentID); err != nil {
		return nil, err
	}
	made, err := a.c.Storage.Presign(ctx, p)
	err = a.record(ctx, c, vault.Event{Code: "account.presigned", AgentID: p.AgentID, AccountID: in.ID, Connector: made.Connector, Method: p.Method, Host: made.Host, Path: made.Path}, err)
	if err != nil {
		return nil, err
	}
	c.ShownOnce("url")
	out := &presignOut{}
	out.Body.URL, out.Body.Method, out.Body.Headers, out.Body.ExpiresAt = made.URL, p.Method, in.Body.Headers, made.ExpiresAt.UTC().Truncate(time.Second)
	return out, nil
}

// agentName finds the agent that will use a URL.
func (a *API) agentName(ctx context.Context, c *signin.Caller, id string) (string, error) {
	if id == "" {
		return "", nil
	}
	if strings.HasPrefix(id, vault.FileAgent) {
		f, err := a.fileAgent(c, id)
		if err != nil {
			return "", a.rest.Explain(err, "AGENT", c)
		}
		return f.Name, nil
	}
	agent, err := c.Agent(ctx, id)
	if err != nil {
		return "", a.rest.Explain(err, "AGENT", c)
	}
	if !agent.Live(time.Now()) {
		return "", problem.New(http.StatusConflict, "AGENT_DISABLED", "The agent is disabled, or its time is over.")
	}
	return agent.Name, nil
}

// storageOf makes sure that the caller may see the account.
func (a *API) storageOf(ctx context.Context, c *signin.Caller, id string) error {
	if a.c.Storage == nil {
		return problem.New(http.StatusNotImplemented, "NOT_AVAILABLE", "Object storage cannot be reached here.")
	}
	if strings.HasPrefix(id, vault.FileAgent) {
		_, err := a.getAccount(ctx, c, &rest.PathID{ID: id})
		return err
	}
	acct, err := c.Account(ctx, id)
	if err != nil {
		return err
	}
	if acct.TestMode {
		return problem.New(http.StatusConflict, "TEST_MODE", "The account is for trying things out, and its credentials may be made up.")
	}
	return nil
}

// record audits what was done outside the vault, or why it was not; it returns
// the error as people see it.
func (a *API) record(ctx context.Context, c *signin.Caller, e vault.Event, failed error) error {
	e.Kind = vault.AuditAdmin
	if failed != nil {
		p := a.rest.Explain(failed, "ACCOUNT", c)
		failed, e.Kind, e.Detail = p, vault.AuditRefusal, "Not done. "+p.Detail
	}
	if err := c.Record(ctx, e); err != nil {
		a.log.Error("writing the audit", "error", err)
	}
	return failed
}

type bucketAccessIn struct {
	rest.PathID
	Body struct {
		Bucket string `json:"bucket,omitempty" maxLength:"222" doc:"Default: the account's field bucket."`
		Email  string `json:"email,omitempty" maxLength:"254" doc:"The service account's. Default: the account's field service_account_email." example:"reader@project.iam.gserviceaccount.com"`
		Access string `json:"access" enum:"read,write,none" doc:"none takes away what read or write gave."`
	}
}

type bucketAccessOut struct {
	Body struct {
		Bucket  string `json:"bucket"`
		Email   string `json:"email"`
		Access  string `json:"access"`
		Changed bool   `json:"changed" doc:"False where it was so already."`
	}
}

func (a *API) setBucketAccess(ctx context.Context, c *signin.Caller, in *bucketAccessIn) (*bucketAccessOut, error) {
	if err := a.storageOf(ctx, c, in.ID); err != nil {
		return nil, err
	}
	b := BucketAccess{AccountID: in.ID, Bucket: in.Body.Bucket, Email: in.Body.Email, Access: in.Body.Access}
	if acct, err := c.Account(ctx, in.ID); err == nil {
		if b.Bucket == "" {
			b.Bucket = acct.Fields["bucket"]
		}
		if b.Email == "" {
			b.Email = acct.Fields["service_account_email"]
		}
	}
	for field, value := range map[string]string{"bucket": b.Bucket, "email": b.Email} {
		if value == "" {
			return nil, problem.New(http.StatusUnprocessableEntity, "INVALID_INPUT", "The account has no such field: name the "+field+".").At("body."+field, "is missing")
		}
	}
	changed, err := a.c.Storage.SetAccess(ctx, b)
	err = a.record(ctx, c, vault.Event{Code: "account.bucket_access", AccountID: in.ID, Method: b.Access, Path: "/" + b.Bucket, Detail: b.Email}, err)
	if err != nil {
		return nil, err
	}
	out := &bucketAccessOut{}
	out.Body.Bucket, out.Body.Email, out.Body.Access, out.Body.Changed = b.Bucket, b.Email, b.Access, changed
	return out, nil
}
