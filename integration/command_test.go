package integration_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// result is what a client did.
type result struct {
	Command        string
	Stdout, Stderr string
	Code           int // -1 when it was killed
}

// String is what a failing test shows of the client.
func (r result) String() string {
	return fmt.Sprintf("%s: exit %d\nstdout: %s\nstderr: %s", r.Command, r.Code, clip(r.Stdout), clip(r.Stderr))
}

// background starts cmd and ends it with the test, which says what cmd wrote, as shown
// makes of it, where it failed.
func background(t *testing.T, cmd *exec.Cmd, shown func(string) string) *buffer {
	t.Helper()
	log := new(buffer)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
		if t.Failed() {
			t.Logf("attache said:\n%s", shown(log.String()))
		}
	})
	return log
}

// clip keeps failure messages readable; large transfers end up in stdout too.
func clip(s string) string {
	const most = 4000
	if len(s) <= most {
		return s
	}
	return s[:most/2] + "\n[…]\n" + s[len(s)-most/2:]
}

// client is a command with an environment of its own: nothing of the
// developer's proxies, git configuration or keys reaches it.
type client struct {
	Dir   string   // working directory; default: a fresh home
	Env   []string // added to the clean environment
	Stdin string
	Limit time.Duration // default 60 s
}

// run starts a command and waits for it. It fails the test only when the
// command cannot be started.
func (c client) run(t testing.TB, name string, args ...string) result {
	t.Helper()
	limit := c.Limit
	if limit == 0 {
		limit = 60 * time.Second
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	home := t.TempDir()
	cmd.Dir = c.Dir
	if cmd.Dir == "" {
		cmd.Dir = home
	}
	cmd.Env = append(cleanEnv(home), c.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	if c.Stdin != "" {
		cmd.Stdin = strings.NewReader(c.Stdin)
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatalf("starting %s: %v", name, err)
	}
	r := result{Command: strings.Join(append([]string{name}, args...), " "),
		Stdout: stdout.String(), Stderr: stderr.String(), Code: cmd.ProcessState.ExitCode()}
	if ctx.Err() != nil {
		r.Stderr += fmt.Sprintf("\n[killed after %s]", limit)
	}
	return r
}

// mustRun is run for a command that has to succeed.
func (c client) mustRun(t testing.TB, name string, args ...string) result {
	t.Helper()
	r := c.run(t, name, args...)
	if r.Code != 0 {
		t.Fatal(r)
	}
	return r
}

// cleanEnv is all that a child process gets of the environment.
func cleanEnv(home string) []string {
	return []string{
		"PATH=" + os.Getenv("PATH") + ":/usr/sbin:/sbin",
		"HOME=" + home,
		"XDG_CONFIG_HOME=" + home + "/config",
		"XDG_DATA_HOME=" + home + "/data",
		"TMPDIR=" + home,
		"LANG=C.UTF-8",
		"GIT_CONFIG_NOSYSTEM=1",
		"GIT_TERMINAL_PROMPT=0",
	}
}
