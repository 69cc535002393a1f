package confine

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

var placeholders = regexp.MustCompile(`\{file\.([^{}]+)\}`)

// comments are those of a Caddyfile.
var comments = regexp.MustCompile(`(?m)(^|\s)#.*$`)

// maxImports bounds how many files of a configuration are read.
const maxImports = 200

// FilesOf are the files that a configuration names, in it and in what it imports: keys,
// tokens, databases. Names without a directory are of the configuration's directory or of
// the working directory, and stand here for both.
func FilesOf(file string, text []byte) (all []string) {
	type part struct {
		file string
		text string
	}
	parts := []part{{file, string(text)}}
	for i := 0; i < len(parts) && i < maxImports; i++ {
		at := parts[i]
		for _, m := range placeholders.FindAllStringSubmatch(at.text, -1) {
			all = append(all, anchored(m[1:], ".", filepath.Dir(at.file))...)
		}
		before := ""
		for word := range strings.FieldsFuncSeq(comments.ReplaceAllString(at.text, "$1"), func(r rune) bool { return strings.ContainsRune(" \t\r\n\"`,", r) }) {
			imports := before == "import"
			before = word
			for _, name := range files(word, imports, filepath.Dir(at.file)) {
				if slices.Contains(all, name) {
					continue
				}
				all = append(all, name)
				if imported, err := os.ReadFile(name); imports && err == nil {
					parts = append(parts, part{name, string(imported)})
				}
			}
		}
	}
	return all
}

// files are those that a word names; of imports, a pattern.
func files(word string, pattern bool, dir string) (all []string) {
	for _, name := range anchored([]string{word}, ".", dir) {
		names := []string{name}
		if pattern {
			names, _ = filepath.Glob(name)
		}
		for _, n := range names {
			if st, err := os.Stat(n); err == nil && st.Mode().IsRegular() && st.Mode()&0o111 == 0 {
				all = append(all, n)
			}
		}
	}
	return all
}

// anchored are paths from the root: relative ones in each of the directories.
func anchored(paths []string, dirs ...string) (all []string) {
	for _, p := range paths {
		if filepath.IsAbs(p) {
			all = append(all, p)
			continue
		}
		for _, dir := range dirs {
			if abs, err := filepath.Abs(filepath.Join(dir, p)); err == nil && p != "" && !slices.Contains(all, abs) {
				all = append(all, abs)
			}
		}
	}
	return all
}
