package command

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/attache-proxy/attache/caddymodule/client"
	"github.com/attache-proxy/attache/providers/secret"
)

// A stream that breaks goes on where it broke, until the API refuses.
func TestFollowGoesOn(t *testing.T) {
	var after []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		after = append(after, r.Header.Get("Last-Event-ID"))
		switch len(after) {
		case 3:
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`{"code":"UNAUTHORIZED","detail":"The token is over."}`))
		default:
			fmt.Fprintf(w, "id: evt_%d\ndata: {\"id\":\"evt_%[1]d\",\"kind\":\"use\",\"path\":\"/\\u001b[2J\"}\n\n", len(after))
		}
	}))
	t.Cleanup(s.Close)
	api, err := client.NewAPI(s.URL, secret.New("atm_token"))
	if err != nil {
		t.Fatal(err)
	}
	var out, remarks bytes.Buffer
	cmd := &cobra.Command{}
	cmd.Flags().Bool("json", false, "")
	cmd.SetOut(&out)
	cmd.SetErr(&remarks)
	a := &asking{cmd: cmd, ctx: t.Context(), api: api, names: map[string]string{}}
	if err := a.follow(nil, "evt_0"); err == nil || !strings.Contains(err.Error(), "The token is over. (UNAUTHORIZED)") {
		t.Errorf("follow = %v, want the refusal", err)
	}
	if got := strings.Join(after, " "); got != "evt_0 evt_1 evt_2" {
		t.Errorf("asked after %s", got)
	}
	if strings.Count(out.String(), "use") != 2 || strings.Contains(out.String(), "\x1b") || !strings.Contains(remarks.String(), "The stream broke") {
		t.Errorf("printed %q, remarked %q", &out, &remarks)
	}
}
