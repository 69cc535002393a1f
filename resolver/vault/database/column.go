package database

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"time"
)

// Micros is how a time stands in a column: microseconds since 1970, 0 for none.
func Micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// fromMicros is the inverse of Micros; in UTC.
func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// Bit is how a boolean stands in a column.
func Bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// Time, Bool and JSON are where such columns are scanned into.
func Time(t *time.Time) sql.Scanner { return timeCol{t} }

// Bool is for what Bit wrote.
func Bool(b *bool) sql.Scanner { return bitCol{b} }

// JSON is for what JSONText wrote; v is a pointer.
func JSON(v any) sql.Scanner { return jsonCol{v} }

type timeCol struct{ t *time.Time }

func (c timeCol) Scan(src any) error {
	us, ok := src.(int64)
	if !ok {
		return fmt.Errorf("time column holds %T", src)
	}
	*c.t = fromMicros(us)
	return nil
}

type bitCol struct{ b *bool }

func (c bitCol) Scan(src any) error {
	n, ok := src.(int64)
	if !ok {
		return fmt.Errorf("boolean column holds %T", src)
	}
	*c.b = n != 0
	return nil
}

type jsonCol struct{ v any }

func (c jsonCol) Scan(src any) error {
	var text []byte
	switch s := src.(type) {
	case string:
		text = []byte(s)
	case []byte:
		text = s
	default:
		return fmt.Errorf("JSON column holds %T", src)
	}
	if len(text) == 0 {
		return nil
	}
	return json.Unmarshal(text, c.v)
}

// JSONText encodes what JSON reads back. Our own types always encode.
func JSONText(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("database: encoding %T: %v", v, err))
	}
	return string(b)
}

// Whole is t as it comes back from a column: in UTC, to the microsecond.
func Whole(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// Now is the time by this process's clock, as it comes back from a column.
func (d *DB) Now() time.Time { return Whole(d.now()) }

// Text scans a row of one text.
func Text(s Scanner) (text string, err error) {
	err = s.Scan(&text)
	return text, err
}
