package main

import (
	"bytes"
	_ "embed" // of the list
	"fmt"

	"go.yaml.in/yaml/v3"
)

//go:embed sources.yaml
var sourcesYAML []byte

// list is sources.yaml.
type list struct {
	Connectors map[string]special `yaml:"connectors"`
	Sources    []source           `yaml:"sources"`
}

// special is what is to be known of a connector.
type special struct {
	// Alike says that all of its hosts serve the same.
	Alike bool `yaml:"alike"`
	// RPC says that a path's last segment is the operation, by whatever method.
	RPC bool `yaml:"rpc"`
	// Optional begins segments that may be written without it.
	Optional string `yaml:"optional"`
	// S3 are the hosts of a service like Amazon S3, with the bucket in the path, and
	// those with the bucket in front.
	S3     string `yaml:"s3"`
	S3Host string `yaml:"s3_host"`
}

// source is a package with descriptions. The first that has operations of a connector
// makes its table.
type source struct {
	Package string `yaml:"package"`
	// Registry is go for a module of go.mod; default npm.
	Registry string `yaml:"registry"`
	Version  string `yaml:"version"`
	// Reader is one of readers.
	Reader string `yaml:"reader"`
	// Files are globs below the package; ** is any number of folders.
	Files []string `yaml:"files"`
	// Except are globs of files that are left out.
	Except []string `yaml:"except"`
	// Connectors get it, whatever its servers are; by default those with its hosts.
	Connectors []string `yaml:"connectors"`
	// ByHost says that hosts of these connectors differ; by default all of them have it.
	ByHost bool `yaml:"by_host"`
	// Server is where it is served, if it does not say so.
	Server string `yaml:"server"`
	// Also adds to tables that there are already.
	Also bool `yaml:"also"`
}

var readers = map[string]func(*source, *maker, *opened) error{
	"openapi": (*source).openAPI, "discovery": (*source).discovery, "aws": (*source).aws,
	"speakeasy": (*source).code, "stainless": (*source).code, "fern": (*source).code, "generator": (*source).code,
	"types": (*source).code, "swagger-ts": (*source).code, "fetch": (*source).code, "dropbox": (*source).code,
}

func readSources(src []byte) (*list, error) {
	dec := yaml.NewDecoder(bytes.NewReader(src))
	dec.KnownFields(true)
	l := &list{}
	if err := dec.Decode(l); err != nil {
		return nil, fmt.Errorf("sources.yaml: %w", err)
	}
	for _, s := range l.Sources {
		if readers[s.Reader] == nil {
			return nil, fmt.Errorf("sources.yaml: %s: there is no reader %q", s.Package, s.Reader)
		}
	}
	return l, nil
}

func (s *source) read(m *maker, o *opened) error { return readers[s.Reader](s, m, o) }
