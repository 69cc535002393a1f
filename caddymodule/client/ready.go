package client

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/attache-proxy/attache/caddymodule/client/preload"
)

// notesDir holds a note for each time that files were made: what they were made from,
// and how they were left.
const notesDir = "made-from"

// Ready is WriteFiles with the roots that the environment and the system have. What was
// made before from the same files is taken as it is, as far as names, times and sizes tell:
// to read and compare some hundred certificates takes longer than the rest of a start.
func Ready(dir string, ca []byte, environ []string) (Files, error) {
	base, err := fileBase(dir)
	if err != nil {
		return Files{}, err
	}
	key, ok := madeFrom(ca, environ)
	note := filepath.Join(base, notesDir, key)
	if ok {
		if f, found := made(base, note); found {
			return f, nil
		}
	}
	f, err := WriteFiles(dir, ca, ExtraRoots(environ), SystemRoots(environ))
	if again, still := madeFrom(ca, environ); err == nil && ok && still && again == key {
		noteMade(note, f)
	}
	return f, err
}

// madeFrom tells one set of sources from another. It is false where the system has no
// roots in one file.
func madeFrom(ca []byte, environ []string) (key string, ok bool) {
	env := lookup(environ)
	h := sha256.New()
	for _, part := range [][]byte{ca, preload.Node, preload.R, preload.PHP, []byte(geminiDefaults)} {
		fmt.Fprintf(h, "%d\n%s\n", len(part), part)
	}
	found, seen := false, map[string]bool{}
	source := func(name string) bool {
		if seen[name] {
			return true
		}
		info, err := os.Stat(name)
		if err != nil || !info.Mode().IsRegular() {
			return false
		}
		seen[name] = true
		fmt.Fprintf(h, "%q %s\n", name, looks(info))
		return true
	}
	for _, v := range trustVariables {
		if file := env[v.name]; file != "" {
			fmt.Fprintf(h, "%s\n", v.name)
			source(file)
		}
	}
	for _, file := range rootFiles {
		found = source(file) || found
	}
	for _, dir := range filepath.SplitList(env["SSL_CERT_DIR"]) {
		entries, _ := os.ReadDir(dir)
		fmt.Fprintf(h, "%q %d\n", dir, len(entries))
		for _, e := range entries {
			source(filepath.Join(dir, e.Name()))
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:8]), found
}

// looks is by what a file is known again without reading it.
func looks(info fs.FileInfo) string {
	return fmt.Sprintf("%d %d", info.Size(), info.ModTime().UnixNano())
}

// list names the files, those of PHP's directory too.
func (f *Files) list() []string {
	return []string{f.CA, f.Bundle, f.TrustStore, f.WgetRC, f.Node, f.R, f.Gemini, filepath.Join(f.PHPDir, "attache.ini"), filepath.Join(f.PHPDir, preload.PHPName)}
}

// made is what a note says, if all of it is still there as it was left.
func made(base, note string) (f Files, found bool) {
	text, err := os.ReadFile(note)
	if err != nil {
		return f, false
	}
	name, rest, _ := strings.Cut(string(text), "\n")
	if len(name) != 16 || strings.ContainsAny(name, `/\.`) {
		return f, false
	}
	f = allIn(filepath.Join(base, name))
	if rest != left(f) {
		return Files{}, false
	}
	now := time.Now()
	_ = os.Chtimes(filepath.Join(base, name), now, now) // see removeUnused
	return f, true
}

// left is how the files are now; empty where one is missing.
func left(f Files) string {
	var b strings.Builder
	for _, name := range f.list() {
		info, err := os.Lstat(name)
		if err != nil || !info.Mode().IsRegular() {
			return ""
		}
		fmt.Fprintf(&b, "%s\n", looks(info))
	}
	return b.String()
}

// noteMade leaves a note. Without one the next start takes longer, and no more.
func noteMade(note string, f Files) {
	how := left(f)
	dir := filepath.Dir(note)
	if how == "" || os.MkdirAll(dir, 0o755) != nil {
		return
	}
	_ = put(note, []byte(filepath.Base(filepath.Dir(f.CA))+"\n"+how))
	forgetNotes(dir)
}

// forgetNotes keeps the notes few: a system's roots change, and each change is another.
func forgetNotes(dir string) {
	const most = 64
	d, err := os.Open(dir)
	if err != nil {
		return
	}
	defer d.Close()
	all, err := d.Readdir(-1)
	if err != nil && err != io.EOF || len(all) <= most {
		return
	}
	slices.SortFunc(all, func(a, b fs.FileInfo) int { return a.ModTime().Compare(b.ModTime()) })
	for _, info := range all[:len(all)-most] {
		_ = os.Remove(filepath.Join(dir, info.Name()))
	}
}
