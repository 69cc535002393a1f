package providers

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/attache-proxy/attache/providers/strictyaml"
)

// Category is a shelf on which connectors stand.
type Category struct {
	// Key is what a connector says.
	Key string `json:"key"`
	// Title is what people read.
	Title string `json:"title"`
}

// Categories are all there are, in the order in which people look.
var Categories = []Category{
	{"llm", "AI models"},
	{"dev", "Developer tools"},
	{"productivity", "Documents and planning"},
	{"comms", "Messages, mail and calls"},
	{"crm", "Sales and support"},
	{"marketing", "Marketing"},
	{"commerce", "Shops and delivery"},
	{"finance", "Payments and accounting"},
	{"data", "Data and maps"},
	{"cloud", "Cloud and hosting"},
	{"social", "Social networks and media"},
	{"content", "Websites and publishing"},
	{"hr", "People and hiring"},
	{"enterprise", "Company systems and security"},
	{"crypto", "Crypto exchanges"},
	{"ru", "Services in Russia"},
}

// ScopeDef is one scope that may be asked for.
type ScopeDef struct {
	Name string `json:"name"`
	// Allows says in a few words what it allows.
	Allows string `json:"allows"`
}

// ScopeDefs are scopes in the order of the file.
type ScopeDefs []ScopeDef

// UnmarshalYAML reads a mapping of names to what they allow.
func (ss *ScopeDefs) UnmarshalYAML(n *yaml.Node) error {
	pairs, err := strictyaml.Pairs(n)
	if err != nil {
		return err
	}
	for _, p := range pairs {
		*ss = append(*ss, ScopeDef{p.Key.Value, p.Value.Value})
	}
	return nil
}

// builtIn reports whether the definition comes with this program.
func (d *Definition) builtIn() bool { return strings.HasPrefix(d.source, catalogDir) }

// checkAbout checks what people look at.
func (d *Definition) checkAbout() error {
	for key, text := range map[string]string{"title": d.Title, "description": d.Description, "aliases": strings.Join(d.Aliases, " ")} {
		if strings.ContainsAny(text, "\r\n\x00") {
			return fmt.Errorf("%s: want one line", key)
		}
	}
	// Those of the operator may have shelves of their own.
	if d.builtIn() && !slices.ContainsFunc(Categories, func(c Category) bool { return c.Key == d.Category }) {
		return fmt.Errorf("category %q is none of providers.Categories", d.Category)
	}
	return d.checkEnds()
}

// Mentions reports whether a word stands in the key, the title, the description,
// an alias or a host, in whatever case.
func (d *Definition) Mentions(word string) bool {
	text := []string{d.Key, d.Title, d.Description}
	text = append(text, d.Aliases...)
	for _, h := range d.Hosts {
		text = append(text, h.Host)
	}
	for _, e := range d.Environments {
		for _, h := range e.Hosts {
			text = append(text, h.Host)
		}
	}
	return strings.Contains(strings.ToLower(strings.Join(text, "\n")), strings.ToLower(word))
}
