// Command generate writes the libraries in ../typescript, ../python and ../go from
// docs/openapi.json. What they share with nothing, the HTTP of each, is written by hand
// beside what is generated.
//
//	go run ./sdk/generate
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if err := run("."); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(root string) error {
	files, err := generated(root)
	for name, text := range files {
		if err == nil {
			err = os.WriteFile(filepath.Join(root, "sdk", name), []byte(text), 0o644)
		}
	}
	return err
}

// generated are the files that are made of root's OpenAPI document, by their names below sdk.
func generated(root string) (map[string]string, error) {
	doc, err := read(filepath.Join(root, "docs", "openapi.json"))
	if err != nil {
		return nil, err
	}
	files := map[string]string{
		"typescript/index.js":               javascript(doc),
		"typescript/index.d.ts":             declarations(doc),
		"python/attache_client/__init__.py": python(doc),
		"python/attache_client/types.py":    pythonTypes(doc),
	}
	return files, golang(doc, files)
}
