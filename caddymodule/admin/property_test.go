package admin_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
)

// TestRandomCalls: no sequence of calls gets a secret into an answer, breaks the
// server, or leaves a vault that contradicts itself. ATTACHE_TEST_SEED repeats a run.
func TestRandomCalls(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("ATTACHE_TEST_SEED"); s != "" {
		seed, _ = strconv.ParseUint(s, 10, 64)
	}
	steps := 500
	if !vaulttest.Thorough() {
		steps = 120
	}
	each(t, func(t *testing.T, w *world) {
		t.Logf("ATTACHE_TEST_SEED=%d", seed)
		r := rand.New(rand.NewPCG(seed, 7))
		m := &monkey{w: w, rnd: r, ids: map[string][]string{"A": {w.account("first"), w.account("second"), w.account("third")}}}
		for i := range steps {
			a, what := m.step()
			m.history = append(m.history, fmt.Sprintf("%s = %d %s", what, a.status, a.str("code")))
			if a.status >= 500 && a.status != 502 && a.status != 501 || strings.Contains(a.raw, "monkey-secret") {
				t.Errorf("step %d: %s = %d %s", i, what, a.status, a.raw)
			}
			if i%20 == 0 || t.Failed() {
				problems, err := w.v.Verify(t.Context())
				if err != nil || len(problems) > 0 {
					t.Errorf("after step %d: %v %v", i, problems, err)
				}
			}
			if t.Failed() {
				t.Fatalf("the last steps:\n%s", strings.Join(m.history[max(0, len(m.history)-10):], "\n"))
			}
		}
		if got := w.want(200, "", "GET", "/audit?kind=state", "").len("items"); got < 3+steps/100 {
			t.Errorf("only %d changes of state happened: the test tests nothing", got)
		}
	})
}

// monkey calls the API at random.
type monkey struct {
	w       *world
	rnd     *rand.Rand
	ids     map[string][]string
	history []string
}

func (m *monkey) id(kind string) string {
	l := m.ids[kind]
	if len(l) == 0 || m.rnd.IntN(20) == 0 {
		return "acc_none"
	}
	return l[m.rnd.IntN(len(l))]
}

func (m *monkey) name() string { return fmt.Sprint("n", m.rnd.IntN(8)) }

func (m *monkey) secret() string {
	return []string{"good", "good", "good", "bad", "away", "broken"}[m.rnd.IntN(6)] + fmt.Sprintf("-monkey-secret-%d", m.rnd.IntN(100))
}

// calls are method, path and body; A, G and R stand for ids, N for a name, S for
// a secret, B for true or false.
var calls = []struct{ kind, method, path, body string }{
	{"A", "POST", "/accounts", `{"connector":"hub","name":"N","credentials":{"token":"S"},"test":B}`},
	{"A", "POST", "/accounts", `{"connector":"desk","name":"N","option":"oauth"}`},
	{"A", "POST", "/accounts", `{"connector":"hub","name":"N","test_mode":true}`},
	{"", "PATCH", "/accounts/A", `{"name":"N","settings":{"auto_refresh":B}}`},
	{"", "PUT", "/accounts/A/credentials", `{"credentials":{"token":"S"},"test":B}`},
	{"", "POST", "/accounts/A/test", ``}, {"", "POST", "/accounts/A/suspend", ``}, {"", "POST", "/accounts/A/resume", ``},
	{"", "POST", "/accounts/A/activate", ``}, {"A", "POST", "/accounts", `{"connector":"desk","name":"N","option":"oauth","test_mode":true}`},
	{"", "POST", "/accounts/A/revoke", ``}, {"", "POST", "/accounts/A/refresh", ``}, {"", "DELETE", "/accounts/A", ``},
	{"", "GET", "/accounts/A", ``}, {"", "GET", "/accounts/A/status", ``}, {"", "GET", "/accounts/A/health", ``}, {"", "GET", "/accounts?limit=3", ``},
	{"", "POST", "/accounts/bulk", `{"items":[{"connector":"hub","name":"N","credentials":{"token":"S"}},{"connector":"hub","name":"N","credentials":{"token":"S"}}]}`},
	{"", "POST", "/accounts/bulk/settings", `{"ids":["A","A"],"settings":{"rate_limit":3}}`},
	{"G", "POST", "/agents", `{"name":"N"}`}, {"", "PATCH", "/agents/G", `{"disabled":B}`}, {"", "DELETE", "/agents/G", ``},
	{"", "POST", "/agents/G/tokens", `{"name":"N"}`}, {"", "PUT", "/agents/G/connectors", `{"connectors":["hub"]}`},
	{"R", "POST", "/agents/G/grants", `{"account_id":"A","scopes":["read"]}`}, {"", "DELETE", "/agents/G/grants/R", ``}, {"", "PATCH", "/agents/G/grants/R", `{"scopes":["read","write"],"expires_at":null}`},
	{"", "GET", "/agents/G/grants", ``}, {"", "GET", "/audit", ``}, {"", "GET", "/grants", ``},
	{"", "POST", "/connectors", `{"name":"cN","hosts":["N.example"],"token_url":"https://N.example/t","client_id":"id","client_secret":"S","agents":["G"]}`},
	{"", "PATCH", "/connectors/cN", `{"client_secret":"S","active":B}`}, {"", "DELETE", "/connectors/cN", ``}, {"", "GET", "/connectors/cN", ``},
	{"", "POST", "/apps", `{"connector":"desk","mode":"managed","name":"N","client_id":"id","secrets":{"client_secret":"S"}}`}, {"", "GET", "/apps", ``},
	{"", "POST", "/webhooks", `{"url":"https://N.example/x","events":["account.*"]}`},
}

func (m *monkey) step() (*answer, string) {
	c := calls[m.rnd.IntN(len(calls))]
	fill := func(s string) string {
		var out strings.Builder
		for i := 0; i < len(s); i++ {
			alone := (i == 0 || !letter(s[i-1]) || s[i-1] == 'c') && (i+1 == len(s) || !letter(s[i+1]))
			switch {
			case alone && (s[i] == 'A' || s[i] == 'G' || s[i] == 'R'):
				out.WriteString(m.id(string(s[i])))
			case alone && s[i] == 'N':
				out.WriteString(m.name())
			case alone && s[i] == 'S':
				out.WriteString(m.secret())
			case alone && s[i] == 'B':
				out.WriteString([]string{"true", "false"}[m.rnd.IntN(2)])
			default:
				out.WriteByte(s[i])
			}
		}
		return out.String()
	}
	path, body := fill(c.path), fill(c.body)
	var headers []string
	if m.rnd.IntN(6) == 0 {
		headers = append(headers, "If-Match", fmt.Sprintf(`"%d"`, 1+m.rnd.IntN(4)))
	}
	if m.rnd.IntN(6) == 0 {
		headers = append(headers, "Idempotency-Key", fmt.Sprint("k", m.rnd.IntN(5)))
	}
	a := m.w.do(c.method, path, body, headers...)
	if c.kind != "" && a.status == 201 {
		m.ids[c.kind] = append(m.ids[c.kind], a.str("id"))
	}
	return a, c.method + " " + path + " " + body
}

func letter(b byte) bool { return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b == '_' }
