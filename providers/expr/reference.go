package expr

import (
	"cmp"
	"slices"
	"strings"
)

// Entry describes a variable or a function to people who write connectors.
type Entry struct {
	Name string // request.path, hex, now.unix
	Form string // request.path: string, hex(text): string
	Doc  string
}

// Reference lists what an expression may use beside CEL's own operators,
// macros and string and list functions: variables, then functions, by name.
func Reference() (variablesList, functions []Entry) {
	for name, v := range variables {
		variablesList = append(variablesList, Entry{name, name + ": " + typeName(v.typ), v.doc})
	}
	for _, subject := range library {
		for _, f := range subject {
			functions = append(functions, f.entry())
		}
	}
	byName := func(a, b Entry) int { return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Form, b.Form)) }
	slices.SortFunc(variablesList, byName)
	slices.SortFunc(functions, byName)
	return variablesList, functions
}

func (f function) entry() Entry {
	var params []string
	for _, p := range f.params {
		params = append(params, typeName(p))
	}
	name, receiver := f.name, ""
	if f.member {
		receiver, params = params[0]+".", params[1:]
	}
	return Entry{receiver + name, receiver + name + "(" + strings.Join(params, ", ") + "): " + typeName(f.result), f.doc}
}
