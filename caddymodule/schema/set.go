package schema

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/attache-proxy/attache/providers"
)

// printer writes the messages of the schema's library.
var printer = message.NewPrinter(language.English)

// Validate finds every mistake in connector files and directories of them. A
// connector may extend one of the others or of the catalogue. Files is how many
// were looked at.
func Validate(paths []string) (problems []Problem, files int, err error) {
	names, err := expand(paths)
	if err != nil {
		return nil, 0, err
	}
	defs := providers.BuiltIn()
	read := map[string]*File{} // by key
	for _, name := range names {
		src, err := os.ReadFile(name)
		if err != nil {
			return nil, 0, err
		}
		f, found := Read(name, src)
		problems = append(problems, found...)
		if f.Def == nil {
			continue
		}
		if p, ok := f.misnamed(read); !ok {
			problems = append(problems, p)
			continue
		}
		read[f.Def.Key] = f
		defs.Put(f.Def)
	}
	for _, key := range slices.Sorted(maps.Keys(read)) {
		if base := read[key].Def.Extends; base != "" && !defs.Has(base) {
			problems = append(problems, read[key].problem(fmt.Errorf("extends %q, which is no connector", base)))
			defs.Remove(key) // or it would stand for the mistakes of all
			delete(read, key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(read)) {
		if _, err := providers.CompileAll(defs, []string{key}); err != nil {
			problems = merge(problems, read[key].problems(err)...)
		}
		for _, e := range read[key].Def.Ending(time.Now()) {
			problems = append(problems, Problem{File: read[key].Name, Line: read[key].lineOf([]string{"ends"}, true), Msg: "past its end: " + e.String()})
		}
	}
	return problems, len(names), nil
}

// misnamed checks what the file must be named, and that no other has its key.
func (f *File) misnamed(read map[string]*File) (p Problem, ok bool) {
	key := f.Def.Key
	base := filepath.Base(f.Name)
	if want := strings.TrimSuffix(base, filepath.Ext(base)); want != key && key != "" {
		return Problem{File: f.Name, Line: f.lineOf([]string{"key"}, true), Msg: fmt.Sprintf("key is %q; the file must be named %s.yaml", key, key)}, false
	}
	if other, twice := read[key]; twice {
		return Problem{File: f.Name, Line: f.lineOf([]string{"key"}, true), Msg: fmt.Sprintf("connector %s is in %s, too", key, other.Name)}, false
	}
	return Problem{}, true
}

// expand lists the files of directories.
func expand(paths []string) (names []string, err error) {
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			names = append(names, path)
			continue
		}
		entries, err := os.ReadDir(path)
		if err != nil {
			return nil, err
		}
		n := len(names)
		for _, e := range entries {
			if ext := filepath.Ext(e.Name()); !e.IsDir() && (ext == ".yaml" || ext == ".yml") {
				names = append(names, filepath.Join(path, e.Name()))
			}
		}
		if len(names) == n {
			return nil, fmt.Errorf("%s holds no .yaml file", path)
		}
	}
	return names, nil
}
