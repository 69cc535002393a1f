package sign

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/attache-proxy/attache/providers/expr"
)

// placer writes one value to one place.
type placer interface {
	place(r *http.Request, in *Input) error
	places(*Places)
	needsBody() bool
}

// finder is a placer that can tell whether its place is taken.
type finder interface {
	placer
	present(r *http.Request, in *Input) (bool, error)
}

// signer is the Signer of a Spec: its steps in order.
type signer struct {
	steps   []*step
	written Places
	body    bool
	// complex means that something is computed from the request, so that what
	// the agent sent in our places must be gone before.
	complex bool
}

// step is one map under `sign:`.
type step struct {
	when    *expr.Condition
	lets    []*expr.Let
	removed Places
	placers []placer
	body    bool
	complex bool
}

func (s *step) add(p placer) {
	s.placers = append(s.placers, p)
	s.body = s.body || p.needsBody()
}

// finish sums up the steps.
func (s *signer) finish() {
	for _, st := range s.steps {
		s.written.add(st.removed)
		for _, p := range st.placers {
			var own Places
			p.places(&own)
			s.written.add(own)
		}
		for _, l := range st.lets {
			st.body = st.body || l.NeedsBody()
		}
		s.body = s.body || st.body || st.when != nil && st.when.NeedsBody() || len(st.removed.Form)+len(st.removed.JSON) > 0
		s.complex = s.complex || st.complex || st.when != nil || len(st.lets) > 0 || !st.removed.isZero()
	}
	s.complex = s.complex || len(s.steps) > 1
}

func (s *signer) Places() Places  { return s.written }
func (s *signer) NeedsBody() bool { return s.body }

// needsBodyOf is NeedsBody for one request.
func (s *signer) needsBodyOf(r *http.Request) bool {
	if !s.body {
		return false
	}
	for _, st := range s.steps {
		if st.when != nil && st.when.NeedsBody() || len(st.removed.Form)+len(st.removed.JSON) > 0 {
			return true
		}
		for _, l := range st.lets {
			if l.NeedsBody() {
				return true
			}
		}
		for _, p := range st.placers {
			if each, ok := p.(interface{ needsBodyOf(*http.Request) bool }); ok {
				if each.needsBodyOf(r) {
					return true
				}
			} else if p.needsBody() {
				return true
			}
		}
	}
	return false
}

func (s *signer) Sign(r *http.Request, in *Input) error {
	in.Request, in.Placed = r, in.Placed[:0]
	if s.complex {
		Strip(r, s.written)
		if err := stripBody(r, in, s.written); err != nil {
			return err
		}
	}
	for _, st := range s.steps {
		if err := st.sign(r, in); err != nil {
			return err
		}
	}
	return nil
}

func (s *step) sign(r *http.Request, in *Input) error {
	if s.when != nil {
		ok, err := s.when.Eval(&in.Vars)
		if err != nil {
			return explain("when", err)
		}
		if !ok {
			return nil
		}
	}
	for _, l := range s.lets {
		if err := l.Eval(&in.Vars); err != nil {
			return explain("let "+l.Name(), err)
		}
	}
	for _, p := range s.placers {
		if err := p.place(r, in); err != nil && !errors.Is(err, expr.ErrNone) {
			return err
		}
	}
	return nil
}

// explain says which template failed. A failure of the expression itself
// becomes an *Error; a missing value or an unreadable body stays what it is.
func explain(where string, err error) error {
	if errors.Is(err, expr.ErrNone) {
		return err
	}
	if _, ok := errors.AsType[expr.EvalError](err); ok {
		return cannot("%s: %v", where, err)
	}
	return fmt.Errorf("%s: %w", where, err)
}

// ifPresent leaves its place out when an optional field is missing.
type ifPresent struct{ placer }

func (p ifPresent) place(r *http.Request, in *Input) error {
	err := p.placer.place(r, in)
	if _, missing := errors.AsType[*expr.MissingError](err); missing {
		return nil
	}
	return err
}

// fallback writes only where the agent wrote nothing.
type fallback struct{ finder }

func (d fallback) place(r *http.Request, in *Input) error {
	there, err := d.present(r, in)
	if err != nil || there {
		return err
	}
	return d.finder.place(r, in)
}

// places are none: what the agent sent there is to stay.
func (d fallback) places(*Places) {}
