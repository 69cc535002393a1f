package sign

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/expr"
	"github.com/attache-proxy/attache/providers/sign"
)

// signing is one attache sign.
type signing struct {
	connector, option, dir, fields, request, at, nonce string

	explained bool

	stdin io.Reader
	notes io.Writer // what was chosen for the person, a line each
}

func (s *signing) note(format string, args ...any) {
	fmt.Fprintf(s.notes, "note: "+format+"\n", args...)
}

// explain names every field that is missing, not only the first.
func (s *signing) explain(err error, o *providers.Option, in *sign.Input) error {
	missing, ok := errors.AsType[*expr.MissingError](err)
	if !ok {
		return err
	}
	var names []string
	for _, f := range o.Fields {
		if !f.Optional && f.Default == "" && in.Cred.Fields.Get(f.Name).IsZero() {
			names = append(names, f.Name)
		}
	}
	if len(names) == 0 {
		return fmt.Errorf("--fields %s: %w; option %s has the fields %s", s.fields, err, o.Name, cmp.Or(o.FieldNames(), "(none)"))
	}
	return fmt.Errorf("--fields %s: option %s also needs %s (%s)", s.fields, o.Name, strings.Join(names, ", "), missing)
}

func (s *signing) slurp(file string) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(s.stdin)
	}
	return os.ReadFile(file)
}
