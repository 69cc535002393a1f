package logo_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"testing"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/logo"
)

// Every connector has a mark that is XML without script or reference; most have
// their own.
func TestMarks(t *testing.T) {
	defs, err := providers.Catalog()
	if err != nil {
		t.Fatal(err)
	}
	colour, path := regexp.MustCompile(`^[0-9A-F]{6}$`), regexp.MustCompile(`^[MmZzLlHhVvCcSsQqTtAa0-9eE,. -]+$`)
	drawn := 0
	for key, d := range defs {
		if l, ok := logo.Of(key); ok {
			drawn++
			if !colour.MatchString(l.Colour) || !path.MatchString(l.Path) {
				t.Errorf("%s: a colour or a path is none: %q", key, l)
			}
		}
		x := xml.NewDecoder(bytes.NewReader(logo.SVG(key, d.Title)))
		for {
			token, err := x.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", key, err)
			}
			if e, ok := token.(xml.StartElement); ok && e.Name.Local != "svg" && e.Name.Local != "path" && e.Name.Local != "rect" && e.Name.Local != "text" {
				t.Errorf("%s: has <%s>", key, e.Name.Local)
			}
		}
	}
	if drawn < len(defs)/3 {
		t.Errorf("%d of %d connectors have a drawing", drawn, len(defs))
	}
}

func TestLetter(t *testing.T) {
	for title, want := range map[string]string{"<b>": ">B<", "«Ёлка»": ">Ё<", "": ">M<", "2GIS": ">2<"} {
		if got := logo.SVG("mine-of-the-operator", title); !bytes.Contains(got, []byte(want)) {
			t.Errorf("SVG(%q) = %s, want %s", title, got, want)
		}
	}
}
