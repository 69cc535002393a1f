package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/attache-proxy/attache/providers/operations"
)

// openAPI reads OpenAPI documents. One with mistakes gives what can be read of it.
func (s *source) openAPI(m *maker, o *opened) error {
	files, err := o.files(s.Files, s.Except...)
	if err != nil {
		return err
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if len(s.Connectors) == 0 && !m.wants(src) {
			continue
		}
		doc, err := operations.ParseDocument(file, src)
		if doc == nil {
			if len(s.Connectors) > 0 {
				return err
			}
			fmt.Println("not read:", err)
			continue
		}
		for _, d := range doc.Operations {
			servers := d.Servers
			if servers == nil {
				servers = doc.Servers
			}
			if s.Server != "" {
				servers = []string{s.Server}
			}
			for _, server := range servers {
				m.add(s, server, d)
			}
		}
	}
	return nil
}

// wants reports whether a document in JSON is for a connector that has no table yet.
func (m *maker) wants(src []byte) bool {
	var d struct {
		Host    string
		Servers []struct {
			URL       string
			Variables map[string]struct{ Default any }
		}
	}
	if json.Unmarshal(src, &d) != nil {
		return true // it is YAML
	}
	hosts := []string{d.Host}
	for _, s := range d.Servers {
		for name, v := range s.Variables {
			s.URL = strings.ReplaceAll(s.URL, "{"+name+"}", fmt.Sprint(v.Default))
		}
		if u, err := url.Parse(strings.NewReplacer("{", "x", "}", "x").Replace(s.URL)); err == nil {
			hosts = append(hosts, u.Hostname())
		}
	}
	for _, h := range hosts {
		for _, p := range m.catalog.places(strings.ToLower(h)) {
			if t := m.tables[p.key]; t == nil || !t.done {
				return true
			}
		}
	}
	return false
}
