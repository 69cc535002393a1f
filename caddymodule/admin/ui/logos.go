package ui

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"regexp"
	"time"

	"github.com/attache-proxy/attache/providers/logo"
)

// keyed is a connector's key, as a file. It says nothing of what connectors there
// are: whatever has no drawing has a letter.
var keyed = regexp.MustCompile(`^([a-z0-9][a-z0-9_-]{0,99})\.svg$`)

// serveLogo serves the mark of a connector. Drawings come with the program, so that
// a browser may keep them for a day; no service is asked for them.
func serveLogo(w http.ResponseWriter, r *http.Request, file string) {
	m := keyed.FindStringSubmatch(file)
	if m == nil {
		http.NotFound(w, r)
		return
	}
	b := logo.SVG(m[1], "")
	sum := sha256.Sum256(b)
	h := w.Header()
	h.Set("Content-Type", "image/svg+xml")
	h.Set("Cache-Control", "private, max-age=86400")
	h.Set("ETag", `"`+hex.EncodeToString(sum[:8])+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
}
