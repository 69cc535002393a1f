package vault

import (
	"encoding/json"
	"fmt"
	"time"
)

// micros is how a time stands in a column: microseconds since 1970, 0 for none.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// fromMicros is the inverse of micros; in UTC.
func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// bit is how a boolean stands in a column.
func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// timeCol, bitCol and jsonCol scan such columns into Go values.
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

// jsonText encodes what jsonCol reads back. Our own types always encode.
func jsonText(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("vault: encoding %T: %v", v, err))
	}
	return string(b)
}

// whole is t as it comes back from a column: in UTC, to the microsecond.
func whole(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// moment is now, as it comes back from a column.
func (v *Vault) moment() time.Time { return whole(v.now()) }
