package vault_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/resolver/vault"
	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
)

// A grant's rules of operations are kept in their order, edited, exported and
// imported; in an export of the release before there are none.
func TestGrantOperations(t *testing.T) {
	vaulttest.Each(t, func(t *testing.T, c vault.Config) {
		v := vaulttest.Open(t, c)
		ctx, s := t.Context(), v.System()
		a, _, err := s.CreateAgent(ctx, vault.NewAgent{Name: "bot"})
		want(t, "CreateAgent", err, nil)
		lines := []string{"deny effect:delete", `allow read "mutation createIssue"`}
		g := must[vault.Grant](t)(s.CreateGrant(ctx, vault.NewGrant{AgentID: a.ID, AccountID: active(t, s, "work").ID, Scopes: []string{"read", "write"}, Operations: lines}))
		check := func(what string, v *vault.Vault, lines []string) {
			t.Helper()
			got := must[vault.Grant](t)(v.System().Grant(ctx, g.ID))
			if !slices.Equal(got.Operations, lines) {
				t.Errorf("%s: %q, want %q", what, got.Operations, lines)
			}
		}
		check("created", v, lines)
		var export bytes.Buffer
		want(t, "Export", v.Export(ctx, &export, false, nil), nil)
		lines = []string{"allow read"}
		must[vault.Grant](t)(s.UpdateGrant(ctx, g.ID, 0, vault.GrantEdit{Operations: &lines}))
		check("edited", v, lines)
		must[vault.Grant](t)(s.UpdateGrant(ctx, g.ID, 0, vault.GrantEdit{Scopes: []string{"read"}}))
		check("edited otherwise", v, lines)
		must[vault.Grant](t)(s.UpdateGrant(ctx, g.ID, 0, vault.GrantEdit{Operations: &[]string{}}))
		check("without any", v, nil)
		old := strings.Replace(export.String(), fmt.Sprintf(`"schema":%d`, vault.SchemaVersion), `"schema":6`, 1)
		kept := `"operations":"[\"deny effect:delete\",\"allow read \\\"mutation createIssue\\\"\"]",`
		if !strings.Contains(old, kept) {
			t.Fatalf("the export has no rules: %s", old)
		}
		for file, lines := range map[string][]string{export.String(): {"deny effect:delete", `allow read "mutation createIssue"`}, strings.Replace(old, kept, "", 1): nil} {
			want(t, "DeleteGrant", s.DeleteGrant(ctx, g.ID, 0), nil)
			_, err := v.Import(ctx, strings.NewReader(file), vault.ImportOptions{})
			want(t, "Import", err, nil)
			check("imported", v, lines)
		}
	})
}
