// Package rest is how the REST API speaks: operations with their OpenAPI document,
// lists and their cursors, ETags and conditional edits, idempotency keys. What it
// speaks of is package api.
package rest

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"path"

	"github.com/attache-proxy/attache/caddymodule/admin/signin"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/attache-proxy/attache/caddymodule/admin/paths"
	"github.com/attache-proxy/attache/resolver/problem"
	"github.com/attache-proxy/attache/resolver/vault"
)

// Server answers the operations that are registered with it.
type Server struct {
	v    *vault.Vault
	log  *slog.Logger
	mux  *http.ServeMux
	huma huma.API
}

// New makes a server without operations. version is the program's.
func New(v *vault.Vault, log *slog.Logger, version string) *Server {
	a := &Server{v: v, log: log, mux: http.NewServeMux()}
	a.huma = humago.New(a.mux, humaConfig(version))
	return a
}

// Finish completes the document after the last operation was registered.
func (a *Server) Finish() { finishDocument(a.huma.OpenAPI()) }

// Explain makes a problem of an error that a caller's request met.
func (a *Server) Explain(err error, noun string, c *signin.Caller) *problem.Problem {
	if _, told := errors.AsType[*problem.Problem](err); !told && errors.Is(err, vault.ErrConflict) && c != nil && c.Conditional {
		return problem.New(http.StatusPreconditionFailed, "PRECONDITION_FAILED", "It was edited since the version that If-Match names. Read it again.")
	}
	return problem.Of(err, noun, a.log)
}

// Route finds the operation, and answers in our own form where there is none.
func (a *Server) Route(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != path.Clean(r.URL.Path) { // the mux would redirect
		problem.Write(w, problem.New(http.StatusNotFound, "NOT_FOUND", "There is nothing at this path; it is not in its shortest form."))
		return
	}
	h, pattern := a.mux.Handler(r)
	if pattern != "" {
		if known := r.Header.Get("If-None-Match"); known != "" && r.Method == http.MethodGet {
			w = &notModified{ResponseWriter: w, known: known}
		}
		a.mux.ServeHTTP(w, r)
		return
	}
	rec := &statusOnly{header: http.Header{}}
	h.ServeHTTP(rec, r)
	if rec.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", rec.header.Get("Allow"))
		problem.Write(w, problem.New(http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "This path takes "+rec.header.Get("Allow")+"."))
		return
	}
	problem.Write(w, problem.New(http.StatusNotFound, "NOT_FOUND", "There is nothing at this path. "+paths.API+"/openapi.json lists what there is."))
}

// statusOnly hears what the mux would answer.
type statusOnly struct {
	header http.Header
	status int
}

func (s *statusOnly) Header() http.Header { return s.header }

func (s *statusOnly) Write(b []byte) (int, error) { return len(b), nil }

func (s *statusOnly) WriteHeader(status int) { s.status = status }

// OpenAPI is the document that describes the API, as JSON.
func (a *Server) OpenAPI() ([]byte, error) {
	b, err := json.MarshalIndent(a.huma.OpenAPI(), "", "  ")
	return append(b, '\n'), err
}
