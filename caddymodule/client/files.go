package client

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/attache-proxy/attache/caddymodule/client/preload"
)

// Files are what clients read their roots from. All of it is public.
type Files struct {
	// CA holds our root, and what NODE_EXTRA_CA_CERTS held before: for clients
	// that add a file to their own roots.
	CA string
	// Bundle holds our root and every other: for clients that read nothing else.
	Bundle string
	// TrustStore is the bundle as PKCS#12, for Java.
	TrustStore string
	// WgetRC is a configuration of wget that names the bundle.
	WgetRC string
	// PHPDir holds a configuration of PHP that does.
	PHPDir string
	// Node is what Node loads before a program, R what R does.
	Node, R string
	// Gemini are defaults of the Gemini CLI.
	Gemini string
}

// unused is after how long a directory of files is removed that nobody asked
// for any more. A command that runs for longer would lose its roots.
const unused = 180 * 24 * time.Hour

// WriteFiles puts the files into a directory under dir that is named after
// their content, so that commands with other roots do not disturb each other
// and one that is there already is used again. They stay: the commands that
// read them go on after us. An empty dir means the user's cache directory.
func WriteFiles(dir string, ca []byte, extra [][]byte, roots *Roots) (Files, error) {
	own := certificates(ca)
	if len(own) == 0 {
		return Files{}, errors.New("the CA certificate is no PEM certificate")
	}
	all := union(own, roots.DER)
	content := map[string][]byte{"ca.pem": encodePEM(union(own, extra)...), "bundle.pem": encodePEM(all...)}
	base, err := fileBase(dir)
	if err != nil {
		return Files{}, err
	}
	sum := sha256.Sum256(append(content["ca.pem"], content["bundle.pem"]...))
	at := filepath.Join(base, hex.EncodeToString(sum[:8]))
	if err := os.MkdirAll(at, 0o755); err != nil {
		return Files{}, fmt.Errorf("writing the CA bundle: %w", err)
	}
	for name, text := range content {
		if err := put(filepath.Join(at, name), text); err != nil {
			return Files{}, fmt.Errorf("writing the CA bundle: %w", err)
		}
	}
	f := allIn(at)
	prepend := filepath.Join(f.PHPDir, preload.PHPName)
	err = errors.Join(put(f.WgetRC, []byte("ca_certificate = "+f.Bundle+"\n")), put(f.Node, preload.Node), put(f.R, preload.R), put(f.Gemini, []byte(geminiDefaults)), os.MkdirAll(f.PHPDir, 0o755), put(prepend, preload.PHP),
		put(filepath.Join(f.PHPDir, "attache.ini"), []byte(fmt.Sprintf("curl.cainfo = %q\nopenssl.cafile = %[1]q\nauto_prepend_file = %q\n", f.Bundle, prepend))))
	if err != nil {
		return Files{}, fmt.Errorf("writing the CA bundle: %w", err)
	}
	if err := putTrustStore(f.TrustStore, all); err != nil {
		return Files{}, fmt.Errorf("writing the trust store: %w", err)
	}
	removeUnused(base, at)
	return f, nil
}

// Export writes the three files into dir itself, over what is there.
func Export(dir string, ca []byte, roots *Roots) (Files, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Files{}, err
	}
	all := union(certificates(ca), roots.DER)
	f := filesIn(dir)
	return f, errors.Join(put(f.CA, encodePEM(certificates(ca)...)), put(f.Bundle, encodePEM(all...)), putTrustStore(f.TrustStore, all))
}

func filesIn(dir string) Files {
	return Files{CA: filepath.Join(dir, "ca.pem"), Bundle: filepath.Join(dir, "bundle.pem"), TrustStore: filepath.Join(dir, "truststore.p12")}
}

// allIn are the files that WriteFiles writes into a directory.
func allIn(dir string) Files {
	f := filesIn(dir)
	f.WgetRC, f.PHPDir = filepath.Join(dir, "wgetrc"), filepath.Join(dir, "php")
	f.Node, f.R = filepath.Join(dir, preload.NodeName), filepath.Join(dir, preload.RName)
	f.Gemini = filepath.Join(dir, "gemini.json")
	return f
}

// Bundle is the text of our root and every other.
func Bundle(ca []byte, roots *Roots) []byte { return encodePEM(union(certificates(ca), roots.DER)...) }

// TrustStoreOf is the same as PKCS#12.
func TrustStoreOf(ca []byte, roots *Roots) ([]byte, error) {
	return trustStore(union(certificates(ca), roots.DER))
}

// fileBase is the directory that holds ours: dir, the user's cache directory,
// or, where that cannot be written, a private one among the temporary files.
func fileBase(dir string) (string, error) {
	if dir != "" {
		at, err := private(dir)
		if err != nil {
			return "", fmt.Errorf("--dir: %w", err)
		}
		return at, nil
	}
	if cache, err := os.UserCacheDir(); err == nil && filepath.IsAbs(cache) {
		if base, err := private(filepath.Join(cache, "attache")); err == nil && writable(base) {
			return base, nil
		}
	}
	base := filepath.Join(os.TempDir(), fmt.Sprintf("attache-%d", os.Getuid()))
	if err := os.Mkdir(base, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("finding a place for the CA bundle: %w", err)
	}
	info, err := os.Lstat(base)
	if err != nil {
		return "", err
	}
	if !info.IsDir() || !ownedByUs(info) {
		return "", fmt.Errorf("%s belongs to somebody else; name another directory with --dir", base)
	}
	return base, nil
}

func writable(dir string) bool {
	f, err := os.CreateTemp(dir, ".attache-*")
	if err != nil {
		return false
	}
	f.Close()
	return os.Remove(f.Name()) == nil
}

// put writes a file that everybody may read, in one step: a reader sees the old
// one or the new one. A file with the right content is left alone.
func put(name string, text []byte) error {
	if old, err := os.ReadFile(name); err == nil && bytes.Equal(old, text) {
		return nil
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".attache-*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// putTrustStore is put for a file that is never the same twice: its salts are
// random.
func putTrustStore(name string, ders [][]byte) error {
	if old, err := os.ReadFile(name); err == nil && holds(old, ders) {
		return nil
	}
	store, err := trustStore(ders)
	if err != nil {
		return err
	}
	return put(name, store)
}

// removeUnused marks at as used now and removes its siblings of long ago.
func removeUnused(base, at string) {
	now := time.Now()
	_ = os.Chtimes(at, now, now)
	entries, _ := os.ReadDir(base)
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !e.IsDir() || len(e.Name()) != 16 || now.Sub(info.ModTime()) < unused {
			continue
		}
		for _, name := range []string{"ca.pem", "bundle.pem", "truststore.p12", "wgetrc", preload.NodeName, preload.RName, "gemini.json", "php/attache.ini", "php/" + preload.PHPName, "php"} {
			_ = os.Remove(filepath.Join(base, e.Name(), name))
		}
		_ = os.Remove(filepath.Join(base, e.Name())) // only when nothing else lies in it
	}
}
