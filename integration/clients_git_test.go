package integration_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// git as it talks to GitHub: over HTTPS through CONNECT, with no credential in
// its configuration, in the URL, or in a helper.
func TestGit(t *testing.T) {
	integration(t)
	ca := newAuthority(t, "services")
	server := newGitServer(t, fmt.Sprintf("127.0.0.1:%d", freePort(t)), ca, "git.test")
	a := newAttache(t, setup{
		Attache: fmt.Sprintf(`connector git {
			hosts git.test
			upstream %s
			tls_trusted_ca %s
			field token {env.GIT_TOKEN}
			sign basic %s {fields.token}
		}
		%s`, server.URL, ca.File(t), gitUser, agentLocal("git")),
		Env: []string{"GIT_TOKEN=" + gitPassword},
	})
	env := append(gitIdentity, "HTTPS_PROXY="+a.URL, "GIT_SSL_CAINFO="+a.CA)
	const remote = "https://git.test" + gitPath

	t.Run("refused without the proxy", func(t *testing.T) {
		r := client{Env: append(gitIdentity, "GIT_SSL_CAINFO="+ca.File(t))}.run(t, "git", "ls-remote", server.URL+gitPath)
		if r.Code == 0 {
			t.Errorf("git reads without a credential: the server asks for none: %v", r)
		}
	})

	work := filepath.Join(t.TempDir(), "work")
	t.Run("clone", func(t *testing.T) {
		client{Env: env}.mustRun(t, "git", "clone", "-q", remote, work)
		if got := readFile(t, filepath.Join(work, "README")); got != "hello\n" {
			t.Errorf("README = %q, want %q", got, "hello\n")
		}
	})
	// Over http.postBuffer (1 MiB) git sends the pack in chunks of unknown length.
	t.Run("push 8 MiB", func(t *testing.T) {
		random := make([]byte, 8<<20)
		f, err := os.Open("/dev/urandom")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.Read(random); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(work, "large.bin"), string(random))
		c := client{Env: env, Dir: work}
		c.mustRun(t, "git", "add", ".")
		c.mustRun(t, "git", "commit", "-q", "-m", "second")
		c.mustRun(t, "git", "push", "-q", "origin", "main")
		here := c.mustRun(t, "git", "rev-parse", "HEAD").Stdout
		there := client{}.mustRun(t, "git", "-C", server.Remote, "rev-parse", "main").Stdout
		if here != there {
			t.Errorf("after the push the server's main is %s, want %s", there, here)
		}
	})
	t.Run("fetch again", func(t *testing.T) {
		again := filepath.Join(t.TempDir(), "again")
		client{Env: env}.mustRun(t, "git", "clone", "-q", "--depth", "1", remote, again)
		same := readFile(t, filepath.Join(again, "large.bin")) == readFile(t, filepath.Join(work, "large.bin"))
		if !same {
			t.Error("large.bin came back changed")
		}
	})
	t.Run("base URL", func(t *testing.T) {
		client{Env: gitIdentity}.mustRun(t, "git", "ls-remote", a.URL+"/git"+gitPath)
	})
	if config := readFile(t, filepath.Join(work, ".git", "config")); strings.Contains(config, gitPassword) {
		t.Errorf("the credential is in git's configuration:\n%s", config)
	}
}
