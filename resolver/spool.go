package resolver

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"

	"github.com/attache-proxy/attache/resolver/limit"
)

// spool keeps a long body on disk while it is signed and sent. Its file has no
// name any more, where the system allows that, and nobody else can open it.
type spool struct {
	agent *limit.Agent // who is charged
	file  *os.File
	size  int64
	once  sync.Once
}

// spoolError says that the disk failed, and not the client.
type spoolError struct{ err error }

func (e *spoolError) Error() string { return "keeping the body on disk: " + e.err.Error() }
func (e *spoolError) Unwrap() error { return e.err }

func newSpool(agent *limit.Agent) (*spool, error) {
	if !agent.Take(limit.Bodies, 1) {
		return nil, &fullError{limit.Bodies}
	}
	s, err := createSpool(agent)
	if err != nil {
		agent.Give(limit.Bodies, 1)
	}
	return s, err
}

func createSpool(agent *limit.Agent) (*spool, error) {
	f, err := os.CreateTemp("", "attache-body-")
	if err != nil {
		return nil, &spoolError{err}
	}
	if runtime.GOOS != "windows" {
		if err := os.Remove(f.Name()); err != nil {
			f.Close()
			return nil, &spoolError{err}
		}
	}
	return &spool{agent: agent, file: f}, nil
}

// Write implements io.Writer.
func (s *spool) Write(p []byte) (int, error) {
	if !s.agent.Take(limit.BodyBytes, int64(len(p))) {
		return 0, &fullError{limit.BodyBytes}
	}
	n, err := s.file.Write(p)
	s.size += int64(n)
	s.agent.Give(limit.BodyBytes, int64(len(p)-n))
	if err != nil {
		err = &spoolError{err}
	}
	return n, err
}

// Reader reads the body from its beginning.
func (s *spool) Reader() io.Reader { return io.NewSectionReader(s.file, 0, s.size) }

// Bytes implements expr.Body. The bytes are not kept.
func (s *spool) Bytes() ([]byte, error) {
	b := make([]byte, s.size)
	if _, err := s.file.ReadAt(b, 0); err != nil {
		return nil, fmt.Errorf("reading the body from disk: %w", err)
	}
	return b, nil
}

// Size implements expr.Body.
func (s *spool) Size() int64 { return s.size }

// Close lets go of the file. It may be called often.
func (s *spool) Close() {
	s.once.Do(func() {
		_ = s.file.Close()
		s.agent.Give(limit.Bodies, 1)
		s.agent.Give(limit.BodyBytes, s.size)
		if runtime.GOOS == "windows" {
			_ = os.Remove(s.file.Name())
		}
	})
}

// lastUse is an answer's body whose end lets go of the request's.
type lastUse struct {
	io.ReadCloser
	then func()
}

func (c lastUse) Close() error {
	err := c.ReadCloser.Close()
	c.then()
	return err
}
