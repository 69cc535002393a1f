package database

import "strings"

// Where collects conditions that are joined with AND.
type Where struct {
	conds []string
	Args  []any
}

func (w *Where) Add(cond string, args ...any) {
	w.conds = append(w.conds, cond)
	w.Args = append(w.Args, args...)
}

// Is adds column = value unless value is empty.
func (w *Where) Is(column, value string) {
	if value != "" {
		w.Add(column+" = ?", value)
	}
}

func (w *Where) String() string {
	if len(w.conds) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.conds, " AND ")
}

// OneOf adds column IN (values) unless there are none.
func (w *Where) OneOf(column string, values []string) {
	switch len(values) {
	case 0:
		return
	case 1:
		w.Is(column, values[0])
		return
	}
	args := make([]any, len(values))
	for i, x := range values {
		args[i] = x
	}
	w.Add(column+" IN ("+strings.TrimSuffix(strings.Repeat("?, ", len(values)), ", ")+")", args...)
}

// Words adds that one of the columns has text in it, whatever its case.
func (w *Where) Words(text string, columns ...string) {
	if text == "" {
		return
	}
	pattern := "%" + strings.NewReplacer("~", "~~", "%", "~%", "_", "~_").Replace(strings.ToLower(text)) + "%"
	// One look at all of them together: most rows have it in none. No name has a line
	// break, so nothing is found across two columns.
	w.Add("lower("+strings.Join(columns, " || '\n' || ")+") LIKE ? ESCAPE '~'", pattern)
}
