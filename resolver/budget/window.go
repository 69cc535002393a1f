package budget

import (
	"fmt"
	"time"

	"github.com/attache-proxy/attache/providers/spelling"
)

// Window is a stretch of the calendar in UTC, after which a budget begins anew.
type Window uint8

// The windows that there are.
const (
	Minute Window = iota
	Hour
	Day
	Month
)

var windowNames = [...]string{"minute", "hour", "day", "month"}

func (w Window) String() string { return windowNames[w] }

// Begin is when the window began in which a moment lies.
func (w Window) Begin(t time.Time) time.Time {
	t = t.UTC()
	if size := w.seconds(); size > 0 {
		return time.Unix(t.Unix()/size*size, 0).UTC()
	}
	return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
}

// End is when that window is over and the next begins.
func (w Window) End(t time.Time) time.Time {
	begin := w.Begin(t)
	if size := w.seconds(); size > 0 {
		return begin.Add(time.Duration(size) * time.Second)
	}
	return begin.AddDate(0, 1, 0)
}

// seconds is how long every such window is; 0 for months.
func (w Window) seconds() int64 { return [...]int64{60, 3600, 86400, 0}[w] }

func parseWindow(word string) (Window, error) {
	for i, name := range windowNames {
		if word == name {
			return Window(i), nil
		}
	}
	if near := spelling.Near(word, windowNames[:]); near != "" {
		return 0, fmt.Errorf("%q is no window; did you mean per %s?", word, near)
	}
	return 0, fmt.Errorf("%q is no window; want per minute, hour, day or month", word)
}
