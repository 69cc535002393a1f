package transfer

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"github.com/attache-proxy/attache/resolver/vault/database"
)

// Row is a row by column. Values are string, int64 or json.Number.
type Row map[string]any

// Values are the values of columns, all of which must be there.
func (r Row) Values(columns []string) ([]any, error) {
	if len(r) != len(columns) {
		return nil, fmt.Errorf("has %d columns instead of %d", len(r), len(columns))
	}
	out := make([]any, len(columns))
	for i, c := range columns {
		switch x := r[c].(type) {
		case string:
			out[i] = x
		case json.Number:
			n, err := x.Int64()
			if err != nil {
				return nil, fmt.Errorf("column %s is not a whole number", c)
			}
			out[i] = n
		default:
			return nil, fmt.Errorf("column %s is missing, or neither text nor a number", c)
		}
	}
	return out, nil
}

// Scanner scans the row as if it came from the database.
func (r Row) Scanner(columns []string) database.Scanner { return scanner{columns, r} }

type scanner struct {
	columns []string
	row     Row
}

func (r scanner) Scan(dest ...any) error {
	values, err := r.row.Values(r.columns)
	if err != nil {
		return err
	}
	for i, d := range dest {
		if err := assign(d, values[i]); err != nil {
			return fmt.Errorf("column %s: %w", r.columns[i], err)
		}
	}
	return nil
}

// assign is the part of database/sql's conversions that accounts need.
func assign(dest, value any) error {
	if s, ok := dest.(interface{ Scan(any) error }); ok {
		return s.Scan(value)
	}
	text, isText := value.(string)
	n, isNumber := value.(int64)
	switch d := dest.(type) {
	case *string:
		*d = text
	case *int64:
		*d = n
		isText = isNumber
	case *uint64:
		*d = uint64(n)
		isText = isNumber && n >= 0
	default: // a kind of text, such as a state
		v := reflect.ValueOf(dest).Elem()
		if v.Kind() != reflect.String {
			return fmt.Errorf("cannot hold %T", dest)
		}
		v.SetString(text)
	}
	if !isText {
		return errors.New("has the wrong type")
	}
	return nil
}
