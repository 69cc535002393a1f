// Package logo has the marks of services, for pages of people: drawings of the
// npm package simple-icons (CC0), and a letter where that has none.
package logo

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"html"
	"sync"
	"unicode"
)

// To bring them up to date: npm install simple-icons, and
// go run ./integration/logos node_modules/simple-icons
//
//go:embed logos.json.gz
var packed []byte

// Logo is a drawing in one colour on a square of 24 by 24.
type Logo struct {
	// Colour is the brand's, as RRGGBB.
	Colour string `json:"colour"`
	// Path is the d of an SVG path.
	Path string `json:"path"`
}

// all are by connector. They are unpacked when somebody first looks at one.
var all = sync.OnceValue(func() map[string]Logo {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		panic(err) // the file is part of the program
	}
	logos := map[string]Logo{}
	if err := json.NewDecoder(r).Decode(&logos); err != nil {
		panic(err)
	}
	return logos
})

// Of is the drawing for a built-in connector.
func Of(connector string) (l Logo, ok bool) {
	l, ok = all()[connector]
	return l, ok
}

// hues are those of letters: dark enough for white on them.
var hues = []string{"0F766E", "1D4ED8", "6D28D9", "9D174D", "9A3412", "3F6212", "334155", "155E75"}

// SVG is the mark of a connector as a file (image/svg+xml): its drawing, or the
// first letter of its title. It holds no script and refers to nothing.
func SVG(connector, title string) []byte {
	const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" role="img">`
	if l, ok := Of(connector); ok {
		// On white, with a margin: many are nearly black, and pages may be dark.
		return fmt.Appendf(nil, `%s<rect width="24" height="24" rx="5" fill="#fff"/><path fill="#%s" transform="translate(4.2 4.2) scale(.65)" d="%s"/></svg>`, head, l.Colour, l.Path)
	}
	letter := '?'
	for _, r := range title + connector {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			letter = unicode.ToUpper(r)
			break
		}
	}
	h := fnv.New32a()
	h.Write([]byte(connector))
	return fmt.Appendf(nil, `%s<rect width="24" height="24" rx="5" fill="#%s"/><text x="12" y="17" font-family="system-ui,sans-serif" font-size="14" font-weight="600" text-anchor="middle" fill="#fff">%s</text></svg>`,
		head, hues[h.Sum32()%uint32(len(hues))], html.EscapeString(string(letter)))
}
