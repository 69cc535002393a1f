package transfer

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

const maxLine = 4 << 20

// Error is a line that cannot be imported. Lines before its batch are
// stored; after the file is mended, the import goes on there.
type Error struct {
	Line int64 // from 1
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }
func (e *Error) Unwrap() error { return e.Err }

// Lines reads a file line by line.
type Lines struct {
	in *bufio.Reader
	N  int64 // read in all
}

// NewLines reads r.
func NewLines(r io.Reader) *Lines { return &Lines{in: bufio.NewReaderSize(r, 1<<16)} }

// Next returns the next line that is not empty, or io.EOF.
func (l *Lines) Next() ([]byte, error) {
	for {
		var text []byte
		for {
			part, err := l.in.ReadSlice('\n')
			text = append(text, part...)
			if err == nil || err == io.EOF && len(text) > 0 {
				break
			}
			if err != bufio.ErrBufferFull {
				return nil, err
			}
			if len(text) > maxLine {
				return nil, &Error{l.N + 1, fmt.Errorf("longer than %d bytes", maxLine)}
			}
		}
		l.N++
		if text = bytes.TrimSpace(text); len(text) > 0 {
			return text, nil
		}
	}
}

// Decode reads one line. Its error quotes nothing of it, since it may be secret.
func Decode[A any](text []byte) (l Line[A], err error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	dec.DisallowUnknownFields()
	if err := dec.Decode(&l); err != nil {
		return l, fmt.Errorf("not understood: %w", withoutValue(err))
	}
	return l, nil
}

// withoutValue drops what encoding/json quotes of the text, which may be secret.
func withoutValue(err error) error {
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) {
		return fmt.Errorf("%s cannot be %s", kind.Field, strings.Fields(kind.Value + " ?")[0])
	}
	if msg := err.Error(); strings.HasPrefix(msg, "json: unknown field") {
		return err
	}
	return errors.New("not JSON")
}
