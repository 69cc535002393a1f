// Command logos writes providers/logo/logos.json.gz: for each built-in connector
// the drawing that the npm package simple-icons has of it.
//
//	npm install --ignore-scripts simple-icons
//	go run ./integration/logos node_modules/simple-icons
package main

import (
	"bufio"
	"compress/gzip"
	_ "embed"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/logo"
)

// names are connectors whose drawing has another name than they: a connector and
// a slug on each line; - says that the drawing which its name finds is another's.
//
//go:embed names.txt
var names string

// icon is an entry of simple-icons.json.
type icon struct {
	Title, Slug, Hex string
	License          struct{ Type string }
	Aliases          struct{ AKA []string }
}

var drawing = regexp.MustCompile(`<path d="([^"]+)"`)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: logos DIRECTORY-OF-SIMPLE-ICONS")
	}
	if err := run(os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

func run(dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, "data", "simple-icons.json"))
	if err != nil {
		return err
	}
	var icons []icon
	if err := json.Unmarshal(text, &icons); err != nil {
		return err
	}
	found := map[string]icon{}
	for _, i := range icons {
		if i.License.Type == "" || i.License.Type == "CC0-1.0" { // others want a notice
			found[i.Slug], found[squash(i.Title)] = i, i
		}
	}
	defs, err := providers.Catalog()
	if err != nil {
		return err
	}
	other := listed()
	logos := map[string]logo.Logo{}
	for key, d := range defs {
		i, ok := match(found, d, other[key])
		if !ok {
			continue
		}
		svg, err := os.ReadFile(filepath.Join(dir, "icons", i.Slug+".svg"))
		if err != nil {
			return err
		}
		if m := drawing.FindSubmatch(svg); m != nil {
			logos[key] = logo.Logo{Colour: strings.ToUpper(i.Hex), Path: string(m[1])}
		}
	}
	fmt.Printf("%d of %d connectors\n", len(logos), len(defs))
	return write("providers/logo/logos.json.gz", logos)
}

func listed() map[string]string {
	out := map[string]string{}
	lines := bufio.NewScanner(strings.NewReader(names))
	for lines.Scan() {
		if key, slug, ok := strings.Cut(lines.Text(), " "); ok {
			out[key] = slug
		}
	}
	return out
}

// match finds a drawing by what is listed, the key, and the title.
func match(found map[string]icon, d *providers.Definition, listed string) (icon, bool) {
	if listed != "" {
		i, ok := found[listed]
		return i, ok
	}
	for _, name := range []string{d.Key, d.Title} {
		if i, ok := found[squash(name)]; ok {
			return i, true
		}
	}
	return icon{}, false
}

// squash leaves letters and digits, as slugs are written.
func squash(s string) string {
	s = strings.ReplaceAll(strings.ToLower(s), ".", "dot")
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, s)
}

func write(name string, logos map[string]logo.Logo) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	z, _ := gzip.NewWriterLevel(f, gzip.BestCompression)
	if err := json.NewEncoder(z).Encode(logos); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return f.Close()
}
