// Package integration_test looks at the built binary from outside: real
// clients as child processes, real servers, a Caddyfile as a person would
// write it.
//
// Run it through ./integration/test.sh, which installs what the tests need,
// builds the binary and sets the environment:
//
//	ATTACHE_INTEGRATION  set: run these tests
//	ATTACHE_BIN          the binary (built here if unset)
//	ATTACHE_RACE_BIN     the same with the race detector; preferred where nothing is measured
//	ATTACHE_NODE_DIR     where npm has installed the packages of node/package.json
//	ATTACHE_TOOLS        where servers lie that are Go programs
package integration_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// childModes are what this test binary does instead of testing when it is
// started again as a client, with childEnv naming the mode.
var childModes = map[string]func() error{
	"grpc": grpcClient,
}

const childEnv = "ATTACHE_TEST_CHILD"

func TestMain(m *testing.M) {
	if mode := os.Getenv(childEnv); mode != "" {
		if err := childModes[mode](); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if dir := os.Getenv(worldEnv); dir != "" {
		if err := enterWorld(dir); err != nil {
			fmt.Fprintf(os.Stderr, "entering the test's own network: %v\n", err)
			os.Exit(1)
		}
	}
	code := m.Run()
	if built != "" {
		os.RemoveAll(filepath.Dir(built))
	}
	os.Exit(code)
}

// integration skips a test that was not started through test.sh.
func integration(t testing.TB) {
	t.Helper()
	if os.Getenv("ATTACHE_INTEGRATION") == "" {
		t.Skip("run ./integration/test.sh")
	}
}

// missing ends a test that lacks something of the machine: it fails where
// everything must be there, and is skipped elsewhere.
func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("missing: %s", what)
	}
	t.Skipf("missing: %s", what)
}

// program returns the path of a program, looking where Debian keeps servers too.
func program(t testing.TB, name string) string {
	t.Helper()
	if p, err := exec.LookPath(name); err == nil {
		return p
	}
	for _, dir := range []string{os.Getenv("ATTACHE_TOOLS"), "/usr/sbin", "/sbin", "/usr/local/sbin"} {
		if p := filepath.Join(dir, name); executable(p) {
			return p
		}
	}
	missing(t, name)
	return ""
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// built is the binary that plainBinary made, removed at the end.
var built string

var buildOnce = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "attache-bin")
	if err != nil {
		return "", err
	}
	built = filepath.Join(dir, "attache")
	if out, err := exec.Command("go", "build", "-o", built, "../cmd/attache").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build ../cmd/attache: %w\n%s", err, out)
	}
	return built, nil
})

// plainBinary is the program as it is released, for tests that measure.
func plainBinary(t testing.TB) string {
	t.Helper()
	if bin := os.Getenv("ATTACHE_BIN"); bin != "" {
		return bin
	}
	bin, err := buildOnce()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// raceBinary is the program under test, with the race detector where there is one.
func raceBinary(t testing.TB) string {
	t.Helper()
	if bin := os.Getenv("ATTACHE_RACE_BIN"); bin != "" {
		return bin
	}
	return plainBinary(t)
}
