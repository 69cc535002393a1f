package providers

import "github.com/attache-proxy/attache/providers/printable"

// clean leaves out of the texts for people what would steer a terminal on which
// they are read.
func (d *Definition) clean() {
	line := func(texts ...*string) {
		for _, s := range texts {
			*s = printable.Line(*s)
		}
	}
	line(&d.Title, &d.Category, &d.Docs)
	for i := range d.Hosts {
		line(&d.Hosts[i].Reason)
	}
	for i := range d.Auth {
		o := &d.Auth[i]
		line(&o.Title, &o.Help)
		for j := range o.Fields {
			line(&o.Fields[j].Title)
			o.Fields[j].Description = printable.Text(o.Fields[j].Description)
		}
	}
}
