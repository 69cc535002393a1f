// Package synonyms understands requests that are written in other words for the same:
// those of the documents that operators come with. Before a request is validated, its
// members and values get our names. The OpenAPI document has ours alone; docs/api.md
// lists the others.
package synonyms

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"path"
	"strings"

	"github.com/attache-proxy/attache/caddymodule/admin/paths"
)

// most is up to how many bytes a body is looked at; a longer one passes as it is.
const most = 4 << 20

// words are what a request may say otherwise.
type words struct {
	methods string // with spaces
	at      string // below the API; * is one element
	// members are other names for members of the body and of the query.
	members map[string]string
	// values are other words for values, by our name of the member.
	values map[string]map[string]string
	// more does what names alone do not; may be nil.
	more func(body map[string]json.RawMessage)
	// list says that a bare list means its items.
	list bool
}

var (
	owners = map[string]map[string]string{"identifier_type": {"user_id": "user", "org_id": "org", "email": "custom"}}
	modes  = map[string]map[string]string{"mode": {"your-own": "own", "your_own": "own"}}
	days   = map[string]string{"start_date": "start", "end_date": "end"}
)

// table is all of it.
var table = []words{
	{methods: "GET POST", at: "/accounts", members: map[string]string{"connection_id": "connector"}, values: owners},
	{methods: "PATCH", at: "/accounts/*", values: owners},
	{methods: "POST", at: "/accounts/bulk", list: true},
	{methods: "POST", at: "/accounts/*/authorize", members: map[string]string{"scopes": "additional_scopes"}},
	{methods: "GET", at: "/accounts/*/usage", members: days},
	{methods: "POST", at: "/apps", values: modes},
	{methods: "PUT", at: "/connectors/*/app-mode", values: modes},
	{methods: "POST", at: "/agents/*/grants", more: readByDefault},
	{methods: "POST", at: "/connectors", members: recipe, values: forms, more: googleKey},
	{methods: "PATCH", at: "/connectors/*", members: recipe, values: forms, more: googleKey},
}

var recipe = map[string]string{
	"url": "token_url", "tokenUrl": "token_url", "clientId": "client_id", "clientSecret": "client_secret", "grantType": "grant_type",
	"refreshToken": "refresh_token", "contentType": "content_type", "headerAsPayload": "header_as_payload", "serviceAccountEmail": "service_account_email",
}

var forms = map[string]map[string]string{
	"content_type": {"form": "application/x-www-form-urlencoded", "json": "application/json", "JSON": "application/json"},
	"grant_type":   {"urn:ietf:params:oauth:grant-type:device_code": "device_code"},
}

// readByDefault: a grant that does not say for what is for reading.
func readByDefault(body map[string]json.RawMessage) {
	if _, said := body["scopes"]; !said && body["account_id"] != nil {
		body["scopes"] = json.RawMessage(`["read"]`)
	}
}

// googleKey: who fills in the form for a service account of Google puts its JSON key
// where the client's secret stands, and its project, or nothing, for the client's id.
func googleKey(body map[string]json.RawMessage) {
	if string(body["grant_type"]) != `"gcs_service_account"` {
		return
	}
	var key string
	if json.Unmarshal(body["client_secret"], &key) == nil && strings.HasPrefix(strings.TrimSpace(key), "{") && body["service_account"] == nil {
		body["service_account"] = body["client_secret"]
		delete(body, "client_secret")
	}
	if body["service_account"] != nil {
		delete(body, "client_id")
	}
}

// Understand gives requests our names before next sees them.
func Understand(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, t := range table {
			if t.fits(r) {
				r = t.reworded(r)
			}
		}
		next.ServeHTTP(w, r)
	})
}

func (t words) fits(r *http.Request) bool {
	below, ok := strings.CutPrefix(r.URL.Path, paths.API)
	if !ok || !strings.Contains(" "+t.methods+" ", " "+r.Method+" ") {
		return false
	}
	fits, err := path.Match(t.at, below)
	return err == nil && fits
}

// reworded is the request in our words; the same where it is in them already.
func (t words) reworded(r *http.Request) *http.Request {
	if r.URL.RawQuery != "" {
		r = t.query(r)
	}
	if r.Body == nil || r.Method == http.MethodGet || r.ContentLength > most {
		return r
	}
	text, err := io.ReadAll(io.LimitReader(r.Body, most+1))
	rest := r.Body
	if err == nil && len(text) <= most {
		text = t.body(text)
	}
	out := r.Clone(r.Context())
	out.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(text), failing{err}, rest), rest}
	if len(text) <= most && err == nil {
		out.ContentLength = int64(len(text))
		out.Header.Del("Content-Length")
	}
	return out
}

// failing ends with the error that reading met, if there was one.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	return 0, io.EOF
}

func (t words) query(r *http.Request) *http.Request {
	q := r.URL.Query()
	changed := false
	for other, own := range t.members {
		if v, said := q[other]; said && !q.Has(own) {
			q[own], changed = v, true
			q.Del(other)
		}
	}
	for name, meant := range t.values {
		if own, ok := meant[q.Get(name)]; ok {
			q.Set(name, own)
			changed = true
		}
	}
	if !changed {
		return r
	}
	out := r.Clone(r.Context())
	out.URL.RawQuery = q.Encode()
	return out
}

// body is the same body in our words. What is no object stays as it is, and so does a
// member that stands under both names: that is for validation to refuse.
func (t words) body(text []byte) []byte {
	if trimmed := bytes.TrimSpace(text); t.list && bytes.HasPrefix(trimmed, []byte("[")) && json.Valid(trimmed) {
		return append(append([]byte(`{"items":`), trimmed...), '}')
	}
	var body map[string]json.RawMessage
	if json.Unmarshal(text, &body) != nil || body == nil {
		return text
	}
	before := len(body)
	changed := false
	for other, own := range t.members {
		if v, said := body[other]; said && body[own] == nil {
			body[own], changed = v, true
			delete(body, other)
		}
	}
	for name, meant := range t.values {
		var v string
		if json.Unmarshal(body[name], &v) != nil {
			continue
		}
		if own, ok := meant[v]; ok {
			body[name], _ = json.Marshal(own)
			changed = true
		}
	}
	if t.more != nil {
		had := string(body["service_account"])
		t.more(body)
		changed = changed || len(body) != before || string(body["service_account"]) != had
	}
	if !changed {
		return text
	}
	out, err := json.Marshal(body)
	if err != nil {
		return text
	}
	return out
}
