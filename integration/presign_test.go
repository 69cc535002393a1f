package integration_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// past is a client that does not know of the proxy. Amazon's hosts are the S3
// server for it, without TLS: what is signed does not hang on that.
func (x *s3) past(t testing.TB) *http.Client {
	t.Helper()
	tr := &http.Transport{DialTLSContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, x.Server)
	}}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// presigned asks for a URL, of the agent's door or of the API.
type presigned struct {
	URL     string            `json:"url"`
	Method  string            `json:"method"`
	Headers map[string]string `json:"headers"`
	Code    string            `json:"code"`
	Detail  string            `json:"detail"`
}

func presign(t testing.TB, url, token, body string) (status int, out presigned) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
		t.Fatalf("%s: %v", res.Status, err)
	}
	return res.StatusCode, out
}

// use sends a request as a presigned URL says.
func (p presigned) use(t testing.TB, c *http.Client, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), p.Method, p.URL, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range p.Headers {
		r.Header.Set(name, v)
	}
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(b)
}

// An agent whose grant says presign gets URLs that the service takes from
// anybody, for what its grant covers and nothing else.
func TestPresignForAgents(t *testing.T) {
	x := newS3(t, func(_ *s3, s *setup) {
		s.Listener = "unmatched deny"
		s.Env = append(s.Env, "W=writer-token-0123456789", "R=reader-token-0123456789", "N=nothing-token-0123456789")
		s.Attache = strings.Replace(s.Attache, agentLocal("aws-s3"), `
			agent writer {
				token {env.W}
				grant aws-s3 read write presign
			}
			agent reader {
				token {env.R}
				grant aws-s3 read presign
			}
			agent nobody {
				token {env.N}
				grant aws-s3 read write
			}`, 1)
	})
	x.makeBucket(t, "presign")
	door, outside := x.URL+"/.well-known/attache/presign", x.past(t)
	const writer, reader = "writer-token-0123456789", "reader-token-0123456789"

	put := `{"url":"https://presign.` + s3Host + `/a%20b","method":"PUT","expires_in":60,"headers":{"Content-Type":"text/x-own","X-Amz-Meta-Note":"n"}}`
	status, out := presign(t, door, writer, put)
	if status != http.StatusOK {
		t.Fatalf("presign = %d %+v", status, out)
	}
	if code, s := out.use(t, outside, "past the proxy"); code != http.StatusOK {
		t.Fatalf("PUT to the URL = %d %s", code, s)
	}
	changed := out
	changed.URL = strings.Replace(out.URL, "/a%20b", "/other", 1)
	if code, s := changed.use(t, outside, "x"); code != http.StatusForbidden || !strings.Contains(s, "SignatureDoesNotMatch") {
		t.Errorf("the URL of another key = %d %s, want a refused signature", code, s)
	}
	changed = out
	changed.Headers = map[string]string{"Content-Type": "text/x-other", "X-Amz-Meta-Note": "n"}
	if code, s := changed.use(t, outside, "x"); code != http.StatusForbidden {
		t.Errorf("the URL with another header = %d %s, want a refused signature", code, s)
	}

	status, out = presign(t, door, reader, `{"connector":"aws-s3","url":"/presign/a%20b"}`)
	if code, s := out.use(t, outside, ""); status != http.StatusOK || code != http.StatusOK || s != "past the proxy" {
		t.Errorf("GET of the URL = %d, %d %q", status, code, s)
	}
	out.Method = http.MethodDelete
	if code, _ := out.use(t, outside, ""); code != http.StatusForbidden {
		t.Errorf("DELETE with a URL for GET = %d, want 403", code)
	}

	for name, c := range map[string]struct {
		token, body string
		status      int
		code        string
	}{
		"a reader's PUT":       {reader, put, http.StatusForbidden, "not_permitted"},
		"no presign granted":   {"nothing-token-0123456789", put, http.StatusForbidden, "not_permitted"},
		"no token":             {"", put, http.StatusUnauthorized, "unknown_agent"},
		"over an hour":         {writer, strings.Replace(put, ":60", ":3601", 1), http.StatusBadRequest, "bad_request"},
		"no object storage":    {writer, `{"url":"https://sts.amazonaws.com/?Action=GetCallerIdentity"}`, http.StatusBadRequest, "cannot_presign"},
		"another region":       {writer, `{"url":"https://b.s3.eu-west-1.amazonaws.com/k"}`, http.StatusBadRequest, "cannot_sign"},
		"a signature by hand":  {writer, `{"url":"/presign/k","connector":"aws-s3","headers":{"Authorization":"x"}}`, http.StatusBadRequest, "cannot_presign"},
		"an unknown member":    {writer, `{"url":"/presign/k","connector":"aws-s3","days":7}`, http.StatusBadRequest, "bad_request"},
		"an unknown connector": {writer, `{"url":"/presign/k","connector":"nosuch"}`, http.StatusNotFound, "unknown_connector"},
	} {
		if status, out := presign(t, door, c.token, c.body); status != c.status || out.Code != c.code {
			t.Errorf("%s: %d %s, want %d %s: %s", name, status, out.Code, c.status, c.code, out.Detail)
		}
	}
	x.stop()
	log := x.Log.String()
	if strings.Contains(log, "X-Amz-Signature") || strings.Contains(log, s3Secret) {
		t.Errorf("a signature is in the log: %s", grep(log, "X-Amz-Signature"))
	}
	if !strings.Contains(log, `"door":"presign","method":"PUT","host":"presign.`+s3Host+`","port":"443","path":"/a%20b"`) {
		t.Errorf("no audit line of the URL in %s", tail(log, 20))
	}
}

