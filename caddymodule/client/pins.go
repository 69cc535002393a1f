package client

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// pinsFile holds a line for each proxy that was used: its URL and the
// Fingerprint of its root certificate.
const pinsFile = "known_proxies"

// Pin remembers the certificate of a proxy at its first use, and refuses another
// one later: whoever takes over a proxy's port, or its token, would otherwise be
// trusted with every connection of the next command. The directory is that of
// WriteFiles.
func Pin(dir string, proxy *url.URL, ca []byte) error {
	base, err := fileBase(dir)
	if err != nil {
		return err
	}
	file, got := filepath.Join(base, pinsFile), Fingerprint(ca)
	text, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("which certificates proxies have: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		at, known, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case at != proxy.String():
		case known == got:
			return nil
		default:
			return &Error{Code: "ca_changed",
				Msg: fmt.Sprintf("the proxy at %s signs with another certificate than at its first use: SHA-256 %s, not %s", proxy, short(got), short(known)),
				Next: fmt.Sprintf("If its certificate was made anew, remove the line of %s from %s. If not, another program has taken its port: trust nothing that it says. --ca FILE says which certificate is right.",
					proxy, file)}
		}
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("remembering the proxy's certificate: %w", err)
	}
	_, err = fmt.Fprintf(f, "%s %s\n", proxy, got)
	return errors.Join(err, f.Close())
}

func short(fingerprint string) string { return fingerprint[:min(16, len(fingerprint))] + "…" }
