package vault_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/attache-proxy/attache/resolver/vault"
	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
)

// TestDiskFull: the vault says so, goes on reading, loses nothing, and works
// again when there is room.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("attache-test", dir, "tmpfs", 0, "size=3m"); err != nil {
		t.Skipf("needs to mount a small file system: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	c := vault.Config{Driver: "sqlite", Source: filepath.Join(dir, "vault.db"), Keys: vaulttest.Keys(t)}
	v, err := vault.Open(t.Context(), c)
	want(t, "Open", err, nil)
	ctx, s := t.Context(), v.System()
	a := active(t, s, "a")

	ballast := filepath.Join(dir, "ballast")
	f, err := os.Create(ballast)
	want(t, "Create", err, nil)
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	f.Close()

	var full error
	made := 0
	for i := 0; full == nil && i < 200; i++ {
		_, full = s.CreateAccount(ctx, vault.NewAccount{Connector: "x", Option: "y", Name: fmt.Sprint(i), Metadata: map[string]any{"m": strings.Repeat("z", 10_000)}})
		if full == nil {
			made++
		}
	}
	want(t, "CreateAccount on a full disk", full, vault.ErrUnavailable)
	_, err = v.Unseal(ctx, a.ID)
	want(t, "Unseal on a full disk", err, nil)
	_, err = v.Lease(ctx, a.ID, "", time.Minute)
	if err != nil && !errors.Is(err, vault.ErrUnavailable) {
		t.Errorf("Lease on a full disk = %v", err)
	}
	for range 500 {
		want(t, "Record", v.Record(ctx, use(a.ID, 200)), nil)
	}
	time.Sleep(200 * time.Millisecond)

	want(t, "Remove", os.Remove(ballast), nil)
	within(t, 10*time.Second, "the audit is whole", func() bool {
		st, err := v.Status(ctx)
		return err == nil && st.Rows["accounts"] == int64(made+1) && st.DroppedEvents == 0 && countUses(t, v) == 500
	})
	active(t, s, "after")
	for _, p := range must[[]string](t)(v.Verify(ctx)) {
		t.Error(p)
	}
	want(t, "Close", v.Close(), nil)
}

func countUses(t *testing.T, v *vault.Vault) int {
	t.Helper()
	l := must[vault.List[vault.Event]](t)(v.System().Audit(t.Context(), vault.AuditFilter{Kind: vault.AuditUse}, vault.Page{Limit: 500}))
	return len(l.Items)
}
