package approval

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/attache-proxy/attache/providers/operations"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/refusal"
	"github.com/attache-proxy/attache/resolver/rule"
)

// Nobody is shown the agent's token, wherever it put it, nor what looks like a credential
// in the query, nor headers in which credentials travel.
func TestPreviewHidesCredentials(t *testing.T) {
	const token = "agt_canary-0123456789"
	req, err := http.NewRequest("POST", "https://svc.example/x/"+token+"?a="+token+"&api_key=canary-key&q=canary-placed&state=open&%zz=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Authorization": {"Bearer canary-bearer"}, "X-Api-Key": {"canary-header"}, "Cookie": {"canary-cookie"}, "Proxy-Authorization": {"canary-proxy"}, "Content-Type": {"text/" + token}, "User-Agent": {"bot"}}
	no := func(string) bool { return false }
	r := Describe(&Sent{HTTP: req, Target: "https://svc.example", Does: &rule.Request{Methods: []string{"POST"}, Path: "/x", Does: []rule.Does{{Operation: operations.Operation{Name: "do " + token, Effect: operations.Write, Resource: token}}}},
		Body: []byte("my token: " + token), Whole: true, Placed: no, InQuery: func(name string) bool { return name == "q" }, Token: secret.New(token)})
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "canary") {
		t.Errorf("people are shown %s", text)
	}
	if p := r.Preview; p.Body != "my token: [hidden]" || len(p.Query) != 5 || p.Query[3].Value != "open" {
		t.Errorf("the preview is %+v", p)
	}
}

// broken is a store that is never asked.
type broken struct{ Store }

// A description that fails is a no.
func TestDeskFailsClosed(t *testing.T) {
	d := NewDesk(broken{}, Default)
	_, err := d.Decide(context.Background(), &Hold{Describe: func() *Request { panic("unforeseen") }, Wait: time.Second, Gone: NewGone()})
	var ref *refusal.Refusal
	if !errors.As(err, &ref) || ref.Code != "vault_unavailable" || d.Held() != 0 {
		t.Errorf("%v", err)
	}
}

// People see every header that is a part of what they approve, and characters that nobody
// sees are written out. A yes for some minutes, or for a resource, is for these headers;
// for some minutes for this query, too.
func TestWhatIsApprovedIsSeen(t *testing.T) {
	no := func(string) bool { return false }
	described := func(query string, header http.Header) *Request {
		req, err := http.NewRequest("POST", "https://svc.example/x?"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header = header
		return Describe(&Sent{HTTP: req, Target: "https://svc.example", Does: &rule.Request{Methods: []string{"POST"}, Path: "/x", Does: []rule.Does{{Operation: operations.Operation{Name: "files/write", Effect: operations.Write, Resource: "acme/a"}}}},
			Body: []byte("a\u200bb\r\nc\rd\u202e\u3164"), Whole: true, Placed: no, InQuery: no})
	}
	first := described("y=%E2%80%8B/prod&amo%E2%80%8Bunt=3", http.Header{"Dropbox-Api-Arg": {`{"path":"/x"}`}, "Stripe-Account": {"acct_1"}, "X-Request-Id": {"1"}})
	want := []Pair{{"Dropbox-Api-Arg", `{"path":"/x"}`}, {"Stripe-Account", "acct_1"}}
	if p := first.Preview; !slices.Equal(p.Headers, want) || p.Query[0].Value != `\u{200b}/prod` || p.Query[1].Name != `amo\u{200b}unt` || p.Body != "a\\u{200b}b\nc\\u{d}d\\u{202e}\\u{3164}" {
		t.Errorf("the preview is %+v", p)
	}
	again := described("y=%E2%80%8B/prod&amo%E2%80%8Bunt=3", http.Header{"Dropbox-Api-Arg": {`{"path":"/x"}`}, "Stripe-Account": {"acct_1"}, "X-Request-Id": {"2"}})
	if again.Act != first.Act || again.Place != first.Place || again.Act == "" || again.Place == "" {
		t.Error("the same request is another one")
	}
	if other := described("y=%E2%80%8B/prod&amo%E2%80%8Bunt=3", http.Header{"Stripe-Account": {"acct_2"}}); other.Act == first.Act || other.Place == first.Place {
		t.Error("another header has the same yes")
	}
	if other := described("sudo=root", http.Header{"Dropbox-Api-Arg": {`{"path":"/x"}`}, "Stripe-Account": {"acct_1"}}); other.Act == first.Act {
		t.Error("another query has the same yes")
	}
}
