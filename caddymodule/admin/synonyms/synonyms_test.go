package synonyms

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
)

func TestUnderstand(t *testing.T) {
	for name, c := range map[string]struct{ method, url, body, wantQuery, want string }{
		"an account's connection":    {"POST", "/api/v1/accounts", `{"connection_id":"github","identifier_type":"user_id","n":12345678901234567890}`, "", `{"connector":"github","identifier_type":"user","n":12345678901234567890}`},
		"both names":                 {"POST", "/api/v1/accounts", `{"connection_id":"a","connector":"b"}`, "", `{"connection_id":"a","connector":"b"}`},
		"a list by connection":       {"GET", "/api/v1/accounts?connection_id=github&identifier_type=org_id", "", "connector=github&identifier_type=org", ""},
		"an owner by e-mail":         {"PATCH", "/api/v1/accounts/acc_1", `{"identifier_type":"email"}`, "", `{"identifier_type":"custom"}`},
		"many, as a bare list":       {"POST", "/api/v1/accounts/bulk", ` [{"connector":"x"}] `, "", `{"items":[{"connector":"x"}]}`},
		"scopes of a sign-in":        {"POST", "/api/v1/accounts/acc_1/authorize", `{"scopes":["a"]}`, "", `{"additional_scopes":["a"]}`},
		"usage by date":              {"GET", "/api/v1/accounts/acc_1/usage?start_date=2026-11-01&end_date=2026-12-01", "", "end=2026-12-01&start=2026-11-01", ""},
		"your own client":            {"POST", "/api/v1/apps", `{"mode":"your-own"}`, "", `{"mode":"own"}`},
		"your own mode":              {"PUT", "/api/v1/connectors/github/app-mode", `{"mode":"your_own"}`, "", `{"mode":"own"}`},
		"a grant for reading":        {"POST", "/api/v1/agents/agt_1/grants", `{"account_id":"acc_1"}`, "", `{"account_id":"acc_1","scopes":["read"]}`},
		"a grant that says for what": {"POST", "/api/v1/agents/agt_1/grants", `{"account_id":"acc_1","scopes":["write"]}`, "", `{"account_id":"acc_1","scopes":["write"]}`},
		"the recipe": {"POST", "/api/v1/connectors", `{"name":"mail","url":"https://t.example","clientId":"i","clientSecret":"s","grantType":"refresh_token","refreshToken":"r","contentType":"form","scope":"a"}`, "",
			`{"name":"mail","token_url":"https://t.example","client_id":"i","client_secret":"s","grant_type":"refresh_token","refresh_token":"r","content_type":"application/x-www-form-urlencoded","scope":"a"}`},
		"a key of Google's": {"POST", "/api/v1/connectors", `{"name":"b","grant_type":"gcs_service_account","client_id":"my-project","client_secret":"{\"type\":\"service_account\"}"}`, "",
			`{"name":"b","grant_type":"gcs_service_account","service_account":"{\"type\":\"service_account\"}"}`},
		"ours stays, byte for byte": {"POST", "/api/v1/connectors", `{ "name": "x",  "name":"y" }`, "", `{ "name": "x",  "name":"y" }`},
		"no JSON":                   {"POST", "/api/v1/accounts", `{"connection_id":`, "", `{"connection_id":`},
		"another path":              {"POST", "/api/v1/webhooks", `{"connection_id":"a"}`, "", `{"connection_id":"a"}`},
		"another method":            {"PUT", "/api/v1/apps", `{"mode":"your-own"}`, "", `{"mode":"your-own"}`},
		"too long":                  {"POST", "/api/v1/accounts", `{"connection_id":"` + strings.Repeat("x", most) + `"}`, "", `{"connection_id":"` + strings.Repeat("x", most) + `"}`},
	} {
		var got, query string
		h := Understand(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			b, err := io.ReadAll(r.Body)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if r.ContentLength >= 0 && c.body != "" && r.ContentLength != int64(len(b)) {
				t.Errorf("%s: %d bytes, Content-Length %d", name, len(b), r.ContentLength)
			}
			got, query = string(b), r.URL.RawQuery
		}))
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(c.method, c.url, strings.NewReader(c.body)))
		if query != c.wantQuery || got != c.want && !same(got, c.want) {
			t.Errorf("%s: ?%s %.200s\nwant ?%s %.200s", name, query, got, c.wantQuery, c.want)
		}
	}
}

func same(a, b string) bool {
	var x, y any
	dx, dy := json.NewDecoder(strings.NewReader(a)), json.NewDecoder(strings.NewReader(b))
	dx.UseNumber()
	dy.UseNumber()
	return dx.Decode(&x) == nil && dy.Decode(&y) == nil && reflect.DeepEqual(x, y)
}
