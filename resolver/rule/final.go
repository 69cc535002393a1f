package rule

import "strings"

// A deny is the end: what it is for passes by no rule before it that only means it among
// others. Who writes allow repos/* and then deny effect:delete does not want repositories
// deleted; who names one operation, and then denies its effect, wants an exception.

// overruled finds the rule behind that at i, which allows or asks, by which the request is
// denied nevertheless, and why it is not known whether its condition holds; or -1.
func (s *Set) overruled(i int, r *Request, does *Does) (by int, failed string) {
	if s.stands(i, r, does) {
		return -1, ""
	}
	for j := i + 1; j <= s.lastDeny; j++ {
		p := &s.rules[j]
		if !p.denies() || p.matches(r, does) != yes {
			continue
		}
		if p.when == nil {
			return j, ""
		}
		if held, why := p.holds(r, does); held != no {
			return j, why
		}
	}
	return -1, ""
}

// bodyOverrules reports whether it hangs on the body if the rule at i is overruled.
func (s *Set) bodyOverrules(i int, r *Request, does *Does) bool {
	if s.stands(i, r, does) {
		return false
	}
	for j := i + 1; j <= s.lastDeny; j++ {
		if p := &s.rules[j]; p.denies() && p.when != nil && p.when.NeedsBody() && p.matches(r, does) == yes {
			return true
		}
	}
	return false
}

// stands reports that no rule behind that at i can overrule it.
func (s *Set) stands(i int, r *Request, does *Does) bool {
	return i >= s.lastDeny || s.rules[i].denies() || s.rules[i].names(r, does)
}

func (p *rule) denies() bool { return !p.allow && p.asks == nil }

// names reports a rule that means the request by the whole name of its operation, or by
// its method and path.
func (p *rule) names(r *Request, does *Does) bool {
	for i := range p.patterns {
		if one := &p.patterns[i]; one.exact() && one.matches(r, does, p.allow) == yes {
			return true
		}
	}
	return false
}

func (p *pattern) exact() bool {
	switch p.kind {
	case byName:
		return !strings.Contains(p.name, "*")
	case byPath:
		return p.method != "*" && !strings.ContainsAny(p.name, "*{")
	}
	return false
}
