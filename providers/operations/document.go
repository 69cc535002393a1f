package operations

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// MaxDocument bounds an OpenAPI document, in bytes.
const MaxDocument = 64 << 20

// Document is what is read of an OpenAPI document: 3.0, 3.1 or Swagger 2.0.
type Document struct {
	Title, Version string
	// Servers are its URLs, with the variables' defaults filled in.
	Servers    []string
	Operations []Described
}

// Described is an operation as a document describes it.
type Described struct {
	// Method is in capitals, Path a template below the servers' paths.
	Method, Path string
	// ID is the operationId; empty where there is none.
	ID string
	// Servers are URLs of its own, or of its path; nil for the document's.
	Servers []string
	// Line is that of the method in the document, from 1.
	Line int
}

var httpMethods = []string{"get", "put", "post", "delete", "options", "head", "patch", "trace", "query"}

// ParseDocument reads a document, JSON or YAML. Mistakes are told all at once, with
// file and line. Of what a document says only methods, paths, names and servers are read:
// one that is wrong elsewhere does.
func ParseDocument(file string, src []byte) (*Document, error) {
	if len(src) > MaxDocument {
		return nil, fmt.Errorf("%s: an OpenAPI document has at most %d MiB", file, MaxDocument>>20)
	}
	root, err := tree(src)
	if err != nil {
		return nil, fmt.Errorf("%s:%w", file, err)
	}
	r := reader{file: file, root: root, doc: &Document{}}
	r.read()
	return r.doc, errors.Join(r.errs...)
}

type reader struct {
	file string
	root *yaml.Node
	doc  *Document
	base string // Swagger's basePath
	errs []error
}

func (r *reader) wrong(n *yaml.Node, format string, args ...any) {
	r.errs = append(r.errs, fmt.Errorf("%s:%d: %s", r.file, n.Line, fmt.Sprintf(format, args...)))
}

func (r *reader) read() {
	if r.root.Kind != yaml.MappingNode {
		r.wrong(r.root, "want an OpenAPI document: a mapping with openapi or swagger")
		return
	}
	switch v3, v2 := member(r.root, "openapi"), member(r.root, "swagger"); {
	case v3 != nil && strings.HasPrefix(v3.Value, "3."):
		r.doc.Servers = r.servers(member(r.root, "servers"))
	case v2 != nil && strings.HasPrefix(v2.Value, "2."):
		r.swagger()
	case v3 != nil:
		r.wrong(v3, "OpenAPI %q is not read: want 3.0, 3.1 or Swagger 2.0", v3.Value)
		return
	case v2 != nil:
		r.wrong(v2, "Swagger %q is not read: want 2.0, or OpenAPI 3.0 or 3.1", v2.Value)
		return
	default:
		r.wrong(r.root, "this is no OpenAPI document: neither openapi nor swagger says its version")
		return
	}
	if info := member(r.root, "info"); info != nil {
		r.doc.Title, r.doc.Version = text(member(info, "title")), text(member(info, "version"))
	}
	paths := member(r.root, "paths")
	if paths == nil {
		r.wrong(r.root, "the document has no paths")
		return
	}
	if paths.Kind != yaml.MappingNode {
		r.wrong(paths, "want paths to be a mapping of path to operations")
		return
	}
	seen := map[string]*yaml.Node{}
	for i := 0; i+1 < len(paths.Content); i += 2 {
		key, item := paths.Content[i], paths.Content[i+1]
		if strings.HasPrefix(key.Value, "x-") {
			continue
		}
		if had := seen[key.Value]; had != nil {
			r.wrong(key, "the path %s stands in line %d, too", key.Value, had.Line)
		}
		seen[key.Value] = key
		r.path(key, item)
	}
}