func (x *s3) makeBucket(t testing.TB, name string) {
	t.Helper()
	client{Env: x.direct()}.mustRun(t, python, "-c", "import boto3, os; boto3.client('s3', endpoint_url=os.environ['AWS_ENDPOINT_URL']).create_bucket(Bucket='"+name+"')")
}

// The operator's API makes URLs for accounts of the vault, within the grant of
// the agent that is named.
func TestPresignAPI(t *testing.T) {
	port := freePort(t)
	x := newS3(t, func(x *s3, s *setup) {
		s.Attache = fmt.Sprintf("connector aws-s3 {\n\tupstream http://%s\n}\nvault sqlite {env.VAULT}\n", x.Server)
		s.Listener = "unmatched deny"
		s.Env = append(s.Env, "VAULT="+t.TempDir()+"/vault.db")
		s.Sites = fmt.Sprintf("http://:%d {\n\tbind 127.0.0.1\n\tattache_admin\n}\n", port)
	})
	x.makeBucket(t, "presign")
	r := x.command("admin", "token", "create", "--name", "me", "--role", "admin", "--config", x.Caddyfile)
	token := strings.TrimSpace(r.Stdout)
	if r.Code != 0 || token == "" {
		t.Fatal(r)
	}
	api := fmt.Sprintf("http://127.0.0.1:%d/api/v1", port)
	call := func(path, body string) map[string]any {
		t.Helper()
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, api+path, bytes.NewReader([]byte(body)))
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var out map[string]any
		if err := json.NewDecoder(res.Body).Decode(&out); err != nil || res.StatusCode >= 300 {
			t.Fatalf("POST %s = %s %v %v", path, res.Status, out, err)
		}
		return out
	}
	id := call("/accounts", fmt.Sprintf(`{"connector":"aws-s3","credentials":{"access_key_id":%q,"secret_access_key":%q,"region":"us-east-1"}}`, s3Key, s3Secret))["id"].(string)
	agent := call("/agents", `{"name":"worker"}`)["id"].(string)
	call("/agents/"+agent+"/grants", `{"account_id":"`+id+`","scopes":["read","write"],"rules":[{"methods":["PUT"],"path":"/presign/in/**"},{"methods":["GET"]}]}`)

	path := api + "/accounts/" + id + "/presign"
	status, out := presign(t, path, token, `{"url":"/presign/in/k","method":"PUT","agent_id":"`+agent+`"}`)
	if code, s := out.use(t, x.past(t), "by the operator"); status != http.StatusOK || code != http.StatusOK {
		t.Fatalf("PUT = %d %+v, %d %s", status, out, code, s)
	}
	status, out = presign(t, path, token, `{"url":"https://`+s3Host+`/presign/in/k"}`)
	if code, s := out.use(t, x.past(t), ""); status != http.StatusOK || code != http.StatusOK || s != "by the operator" {
		t.Errorf("GET = %d %+v, %d %s", status, out, code, s)
	}
	if status, out = presign(t, path, token, `{"url":"/presign/out/k","method":"PUT","agent_id":"`+agent+`"}`); status != http.StatusForbidden || out.Code != "NOT_PERMITTED" {
		t.Errorf("what the grant forbids = %d %+v, want 403 NOT_PERMITTED", status, out)
	}
	call("/accounts/"+id+"/suspend", `{}`)
	if status, out = presign(t, path, token, `{"url":"/presign/in/k"}`); status != http.StatusForbidden || out.Code != "ACCOUNT_SUSPENDED" {
		t.Errorf("a suspended account = %d %+v, want 403 ACCOUNT_SUSPENDED", status, out)
	}
}
