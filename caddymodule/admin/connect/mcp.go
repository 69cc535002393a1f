package connect

import (
	"net/http"

	"github.com/attache-proxy/attache/resolver/problem"
)

// clientDocument serves the client ID metadata document. It holds nothing that
// is not in every authorization request.
func (a *Pages) clientDocument(w http.ResponseWriter, r *http.Request) {
	c := a.guard.Client(a.c.PublicURL)
	if c.DocumentURL == "" {
		problem.Write(w, problem.New(http.StatusNotFound, "NOT_FOUND", "There is no such document: public_url is no https address that others reach."))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "public, max-age=3600")
	_, _ = w.Write(c.Document())
}