// path reads the operations of a path.
func (r *reader) path(key, item *yaml.Node) {
	if !strings.HasPrefix(key.Value, "/") {
		r.wrong(key, "the path %q must begin with /", key.Value)
		return
	}
	if err := checkTemplate(key.Value); err != nil {
		r.wrong(key, "the path %s: %v", key.Value, err)
		return
	}
	if ref := member(item, "$ref"); ref != nil {
		if item = r.resolve(ref); item == nil {
			return
		}
	}
	if item.Kind != yaml.MappingNode {
		r.wrong(item, "want the path %s to be a mapping of method to operation", key.Value)
		return
	}
	var own []string
	if s := member(item, "servers"); s != nil {
		own = r.servers(s)
	}
	for i := 0; i+1 < len(item.Content); i += 2 {
		method, op := item.Content[i], item.Content[i+1]
		if !slices.Contains(httpMethods, method.Value) {
			if m := strings.ToLower(method.Value); m != method.Value && slices.Contains(httpMethods, m) {
				r.wrong(method, "the method %s of %s is written in lower case", method.Value, key.Value)
			}
			continue
		}
		if op.Kind != yaml.MappingNode {
			r.wrong(op, "want %s %s to be a mapping", strings.ToUpper(method.Value), key.Value)
			continue
		}
		d := Described{Method: strings.ToUpper(method.Value), Path: r.base + key.Value, Servers: own, Line: method.Line}
		if s := member(op, "servers"); s != nil {
			d.Servers = r.servers(s)
		}
		if id := member(op, "operationId"); id != nil {
			if id.Kind != yaml.ScalarNode {
				r.wrong(id, "want operationId to be text")
			}
			d.ID = id.Value
		}
		r.doc.Operations = append(r.doc.Operations, d)
	}
}

// checkTemplate refuses paths that no request can be found by.
func checkTemplate(path string) error {
	path, _, _ = strings.Cut(path, "?")
	for seg := range strings.SplitSeq(path[1:], "/") {
		if _, _, kind := shape(seg); kind == broken {
			return fmt.Errorf("the segment %q is not understood: want text, {name}, or text around one {name}", seg)
		}
	}
	return nil
}

// resolve follows a reference inside the document.
func (r *reader) resolve(ref *yaml.Node) *yaml.Node {
	rest, ok := strings.CutPrefix(ref.Value, "#/")
	if !ok {
		r.wrong(ref, "%q is in another file, which is not read: put the path item here", ref.Value)
		return nil
	}
	at := r.root
	for name := range strings.SplitSeq(rest, "/") {
		if at = member(at, strings.NewReplacer("~1", "/", "~0", "~").Replace(name)); at == nil {
			r.wrong(ref, "%q is not in the document", ref.Value)
			return nil
		}
	}
	return at
}

// servers are the URLs of a list of servers.
func (r *reader) servers(n *yaml.Node) (out []string) {
	if n == nil || n.Kind != yaml.SequenceNode {
		return nil
	}
	for _, s := range n.Content {
		raw := text(member(s, "url"))
		if vars := member(s, "variables"); vars != nil {
			for i := 0; i+1 < len(vars.Content); i += 2 {
				if def := text(member(vars.Content[i+1], "default")); def != "" {
					raw = strings.ReplaceAll(raw, "{"+vars.Content[i].Value+"}", def)
				}
			}
		}
		if raw != "" {
			out = append(out, raw)
		}
	}
	return out
}

// swagger reads where a Swagger 2.0 document is served.
func (r *reader) swagger() {
	base := text(member(r.root, "basePath"))
	if host := text(member(r.root, "host")); host != "" {
		r.doc.Servers = []string{"https://" + host + base}
	} else if base != "" {
		r.doc.Servers = []string{base}
	}
}

// member is a mapping's value; nil where there is none.
func member(n *yaml.Node, key string) *yaml.Node {
	if n == nil {
		return nil
	}
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			if v := n.Content[i+1]; v.Kind != yaml.AliasNode {
				return v
			}
			return n.Content[i+1].Alias
		}
	}
	return nil
}

func text(n *yaml.Node) string {
	if n == nil || n.Kind != yaml.ScalarNode {
		return ""
	}
	return n.Value
}

// BasePath is the path of a server's URL, without a slash at the end.
func BasePath(server string) string {
	if !strings.HasPrefix(server, "/") {
		if _, rest, ok := strings.Cut(server, "://"); ok {
			server = rest
		}
		_, path, _ := strings.Cut(server, "/")
		server = "/" + path
	}
	if i := strings.IndexAny(server, "?#"); i >= 0 {
		server = server[:i]
	}
	if p, err := url.PathUnescape(server); err == nil {
		server = p
	}
	return strings.TrimRight(server, "/")
}

