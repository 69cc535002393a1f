package confine

import (
	"os"
	"path/filepath"
	"slices"

	"github.com/attache-proxy/attache/caddymodule/command/confine/inside"
)

// bundles are where systems keep their roots in one file: Debian, Fedora, openSUSE,
// Alpine.
var bundles = []string{
	"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
	"/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem", "/etc/pki/tls/cert.pem", "/etc/pki/tls/cacert.pem", "/usr/lib/ssl/cert.pem", "/usr/local/share/certs/ca-root-nss.crt",
}

// systemFiles stand where the system has its own: the roots, and who answers for names.
func systemFiles(bundle []byte) (all []inside.File) {
	add := func(at string, text string) {
		real, err := filepath.EvalSymlinks(at)
		if err != nil || slices.ContainsFunc(all, func(f inside.File) bool { return f.At == real }) {
			return
		}
		if info, err := os.Stat(real); err == nil && info.Mode().IsRegular() {
			all = append(all, inside.File{At: real, Text: text})
		}
	}
	for _, at := range bundles {
		add(at, string(bundle))
	}
	add("/etc/resolv.conf", "# names of this run, see docs/confinement.md\nnameserver 127.0.0.1\noptions timeout:3 attempts:2\n")
	return all
}
