package client_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"github.com/attache-proxy/attache/caddymodule/client"
)

// rootsOf are the roots of a PEM text, and the system's.
func rootsOf(t *testing.T, pems ...[]byte) *client.Roots {
	t.Helper()
	var all []byte
	for _, p := range pems {
		all = append(all, p...)
	}
	return client.SystemRoots([]string{"SSL_CERT_FILE=" + write(t, "roots.pem", all)})
}

func TestWriteFiles(t *testing.T) {
	dir := t.TempDir()
	ca, corp := newCA(t, "ours"), newCA(t, "corp")
	roots := rootsOf(t, corp, corp) // twice: it stands once in the bundle
	f, err := client.WriteFiles(dir, ca, [][]byte{roots.DER[0]}, roots)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := names(t, read(t, f.CA)), []string{"ours", "corp"}; !slices.Equal(got, want) {
		t.Errorf("ca.pem = %q, want %q", got, want)
	}
	got := names(t, read(t, f.Bundle))
	if len(got) != len(roots.DER)+1 || got[0] != "ours" || got[1] != "corp" || slices.Contains(got[2:], "corp") {
		t.Errorf("bundle.pem has %d certificates, first %q, want ours, corp and the system's", len(got), got[:2])
	}
	certs, err := pkcs12.DecodeTrustStore([]byte(read(t, f.TrustStore)), client.TrustStorePassword)
	if err != nil || len(certs) != len(got) || certs[0].Subject.CommonName != "ours" {
		t.Errorf("truststore.p12: %d certificates, %v, want those of the bundle", len(certs), err)
	}
	if got := read(t, f.WgetRC); got != "ca_certificate = "+f.Bundle+"\n" {
		t.Errorf("wgetrc = %q", got)
	}
	for _, file := range []string{f.CA, f.Bundle, f.TrustStore} {
		info, err := os.Stat(file)
		if err != nil || info.Mode().Perm() != 0o644 {
			t.Errorf("%s: %v, %v, want mode 0644", file, info.Mode(), err)
		}
	}
	if left, _ := filepath.Glob(filepath.Dir(f.CA) + "/.attache-*"); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestWriteFilesAgain(t *testing.T) {
	dir := t.TempDir()
	ca, roots := newCA(t, "ours"), rootsOf(t, newCA(t, "corp"))
	first, err := client.WriteFiles(dir, ca, nil, roots)
	if err != nil {
		t.Fatal(err)
	}
	store := read(t, first.TrustStore)
	// Somebody changed what is there: it is put right.
	for _, file := range []string{first.Bundle, first.CA} {
		if err := os.WriteFile(file, newCA(t, "evil"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	second, err := client.WriteFiles(dir, ca, nil, roots)
	if err != nil || second != first {
		t.Fatalf("the second time = %v, %v, want %v", second, err, first)
	}
	if got := names(t, read(t, second.Bundle)); slices.Contains(got, "evil") {
		t.Errorf("the bundle still holds what somebody else wrote")
	}
	if read(t, second.TrustStore) != store {
		t.Errorf("a good trust store was written anew")
	}
	if err := os.WriteFile(first.TrustStore, []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := client.WriteFiles(dir, ca, nil, roots); err != nil || read(t, first.TrustStore) == "broken" {
		t.Errorf("a broken trust store is kept (%v)", err)
	}
	// Another proxy has a place of its own.
	other, err := client.WriteFiles(dir, newCA(t, "other"), nil, roots)
	if err != nil || filepath.Dir(other.CA) == filepath.Dir(first.CA) {
		t.Errorf("another CA is written to %v, %v", other, err)
	}
}

func TestWriteFilesRemovesWhatNobodyUses(t *testing.T) {
	dir := t.TempDir()
	old, err := client.WriteFiles(dir, newCA(t, "old"), nil, &client.Roots{})
	if err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(dir, "somebody-elses")
	long := time.Now().Add(-200 * 24 * time.Hour)
	if err := os.Mkdir(foreign, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{filepath.Dir(old.CA), foreign} {
		if err := os.Chtimes(d, long, long); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := client.WriteFiles(dir, newCA(t, "new"), nil, &client.Roots{}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Dir(old.CA)); !os.IsNotExist(err) {
		t.Errorf("files that nobody used for 200 days are still there (%v)", err)
	}
	if _, err := os.Stat(foreign); err != nil {
		t.Errorf("a directory that is not ours is gone: %v", err)
	}
}

func TestWriteFilesElsewhere(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CACHE_HOME", "")
	f, err := client.WriteFiles("", newCA(t, "ours"), nil, &client.Roots{})
	if err != nil || !strings.HasPrefix(f.CA, home) {
		t.Errorf("without a directory = %s, %v, want it in the cache under %s", f.CA, err, home)
	}
	// No home at all, as in a container.
	tmp := t.TempDir()
	t.Setenv("HOME", "")
	t.Setenv("TMPDIR", tmp)
	f, err = client.WriteFiles("", newCA(t, "ours"), nil, &client.Roots{})
	if err != nil || !strings.HasPrefix(f.CA, tmp) {
		t.Fatalf("without a home = %s, %v, want it in %s", f.CA, err, tmp)
	}
	private := filepath.Dir(filepath.Dir(f.CA))
	if info, err := os.Stat(private); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%s has mode %v, want 0700", private, info.Mode())
	}
	// Somebody else could have made that directory, to have us trust their file.
	if err := os.Chmod(private, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := client.WriteFiles("", newCA(t, "ours"), nil, &client.Roots{}); err == nil || !strings.Contains(err.Error(), "--dir") {
		t.Errorf("a directory that others write to = %v, want an error with what to do", err)
	}
}

func TestWriteFilesBadCA(t *testing.T) {
	for _, ca := range []string{"", "no certificate", "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n"} {
		if _, err := client.WriteFiles(t.TempDir(), []byte(ca), nil, &client.Roots{}); err == nil {
			t.Errorf("WriteFiles(%q) = nil, want an error", ca)
		}
	}
}

func TestSystemRoots(t *testing.T) {
	plain := client.SystemRoots(nil)
	if len(plain.DER) < 20 || len(plain.Sources) == 0 {
		t.Fatalf("the system has %d roots, from %q", len(plain.DER), plain.Sources)
	}
	corp := write(t, "corp.pem", newCA(t, "corp"))
	with := client.SystemRoots([]string{"REQUESTS_CA_BUNDLE=" + corp, "CURL_CA_BUNDLE=/does/not/exist", "GIT_SSL_CAINFO=" + write(t, "empty.pem", nil)})
	if len(with.DER) != len(plain.DER)+1 || with.Sources[0] != corp {
		t.Errorf("with the user's own: %d roots from %q, want %d from %s and the system", len(with.DER), with.Sources, len(plain.DER)+1, corp)
	}
	dir := t.TempDir()
	for _, name := range []string{"a.0", "b.0"} {
		if err := os.WriteFile(filepath.Join(dir, name), newCA(t, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := client.SystemRoots([]string{"SSL_CERT_DIR=/nowhere:" + dir}); len(got.DER) != len(plain.DER)+2 {
		t.Errorf("with SSL_CERT_DIR: %d roots, want %d", len(got.DER), len(plain.DER)+2)
	}
}

func TestExport(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "dir")
	f, err := client.Export(dir, newCA(t, "ours"), rootsOf(t, newCA(t, "corp")))
	if err != nil || f.CA != filepath.Join(dir, "ca.pem") {
		t.Fatalf("Export = %v, %v", f, err)
	}
	if got := names(t, read(t, f.CA)); !slices.Equal(got, []string{"ours"}) {
		t.Errorf("ca.pem = %q, want ours alone", got)
	}
}

func TestMozillaRoots(t *testing.T) {
	r := client.Mozilla()
	if len(r.DER) < 50 || !slices.Equal(r.Sources, []string{"mozilla"}) {
		t.Errorf("%d roots from %q, want Mozilla's", len(r.DER), r.Sources)
	}
	if f, err := client.WriteFiles(t.TempDir(), newCA(t, "ours"), nil, r); err != nil || len(names(t, read(t, f.Bundle))) != len(r.DER)+1 {
		t.Errorf("they do not make a bundle: %v", err)
	}
}
