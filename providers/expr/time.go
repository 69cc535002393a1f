package expr

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// times are members of a timestamp, such as now. All text is in UTC.
var times = []function{
	clock("unix", "seconds since 1970", time.Time.Unix),
	clock("unix_ms", "milliseconds since 1970", time.Time.UnixMilli),
	clock("unix_us", "microseconds since 1970", time.Time.UnixMicro),
	clock("unix_ns", "nanoseconds since 1970", time.Time.UnixNano),
	date("iso", "2006-01-02T15:04:05Z", "2006-01-02T15:04:05Z"),
	date("iso_ms", "2006-01-02T15:04:05.000Z", "2006-01-02T15:04:05.000Z"),
	date("basic", "20060102T150405Z", "20060102T150405Z"),
	date("http", "Mon, 02 Jan 2006 15:04:05 GMT", http.TimeFormat),
	{name: "format", params: []*cel.Type{cel.TimestampType, cel.StringType}, result: cel.StringType, member: true,
		doc: "the time in a pattern: %Y %y %m %d %e %H %M %S %L (ms) %f (µs) %a %A %b %B %j %z %s %F %T %%",
		call: func(args []ref.Val) ref.Val {
			s, err := strftime(timeOf(args[0]), stringOf(args[1]))
			if err != nil {
				return fail(err.Error())
			}
			return types.String(s)
		}},
}

func clock(name, doc string, f func(time.Time) int64) function {
	return function{name: name, params: []*cel.Type{cel.TimestampType}, result: cel.IntType, member: true, doc: doc,
		call: func(args []ref.Val) ref.Val { return types.Int(f(timeOf(args[0]))) }}
}

func date(name, doc, layout string) function {
	return function{name: name, params: []*cel.Type{cel.TimestampType}, result: cel.StringType, member: true, doc: "the time as " + doc,
		call: func(args []ref.Val) ref.Val { return types.String(timeOf(args[0]).Format(layout)) }}
}

func timeOf(v ref.Val) time.Time {
	t, _ := v.(types.Timestamp)
	return t.UTC()
}

// layouts are the letters of strftime as layouts of Go.
var layouts = map[byte]string{
	'Y': "2006", 'y': "06", 'm': "01", 'd': "02", 'e': "_2", 'H': "15", 'I': "03", 'p': "PM", 'M': "04", 'S': "05",
	'a': "Mon", 'A': "Monday", 'b': "Jan", 'B': "January", 'j': "002", 'z': "-0700", 'F': "2006-01-02", 'T': "15:04:05",
}

// strftime writes t, which is in UTC, in a pattern of strftime letters.
func strftime(t time.Time, pattern string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		if pattern[i] != '%' {
			b.WriteByte(pattern[i])
			continue
		}
		if i++; i == len(pattern) {
			return "", EvalError("format: the pattern ends with a lone %")
		}
		switch c := pattern[i]; c {
		case '%':
			b.WriteByte('%')
		case 'L':
			fmt.Fprintf(&b, "%03d", t.Nanosecond()/1e6)
		case 'f':
			fmt.Fprintf(&b, "%06d", t.Nanosecond()/1e3)
		case 's':
			fmt.Fprint(&b, t.Unix())
		default:
			layout, ok := layouts[c]
			if !ok {
				return "", EvalError(fmt.Sprintf("format: unknown letter %%%c", c))
			}
			b.WriteString(t.Format(layout))
		}
	}
	return b.String(), nil
}
