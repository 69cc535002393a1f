package operations

import "strings"

// Shown is an operation as people and programs see it in a list.
type Shown struct {
	Name   string `json:"name"`
	Effect string `json:"effect" enum:"unknown,read,write,delete,admin,money"`
	Method string `json:"method" doc:"ACTION where a header or the body names the operation."`
	Path   string `json:"path" doc:"Its template, on the service's host; what stands behind a ? must be in the query."`
	// Hosts are the globs of the hosts it is on; nil for all of the connector's.
	Hosts    []string `json:"hosts,omitempty" doc:"Where it is, a * for one label; absent for all hosts of the connector."`
	Resource string   `json:"resource,omitempty" doc:"The part of the path that names what it is done to."`
}

// Show is an entry as it is shown.
func (e *Entry) Show() Shown {
	s := Shown{Name: e.Name, Effect: e.Effect.String(), Method: e.Method, Path: e.Template, Hosts: strings.Fields(e.Host)}
	if e.To > e.From {
		segs := strings.Split(strings.TrimPrefix(e.path(), "/"), "/")
		s.Resource = strings.Join(segs[min(e.From, len(segs)):min(e.To, len(segs))], "/")
	}
	return s
}

// Mentions reports whether a name, path or effect has a word, in either case.
func (s *Shown) Mentions(word string) bool {
	word = strings.ToLower(word)
	return strings.Contains(strings.ToLower(s.Name), word) || strings.Contains(strings.ToLower(s.Path), word) || s.Effect == word
}
