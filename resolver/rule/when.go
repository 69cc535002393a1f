package rule

import (
	"errors"
	"fmt"
	"strings"

	"github.com/attache-proxy/attache/providers/operations"
	"github.com/attache-proxy/attache/resolver/rule/condition"
)

// unquoted is a condition without the backquotes that a Caddyfile has around it.
func unquoted(s string) string {
	s = strings.Trim(s, " \t")
	if inner, ok := strings.CutPrefix(s, "`"); ok && strings.HasSuffix(inner, "`") {
		return strings.Trim(strings.TrimSuffix(inner, "`"), " \t")
	}
	return s
}

// compiled compiles the condition of a line; nil where it has none.
func compiled(line, when string) (*condition.Condition, error) {
	if when == "" {
		return nil, nil
	}
	c, err := condition.New(when)
	if err != nil {
		column, what := condition.Column(err)
		return nil, fmt.Errorf("column %d: %s", column+len([]rune(line[:strings.LastIndex(line, when)])), what)
	}
	return c, nil
}

// holds reports whether the rule's condition holds, perhaps where that is not known, and
// then why.
func (p *rule) holds(r *Request, does *Does) (verdict, string) {
	holds, err := false, error(nil)
	if r.Assume != nil {
		holds, err = r.Assume(p.when.String(), p.allow)
	} else {
		holds, err = p.when.Holds(asked(r, does))
	}
	if err != nil {
		return perhaps, err.Error()
	}
	return when(holds), ""
}

// asked is a request as conditions see it.
func asked(r *Request, does *Does) *condition.Request {
	q := &condition.Request{Methods: r.Methods, Path: r.Path, Query: r.Query}
	if r.Body != nil {
		q.Body = *r.Body
	}
	if does != nil {
		q.Resource = does.Resource
		if !does.Unsure {
			q.Name = does.Name
		}
		if does.Effect != operations.Unknown {
			q.Effect = does.Effect.String()
		}
		if does.Args != nil {
			q.Args = *does.Args
		}
	}
	return q
}

// Conditional reports rules that have conditions.
func (s *Set) Conditional() bool { return s != nil && len(s.Conditions()) > 0 }

// Conditions are those of the rules, each once.
func (s *Set) Conditions() (all []string) {
	seen := map[string]bool{}
	for i := range s.rules {
		if c := s.rules[i].when; c != nil && !seen[c.String()] {
			seen[c.String()] = true
			all = append(all, c.String())
		}
	}
	return all
}

// Needs reports a request of which it hangs on a condition on its body, which is not
// known yet, what the rules say.
func (s *Set) Needs(r *Request) bool {
	if s == nil || r.Body != nil {
		return false
	}
	for i := range r.Does {
		if s.needs(r, &r.Does[i]) {
			return true
		}
	}
	return false
}

func (s *Set) needs(r *Request, does *Does) bool {
	for i := range s.rules {
		rule := &s.rules[i]
		v := rule.matches(r, does)
		if v == no || rule.allow && v == perhaps {
			continue
		}
		if rule.when == nil {
			return s.bodyOverrules(i, r, does)
		}
		if rule.when.NeedsBody() {
			return true
		}
		if held, _ := rule.holds(r, does); held == yes || held == perhaps && !rule.allow {
			return s.bodyOverrules(i, r, does)
		}
	}
	return false
}

// AtBest answers conditions for Request.Assume as it is best for who asks: what allows
// holds, and what denies or asks does not.
func AtBest(_ string, allows bool) (bool, error) { return allows, nil }

// errNotKept is why nothing is known of a condition.
var errNotKept = errors.New("what was in the request is not known")

// AtWorst answers conditions for Request.Assume as they are decided where nothing is known.
func AtWorst(string, bool) (bool, error) { return false, errNotKept }
