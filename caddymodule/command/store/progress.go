package store

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/attache-proxy/attache/resolver/vault"
)

// progress draws how far something is: a bar that is drawn over itself on a
// terminal, a line now and then in a file.
func progress(w io.Writer) func(vault.Progress) {
	const width = 40
	f, _ := w.(*os.File)
	terminal := f != nil && term.IsTerminal(int(f.Fd()))
	began, drawn := time.Now(), time.Time{}
	var first int64 // what an earlier run had done already
	return func(p vault.Progress) {
		if drawn.IsZero() {
			first = p.Done
		}
		every := 10 * time.Second
		if terminal {
			every = 100 * time.Millisecond
		}
		if now := time.Now(); now.Sub(drawn) >= every || p.Done == p.Total {
			drawn = now
		} else {
			return
		}
		end := "\n"
		if terminal {
			end = "\r"
		}
		fmt.Fprint(w, bar(p, width), rate(p.Done-first, time.Since(began)), end)
	}
}

// bar is such as [#####     ]  50 %  500 of 1000.
func bar(p vault.Progress, width int) string {
	part := 1.0
	if p.Total > 0 {
		part = min(1, float64(p.Done)/float64(p.Total))
	}
	full := int(part * float64(width))
	return fmt.Sprintf("[%s%s] %3.0f %%  %d of %d", strings.Repeat("#", full), strings.Repeat(" ", width-full), part*100, p.Done, p.Total)
}

func rate(done int64, took time.Duration) string {
	if done <= 0 || took < time.Second {
		return ""
	}
	return fmt.Sprintf("  %.0f/s", float64(done)/took.Seconds())
}
