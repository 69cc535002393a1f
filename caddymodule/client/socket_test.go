package client_test

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/attache-proxy/attache/caddymodule/client"
	"github.com/attache-proxy/attache/providers/secret"
)

// The token goes to no socket that another user may have put there.
func TestSocketOfOthers(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root gives files to others")
	}
	const other = 12345
	for name, c := range map[string]struct {
		owner, dirOwner int
		dir             string // where the socket's directory is made
		mode            os.FileMode
		says            string
	}{
		"ours, anywhere":                {0, other, os.TempDir(), 0o777, ""},
		"the proxy's, in its own":       {other, other, "/run", 0o755, ""},
		"the proxy's, in root's":        {other, 0, "/run", 0o755, ""},
		"somebody's, where all write":   {other, 0, "/run", 0o777 | os.ModeSticky, "everybody may write"},
		"somebody's, in the open":       {other, other, os.TempDir(), 0o755, "everybody may write"},
		"somebody's, in somebody's dir": {other, other + 1, "/run", 0o755, "belongs to another user"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, err := os.MkdirTemp(c.dir, "attache-socket-")
			if err != nil {
				t.Skip(err)
			}
			t.Cleanup(func() { os.RemoveAll(dir) })
			path := filepath.Join(dir, "a.sock")
			l, err := net.Listen("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			var asked atomic.Bool
			server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				asked.Store(true)
				_, _ = w.Write([]byte("{}"))
			})}
			t.Cleanup(func() { server.Close() })
			go server.Serve(l) //nolint:errcheck // until it is closed
			for _, err := range []error{os.Chown(path, c.owner, 0), os.Chown(dir, c.dirOwner, 0), os.Chmod(dir, c.mode)} {
				if err != nil {
					t.Fatal(err)
				}
			}
			a, err := client.NewAPI("unix/"+path+"|0600", secret.New(adminToken))
			if err != nil {
				t.Fatal(err)
			}
			_, err = a.Do(t.Context(), http.MethodGet, "/me", nil, nil)
			if c.says == "" && (err != nil || !asked.Load()) || c.says != "" && (err == nil || asked.Load() || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("it was asked %v, %v; want an error with %q", asked.Load(), err, c.says)
			}
		})
	}
}
