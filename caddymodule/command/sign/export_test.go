package sign

import (
	"io"
	"strings"
)

// SignCommand is attache sign with these flags.
type SignCommand struct {
	Connector, Option, Dir, Fields, Request, At, Nonce string

	Explain bool
}

// Run gives what the command prints: the request, and its notes.
func (c SignCommand) Run(stdin io.Reader) (out, notes string, err error) {
	var stdout, stderr strings.Builder
	s := signing{connector: c.Connector, option: c.Option, dir: c.Dir, fields: c.Fields, request: c.Request, at: c.At, nonce: c.Nonce, explained: c.Explain, stdin: stdin, notes: &stderr}
	err = s.run(&stdout)
	return stdout.String(), stderr.String(), err
}
