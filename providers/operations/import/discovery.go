package main

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"

	"github.com/attache-proxy/attache/providers/operations"
)

// described is one of Google's discovery documents, as far as it is read.
type described struct {
	Name, Version, RootURL, ServicePath string
	resources
}

type resources struct {
	Methods   map[string]method
	Resources map[string]resources
}

type method struct {
	ID, HTTPMethod, Path, FlatPath string
	MediaUpload                    struct {
		Protocols map[string]struct{ Path string }
	}
}

var unstable = regexp.MustCompile(`alpha|beta|^staging`)

// discovery reads discovery documents: the stable versions where there are some.
func (s *source) discovery(m *maker, o *opened) error {
	files, err := o.files(s.Files, s.Except...)
	if err != nil {
		return err
	}
	stable := map[string]bool{}
	var docs []described
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		var d described
		if err := json.Unmarshal(src, &d); err != nil {
			return err
		}
		docs = append(docs, d)
		if !unstable.MatchString(d.Version) {
			stable[d.Name] = true
		}
	}
	for _, d := range docs {
		if !unstable.MatchString(d.Version) || !stable[d.Name] {
			s.discovered(m, &d, d.resources)
		}
	}
	return nil
}

func (s *source) discovered(m *maker, d *described, r resources) {
	for _, one := range r.Methods {
		path := one.Path
		if one.FlatPath != "" {
			path = one.FlatPath
		}
		base := strings.TrimSuffix(d.RootURL, "/") + "/" + d.ServicePath
		m.put2(s, base, one, path)
		for _, p := range one.MediaUpload.Protocols {
			m.put2(s, d.RootURL, one, p.Path)
		}
	}
	for _, sub := range r.Resources {
		s.discovered(m, d, sub)
	}
}

var reserved = regexp.MustCompile(`\{\+([^}]*)\}`)

// put2 adds a method below a base URL.
func (m *maker) put2(s *source, base string, one method, path string) {
	path = "/" + strings.TrimPrefix(reserved.ReplaceAllString(path, "{$1}"), "/")
	m.add(s, base, operations.Described{Method: one.HTTPMethod, Path: path, ID: one.ID})
}
