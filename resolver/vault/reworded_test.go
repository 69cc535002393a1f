package vault_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/resolver/vault"
	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
)

// A connector that was made when header_as_payload meant the opposite goes on doing
// what it did: in a database of the release before, and in an export of it.
func TestPayloadReworded(t *testing.T) {
	const before = "key: old\nhosts: [a.example]\nauth:\n  oauth:\n    type: oauth2\n    grant_type: client_credentials\n    token_url: https://a.example/t\n"
	const after = "key: old\nhosts: [a.example]\nauth:\n  oauth:\n    type: oauth2\n    grant_type: client_credentials\n    header_as_payload: true\n    token_url: https://a.example/t\n"
	vaulttest.Each(t, func(t *testing.T, c vault.Config) {
		v := must[*vault.Vault](t)(vault.Open(t.Context(), c))
		_, err := v.System().CreateConnector(t.Context(), vault.Connector{Key: "old", Title: "Old", Type: "OAUTH2", State: "active", Organisation: vault.All, Definition: before, Form: map[string]any{"token_url": "https://a.example/t"}}, false)
		want(t, "CreateConnector", err, nil)
		var export bytes.Buffer
		want(t, "Export", v.Export(t.Context(), &export, false, nil), nil)
		want(t, "Close", v.Close(), nil)
		for _, q := range append(undone(t, 6), "DELETE FROM attache_schema WHERE version_id >= 6") {
			if _, err := raw(t, c).Exec(q); err != nil {
				t.Fatal(err)
			}
		}
		check := func(what string, v *vault.Vault) {
			t.Helper()
			x, err := v.System().Connector(t.Context(), "old")
			want(t, what, err, nil)
			if x.Definition != after || x.Form["header_as_payload"] != true {
				t.Errorf("%s: %v\n%s", what, x.Form, x.Definition)
			}
		}
		for _, what := range []string{"after the upgrade", "after another start"} {
			v := must[*vault.Vault](t)(vault.Open(t.Context(), c))
			check(what, v)
			if what == "after another start" {
				_, err := v.System().Connector(t.Context(), "old")
				want(t, "Connector", err, nil)
				x, _ := v.System().Connector(t.Context(), "old")
				want(t, "DeleteConnector", v.System().DeleteConnector(t.Context(), "old", x.Version), nil)
				old := strings.Replace(export.String(), fmt.Sprintf(`"schema":%d`, vault.SchemaVersion), `"schema":5`, 1)
				if old == export.String() {
					t.Fatal("the export has no version")
				}
				_, err = v.Import(t.Context(), strings.NewReader(old), vault.ImportOptions{})
				want(t, "Import", err, nil)
				check("after an import", v)
			}
			want(t, "Close", v.Close(), nil)
		}
	})
}

// undone are the statements that undo the migrations from one on, the last first.
func undone(t *testing.T, from int) (statements []string) {
	t.Helper()
	files, err := filepath.Glob("database/migrations/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatal("no migrations", err)
	}
	for _, file := range slices.Backward(files) {
		n := 0
		_, err := fmt.Sscanf(filepath.Base(file), "%d_", &n)
		text, readErr := os.ReadFile(file)
		if err != nil || readErr != nil {
			t.Fatal(file, err, readErr)
		}
		if _, down, ok := strings.Cut(string(text), "-- +goose Down\n"); ok && n >= from {
			statements = append(statements, strings.FieldsFunc(strings.TrimRight(down, "\n"), func(r rune) bool { return r == ';' })...)
		}
	}
	return statements
}
