package providers

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/attache-proxy/attache/providers/operations"
)

// Operations is the table of what requests to the connector do: of the document that its
// file names, or the one that is built in for it or for what it extends; nil for none.
func (c *Connector) Operations() operations.Table {
	if c.described != nil {
		return c.described
	}
	for _, key := range c.tables {
		if t := operations.For(key); t != nil {
			return t
		}
	}
	return nil
}

// Tables are the connectors whose built-in tables Operations looks for, the first wins:
// itself and what it extends, as far as these are built in. Nil where it has a table of
// its own.
func (c *Connector) Tables() []string {
	if c.described != nil {
		return nil
	}
	return slices.Clone(c.tables)
}

// describe reads the OpenAPI document that a definition in a file names, which lies in
// the same directory or below it.
func (d *Definition) describe(fsys fs.FS, file, shown string) error {
	if d.Operations == "" {
		return nil
	}
	name := path.Join(path.Dir(file), d.Operations)
	if path.IsAbs(d.Operations) || !fs.ValidPath(name) {
		return fmt.Errorf("%s: operations %q: want an OpenAPI document in this directory or below it, such as ./openapi.yaml", d.source, d.Operations)
	}
	src, err := fs.ReadFile(fsys, name)
	if err != nil {
		return fmt.Errorf("%s: operations: the document cannot be read: %w", d.source, err)
	}
	doc, err := operations.ParseDocument(shown+name, src)
	if err != nil {
		return err
	}
	if d.described, err = operations.New(doc.Entries()); err != nil {
		return fmt.Errorf("%s: %w", shown+name, err)
	}
	sum := sha256.Sum256(append([]byte(d.digest), src...))
	d.digest = hex.EncodeToString(sum[:])
	return nil
}

// checkDescribed refuses a document where there is no directory to read it from: in a
// Caddyfile and through the API.
func (d *Definition) checkDescribed() error {
	if d.Operations != "" && d.described == nil {
		return fmt.Errorf("operations %q: only a connector in a file of the connectors directory names a document", d.Operations)
	}
	return nil
}
