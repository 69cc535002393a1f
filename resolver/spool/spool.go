// Package spool keeps a long body on disk while it is signed and sent.
package spool

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"

	"github.com/attache-proxy/attache/resolver/limit"
)

// Spool is one body. Its file has no
// name any more, where the system allows that, and nobody else can open it.
type Spool struct {
	agent *limit.Agent // who is charged
	file  *os.File
	size  int64
	once  sync.Once
}

// Error says that the disk failed, and not the client.
type Error struct{ err error }

func (e *Error) Error() string { return "keeping the body on disk: " + e.err.Error() }
func (e *Error) Unwrap() error { return e.err }

// New makes a file for a body of that agent. Its error is a *limit.FullError or an
// *Error.
func New(agent *limit.Agent) (*Spool, error) {
	if !agent.Take(limit.Bodies, 1) {
		return nil, &limit.FullError{Kind: limit.Bodies}
	}
	s, err := createSpool(agent)
	if err != nil {
		agent.Give(limit.Bodies, 1)
	}
	return s, err
}

func createSpool(agent *limit.Agent) (*Spool, error) {
	f, err := os.CreateTemp("", "attache-body-")
	if err != nil {
		return nil, &Error{err}
	}
	if runtime.GOOS != "windows" {
		if err := os.Remove(f.Name()); err != nil {
			f.Close()
			return nil, &Error{err}
		}
	}
	return &Spool{agent: agent, file: f}, nil
}

// Write implements io.Writer.
func (s *Spool) Write(p []byte) (int, error) {
	if !s.agent.Take(limit.BodyBytes, int64(len(p))) {
		return 0, &limit.FullError{Kind: limit.BodyBytes}
	}
	n, err := s.file.Write(p)
	s.size += int64(n)
	s.agent.Give(limit.BodyBytes, int64(len(p)-n))
	if err != nil {
		err = &Error{err}
	}
	return n, err
}

// Reader reads the body from its beginning.
func (s *Spool) Reader() io.Reader { return io.NewSectionReader(s.file, 0, s.size) }

// Bytes implements expr.Body. The bytes are not kept.
func (s *Spool) Bytes() ([]byte, error) {
	b := make([]byte, s.size)
	if _, err := s.file.ReadAt(b, 0); err != nil {
		return nil, fmt.Errorf("reading the body from disk: %w", err)
	}
	return b, nil
}

// Size implements expr.Body.
func (s *Spool) Size() int64 { return s.size }

// Close lets go of the file. It may be called often.
func (s *Spool) Close() {
	s.once.Do(func() {
		_ = s.file.Close()
		s.agent.Give(limit.Bodies, 1)
		s.agent.Give(limit.BodyBytes, s.size)
		if runtime.GOOS == "windows" {
			_ = os.Remove(s.file.Name())
		}
	})
}
