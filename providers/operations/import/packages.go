package main

import (
	"archive/tar"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// packages are where descriptions come from.
type packages struct {
	folders map[string]string
	cache   string
}

// opened is a package whose files can be read.
type opened struct {
	dir              string
	version, license string
}

func (p packages) open(s *source) (*opened, error) {
	if dir := p.folders[s.Package]; dir != "" {
		return &opened{dir, cmp.Or(s.Version, "from a folder"), "see there"}, nil
	}
	if s.Registry == "go" {
		out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}} {{.Version}}", s.Package).Output()
		if err != nil {
			return nil, fmt.Errorf("go list -m: %w", err)
		}
		dir, version, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
		return &opened{dir, version, "BSD-3-Clause"}, nil
	}
	dir := filepath.Join(p.cache, strings.ReplaceAll(s.Package, "/", "+")+"@"+s.Version)
	if _, err := os.Stat(dir); err != nil {
		if err := p.fetch(s, dir); err != nil {
			return nil, err
		}
	}
	return p.npm(dir)
}

// npm reads what a package says of itself.
func (p packages) npm(dir string) (*opened, error) {
	src, err := os.ReadFile(filepath.Join(dir, "package.json"))
	if err != nil {
		return nil, err
	}
	var about struct {
		Version string
		License any
	}
	if err := json.Unmarshal(src, &about); err != nil {
		return nil, err
	}
	license, _ := about.License.(string)
	return &opened{dir, about.Version, cmp.Or(license, "not stated")}, nil
}

// fetch gets a package from npm and unpacks it.
func (p packages) fetch(s *source, to string) error {
	if err := os.MkdirAll(p.cache, 0o755); err != nil {
		return err
	}
	cmd := exec.Command("npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", p.cache, s.Package+"@"+s.Version)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("npm pack: %w", err)
	}
	archive := filepath.Join(p.cache, filepath.Base(strings.TrimSpace(string(out))))
	defer os.Remove(archive)
	if err := unpack(archive, to+".part"); err != nil {
		return err
	}
	return os.Rename(to+".part", to)
}

// wanted are files that descriptions can be in.
var wanted = regexp.MustCompile(`\.(json|ya?ml|js|mjs|cjs|ts|mts)$`)

func unpack(archive, to string) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	for t := tar.NewReader(z); ; {
		h, err := t.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		_, name, ok := strings.Cut(h.Name, "/") // package/
		if h.Typeflag != tar.TypeReg || !ok || !filepath.IsLocal(name) || !wanted.MatchString(name) {
			continue
		}
		file := filepath.Join(to, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		w, err := os.Create(file)
		if err != nil {
			return err
		}
		_, err = io.Copy(w, t)
		if err := errors.Join(err, w.Close()); err != nil {
			return err
		}
	}
}

// files are those that fit one of the globs, sorted.
func (o *opened) files(globs []string, except ...string) ([]string, error) {
	fit, no := patterns(globs), patterns(except)
	var out []string
	err := filepath.WalkDir(o.dir, func(name string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(o.dir, name)
		like := func(r *regexp.Regexp) bool { return r.MatchString(filepath.ToSlash(rel)) }
		if err == nil && !d.IsDir() && slices.ContainsFunc(fit, like) && !slices.ContainsFunc(no, like) {
			out = append(out, name)
		}
		return err
	})
	if err == nil && len(out) == 0 {
		err = fmt.Errorf("no file is like %v", globs)
	}
	return out, err
}

func patterns(globs []string) (out []*regexp.Regexp) {
	for _, g := range globs {
		g = strings.NewReplacer(`\*\*/`, `(.*/)?`, `\*`, `[^/]*`).Replace(regexp.QuoteMeta(g))
		out = append(out, regexp.MustCompile("^"+g+"$"))
	}
	return out
}
