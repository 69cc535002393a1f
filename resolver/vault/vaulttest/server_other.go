//go:build !linux

package vaulttest

// Server is a PostgreSQL of our own; elsewhere than on Linux there is none, and
// AddressEnv names one to use.
type Server struct{}

// StartPostgres does not start one here.
func StartPostgres() (*Server, error) { return nil, errNoPostgres }

// Start, URL, Kill and Stop are Linux's.
func (s *Server) Start() error      { return errNoPostgres }
func (s *Server) URL(string) string { return "" }
func (s *Server) Kill()             {}
func (s *Server) Stop()             {}
