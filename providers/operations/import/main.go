// Command import makes the tables of operations that are built in from what vendors and
// others publish: OpenAPI documents, Google's discovery documents, AWS's service models,
// and clients that generators made of such documents. It takes facts alone: methods,
// paths, and names; what an operation does follows from these (docs/operations-of-requests.md).
//
//	go run ./providers/operations/import
//
// The sources are in sources.yaml. Packages come from npm, or from a folder that is given
// for them:
//
//	go run ./providers/operations/import -folder aws-sdk=/usr/lib/python3/dist-packages/botocore/data
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/attache-proxy/attache/providers/operations"
)

func main() {
	folders := folderFlag{}
	flag.Var(folders, "folder", "NAME=FOLDER: take this package from a folder; several times")
	cache := flag.String("cache", filepath.Join(os.TempDir(), "attache-operations"), "where packages are kept")
	dir := flag.String("to", "providers/operations", "where tables.bin and testdata are written")
	day := flag.String("checked", time.Now().UTC().Format(time.DateOnly), "the day that the tables bear")
	flag.Parse()
	if err := run(packages{folders, *cache}, *dir, *day); err != nil {
		fmt.Fprintln(os.Stderr, "import:", err)
		os.Exit(1)
	}
}

type folderFlag map[string]string

func (f folderFlag) String() string { return "" }

func (f folderFlag) Set(s string) error {
	name, folder, ok := strings.Cut(s, "=")
	if !ok {
		return fmt.Errorf("want NAME=FOLDER")
	}
	f[name] = folder
	return nil
}

func run(from packages, dir, day string) error {
	list, err := readSources(sourcesYAML)
	if err != nil {
		return err
	}
	catalog, err := readCatalog(list.Connectors)
	if err != nil {
		return err
	}
	m := &maker{catalog: catalog, tables: map[string]*table{}}
	for i := range list.Sources {
		s := &list.Sources[i]
		opened, err := from.open(s)
		if err != nil {
			return fmt.Errorf("%s: %w", s.Package, err)
		}
		m.source = len(m.sources)
		m.sources = append(m.sources, operations.Source{Package: s.Package, Registry: s.Registry, Version: opened.version, License: opened.license})
		m.filled = map[string]bool{}
		if err := s.read(m, opened); err != nil {
			return fmt.Errorf("%s: %w", s.Package, err)
		}
		for key := range m.filled {
			m.tables[key].done = true
		}
		fmt.Printf("%-44s %-10s %5d operations, %d connectors\n", s.Package, opened.version, m.added, len(m.filled))
		m.added = 0
	}
	return m.write(dir, day)
}
