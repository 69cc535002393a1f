// Package transfer is the form in which a vault leaves its database: what an export's
// lines are, how tables become such lines, and how lines become rows again.
package transfer

import (
	"strings"
	"time"
)

// Header is the first line of an export, whose form is JSON lines: a header, a line
// per row, an end.
//
//	{"vault":1,"schema":1,"id":"vlt_…","keys":["1f…"],"rows":3,"at":"…"}
//	{"table":"accounts","row":{"id":"acc_…",…}}
//	{"table":"secrets","row":{"owner_id":"acc_…","field":"api_key","sealed":"gAAAA…",…}}
//	{"end":2}
//
// Secrets stay sealed, so that the file is as safe as the database and is worth
// nothing without the keys.
type Header struct {
	Vault  int       `json:"vault"`
	Schema int64     `json:"schema"`
	ID     string    `json:"id"`
	Keys   []string  `json:"keys"`
	Rows   int64     `json:"rows"`
	At     time.Time `json:"at"`
}

// Line is one of the others. A is an account that people write themselves.
type Line[A any] struct {
	Table   string `json:"table,omitempty"`
	Row     Row    `json:"row,omitempty"`
	Account *A     `json:"account,omitempty"`
	End     *int64 `json:"end,omitempty"`
}

// Version is that of the form; a later one may not be understood.
const Version = 1

// Table is one that exports hold.
type Table struct {
	Name    string
	Columns []string
	Order   string // its primary key
	Where   string // which of its rows; all of them if empty
}

func (x *Table) from() string {
	if x.Where == "" {
		return " FROM " + x.Name
	}
	return " FROM " + x.Name + " WHERE " + x.Where
}

// Words splits a list of columns.
func Words(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\t' })
}

// Progress is how far a long piece of work got.
type Progress struct {
	Done, Total int64
}