// Entries are the document's operations as those of a table for all hosts, each below
// every path at which it is served.
func (d *Document) Entries() []Entry {
	var out []Entry
	for _, op := range d.Operations {
		servers := op.Servers
		if servers == nil {
			servers = d.Servers
		}
		if len(servers) == 0 {
			servers = []string{"/"}
		}
		done := map[string]bool{}
		for _, s := range servers {
			if base := BasePath(s); !done[base] && checkTemplate(base+"/") == nil {
				done[base] = true
				out = append(out, op.Entry(base))
			}
		}
	}
	return out
}

// Entry is the operation below a base path.
func (d Described) Entry(base string) Entry {
	e := Entry{Method: d.Method, Template: base + d.Path, Name: Name(d.ID)}
	if e.Name == "" {
		e.Name = d.Method + " " + e.Template
	}
	e.Effect = EffectOf(e.Method, e.Name, e.Template)
	e.From, e.To = ResourceOf(e.Template)
	return e
}

// Name is an operationId as a word: what white space and signs there are become hyphens.
func Name(id string) string {
	return strings.Trim(strings.Map(func(r rune) rune {
		if r <= ' ' || r >= 0x7f || strings.ContainsRune("\"'`{}[]*?,;\\", r) {
			return '-'
		}
		return r
	}, id), "-")
}

// tree parses JSON or YAML. JSON is read as such, since YAML knows no surrogate pairs.
func tree(src []byte) (*yaml.Node, error) {
	src = bytes.TrimPrefix(src, []byte("\xef\xbb\xbf"))
	if trimmed := bytes.TrimSpace(src); len(trimmed) > 0 && trimmed[0] == '{' {
		n, err := jsonTree(src)
		if err == nil {
			return n, nil
		}
		var doc yaml.Node
		if yaml.Unmarshal(src, &doc) == nil && len(doc.Content) == 1 { // YAML in braces
			return doc.Content[0], nil
		}
		return nil, err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(src, &doc); err != nil {
		return nil, errors.New(strings.TrimPrefix(strings.TrimPrefix(err.Error(), "yaml: "), "line "))
	}
	if len(doc.Content) == 0 {
		return nil, errors.New("1: the document is empty")
	}
	return doc.Content[0], nil
}

// jsonTree parses JSON into the nodes of YAML, with lines.
func jsonTree(src []byte) (*yaml.Node, error) {
	j := &jsonReader{src: src, dec: json.NewDecoder(bytes.NewReader(src)), line: 1}
	j.dec.UseNumber()
	n, err := j.value()
	if err == nil {
		if _, err = j.dec.Token(); err == io.EOF {
			return n, nil
		}
		err = errors.New("more follows behind the document")
	}
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("the document ends in the middle")
	}
	return nil, fmt.Errorf("%d: %w", j.at(), err)
}

type jsonReader struct {
	src  []byte
	dec  *json.Decoder
	done int // bytes of which lines are counted
	line int
	deep int
}

// maxDepth bounds how far a document is nested: reading goes down by calls.
const maxDepth = 1000

// at is the line up to which was read.
func (j *jsonReader) at() int {
	to := int(j.dec.InputOffset())
	j.line += bytes.Count(j.src[j.done:to], []byte("\n"))
	j.done = to
	return j.line
}

func (j *jsonReader) value() (*yaml.Node, error) {
	if j.deep++; j.deep > maxDepth {
		return nil, fmt.Errorf("the document is nested more than %d deep", maxDepth)
	}
	defer func() { j.deep-- }()
	token, err := j.dec.Token()
	if err != nil {
		return nil, err
	}
	n := &yaml.Node{Kind: yaml.ScalarNode, Line: j.at()}
	switch t := token.(type) {
	case json.Delim:
		n.Kind = yaml.MappingNode
		if t == '[' {
			n.Kind = yaml.SequenceNode
		}
		for j.dec.More() {
			child, err := j.value()
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, child)
		}
		_, err = j.dec.Token()
	case string:
		n.Value = t
	default:
		n.Value = fmt.Sprint(t)
	}
	return n, err
}
