package client

import (
	"encoding/pem"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// rootFiles are where systems keep their roots in one file; the first that is
// there is taken. Go's crypto/x509 looks at the same places.
var rootFiles = []string{
	"/etc/ssl/certs/ca-certificates.crt",                // Debian, Arch, Gentoo
	"/etc/pki/tls/certs/ca-bundle.crt",                  // Fedora, RHEL
	"/etc/ssl/ca-bundle.pem",                            // openSUSE
	"/etc/pki/tls/cacert.pem",                           // OpenELEC
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // CentOS, RHEL 7
	"/etc/ssl/cert.pem",                                 // Alpine, macOS, FreeBSD, OpenBSD
	"/usr/local/etc/ssl/cert.pem",                       // FreeBSD ports
	"/usr/local/share/certs/ca-root-nss.crt",            // FreeBSD, older
	"/etc/openssl/certs/ca-certificates.crt",            // NetBSD
	"/etc/certs/ca-certificates.crt",                    // Solaris
}

// rootDirs are where they keep them one by one.
var rootDirs = []string{"/etc/ssl/certs", "/etc/pki/tls/certs", "/etc/openssl/certs"}

// Roots are certificates, each once.
type Roots struct {
	DER [][]byte
	// Sources are the files that they came from, or mozilla for the list that
	// is built in.
	Sources []string
	seen    map[string]bool
}

// SystemRoots finds the roots that clients trust already: those that the
// environment's own trust variables name, and the system's. Where the system
// has none, as in an image from scratch, Mozilla's list is taken that is built
// into this program.
func SystemRoots(environ []string) *Roots {
	env := lookup(environ)
	r := &Roots{}
	for _, v := range trustVariables {
		if file := env[v.name]; file != "" {
			r.addFile(file)
		}
	}
	found := false
	if runtime.GOOS != "windows" { // its roots are in no file
		i := slices.IndexFunc(rootFiles, r.addFile)
		found = i >= 0
	}
	for _, dir := range filepath.SplitList(env["SSL_CERT_DIR"]) {
		found = r.addDir(dir) || found
	}
	if !found {
		found = slices.IndexFunc(rootDirs, r.addDir) >= 0
	}
	if !found {
		r.addMozilla()
	}
	return r
}

// addFile takes the certificates of a PEM file and reports whether there was one.
func (r *Roots) addFile(name string) bool {
	text, err := os.ReadFile(name)
	if err != nil || !r.addPEM(text) {
		return false
	}
	if !slices.Contains(r.Sources, name) {
		r.Sources = append(r.Sources, name)
	}
	return true
}

func (r *Roots) addDir(dir string) (found bool) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	for _, e := range entries {
		if text, err := os.ReadFile(filepath.Join(dir, e.Name())); err == nil {
			found = r.addPEM(text) || found
		}
	}
	if found {
		r.Sources = append(r.Sources, dir)
	}
	return found
}

func (r *Roots) addMozilla() {
	for root := range bundle.Roots() {
		if root.Constraint == nil { // a file could not say the constraint
			r.add(root.Certificate)
		}
	}
	r.Sources = append(r.Sources, "mozilla")
}

func (r *Roots) addPEM(text []byte) bool {
	ders := certificates(text)
	for _, der := range ders {
		r.add(der)
	}
	return len(ders) > 0
}

// union joins lists; each certificate stands in it once.
func union(lists ...[][]byte) [][]byte {
	var all Roots
	for _, list := range lists {
		for _, der := range list {
			all.add(der)
		}
	}
	return all.DER
}

func (r *Roots) add(der []byte) {
	if r.seen == nil {
		r.seen = map[string]bool{}
	}
	if !r.seen[string(der)] {
		r.seen[string(der)] = true
		r.DER = append(r.DER, der)
	}
}

// certificates returns the DER of every certificate in a PEM text.
func certificates(text []byte) (ders [][]byte) {
	for {
		var block *pem.Block
		block, text = pem.Decode(text)
		if block == nil {
			return ders
		}
		if block.Type == "CERTIFICATE" {
			ders = append(ders, block.Bytes)
		}
	}
}

// encodePEM is the text of certificates, one after the other, without comments:
// some readers take none.
func encodePEM(ders ...[]byte) []byte {
	var out []byte
	for _, der := range ders {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return out
}

// lookup makes a map of NAME=value lines; the last of several wins.
func lookup(environ []string) map[string]string {
	m := make(map[string]string, len(environ))
	for _, line := range environ {
		if name, value, ok := strings.Cut(line, "="); ok {
			m[name] = value
		}
	}
	return m
}

// ExtraRoots are the certificates that NODE_EXTRA_CA_CERTS names: they stay
// beside ours.
func ExtraRoots(environ []string) [][]byte {
	text, err := os.ReadFile(lookup(environ)["NODE_EXTRA_CA_CERTS"])
	if err != nil {
		return nil
	}
	return certificates(text)
}
