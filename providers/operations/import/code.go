package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/attache-proxy/attache/providers/operations"
)

// dialect is how a generator of clients writes an operation down. Each line is looked at
// for a path, a name and a method, as the first group of each pattern; the method ends
// the operation.
type dialect struct {
	path, name, method *regexp.Regexp
	// both has the method first and the path second, in one.
	both *regexp.Regexp
	// named says that the file's folders belong to the name.
	folders bool
}

var dialects = map[string]dialect{
	"speakeasy": {
		path:   regexp.MustCompile(`(?:pathToFunc\(|\$path\s*=\s*)["'\x60]([^"'\x60]+)`),
		name:   regexp.MustCompile(`operationID: "([^"]+)"`),
		method: regexp.MustCompile(`\bmethod: "([A-Z]+)"`),
	},
	"stainless": {
		both:    regexp.MustCompile(`(?:_client|httpClient)\s*\.(get|post|put|patch|delete|getAPIList)(?:<[^>]*>)?\(\s*(?:path|\(0, path_\d+\.path\)\s*)?["'\x60](/[^"'\x60]*)`),
		name:    regexp.MustCompile(`^ {2,4}(?:async )?([a-zA-Z]\w*)\(`),
		folders: true,
	},
	"fern": {
		path:    regexp.MustCompile(`(?:join\(.*,\s*|\.base,\s*|^\s*|url: )["'\x60](/?[A-Za-z0-9_.-]+(?:/[^"'\x60\s]*)?)["'\x60]\s*\)?,?\s*(?:\)|$)`),
		name:    regexp.MustCompile(`^    (?:async )?_*([a-zA-Z]\w*)\(`),
		method:  regexp.MustCompile(`\bmethod: "([A-Z]+)"`),
		folders: true,
	},
	"generator": {
		path:   regexp.MustCompile(`(?:localVarPath|requestPath|url_path|path)\s*(?::\s*string)?=\s*(?:this\.basePath \+ )?["'\x60](?:\$\{this\.basePath\})?(/[^"'\x60]*)`),
		name:   regexp.MustCompile(`^\s+(?:public |static )?(?:async )?([a-z]\w*)(?:: async )?\(`),
		method: regexp.MustCompile(`(?:HttpMethod\.|\bmethod: ?["'])([A-Z]+)`),
	},
	"fetch": {
		path:   regexp.MustCompile(`\bpath: ["'\x60](/[^"'\x60]*)`),
		name:   regexp.MustCompile(`^    (?:async )?([a-z]\w+)\(`),
		method: regexp.MustCompile(`\bmethod: ["']([A-Z]+)["']`),
	},
	"swagger-ts": {
		path:   regexp.MustCompile(`\bpath: ["'\x60](/[^"'\x60]*)`),
		name:   regexp.MustCompile(`^\s+(?:this\.)?([a-z]\w*)(?: = |: |\s*=\s*)(?:async )?\(`),
		method: regexp.MustCompile(`\bmethod: ["']([A-Z]+)["']`),
	},
	"dropbox": {
		path:   regexp.MustCompile(`this\.request\('([a-z0-9_/]+)'`),
		method: regexp.MustCompile(`this\.request\('`),
	},
	"types": {
		path: regexp.MustCompile(`^\s{2,4}["'](/[^"']*)["']: \{`),
		both: regexp.MustCompile(`^\s{4,8}(get|post|put|patch|delete|head): operations\[["']([^"']+)`),
	},
}

// code reads a client that a generator made of a description.
func (s *source) code(m *maker, o *opened) error {
	files, err := o.files(s.Files, s.Except...)
	if err != nil {
		return err
	}
	d := dialects[s.Reader]
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		prefix := ""
		if rel, err := filepath.Rel(o.dir, file); err == nil && d.folders {
			prefix = folders(rel)
		}
		for _, op := range d.read(s.Reader, prefix, string(src)) {
			m.add(s, s.Server, op)
		}
	}
	return nil
}

func (d *dialect) read(kind, prefix, src string) (out []operations.Described) {
	var path, name string
	emit := func(method, path, id string) {
		path = template(path)
		if strings.HasPrefix(path, "/") && id != "" {
			id = strings.TrimSuffix(strings.TrimSuffix(id, "WithHttpInfo"), "Raw")
			out = append(out, operations.Described{Method: strings.ToUpper(method), Path: path, ID: id})
		}
	}
	lines := strings.Split(src, "\n")
	for i, line := range lines {
		if d.name != nil {
			if g := d.name.FindStringSubmatch(line); g != nil && !keyword[g[1]] {
				name = strings.TrimPrefix(prefix+"."+g[1], ".")
			}
		}
		if kind == "types" {
			if g := d.path.FindStringSubmatch(line); g != nil {
				path = g[1]
			}
			if g := d.both.FindStringSubmatch(line); g != nil && path != "" {
				emit(g[1], path, g[2])
			}
			continue
		}
		if d.both != nil {
			text := line
			if strings.HasSuffix(line, "(") && i+1 < len(lines) {
				text += strings.TrimSpace(lines[i+1])
			}
			if g := d.both.FindStringSubmatch(text); g != nil {
				method := g[1]
				if method == "getAPIList" {
					method = "get"
					for _, near := range lines[i:min(i+8, len(lines))] {
						if strings.Contains(near, "method: 'post'") {
							method = "post"
						}
						if near == "  }" {
							break
						}
					}
				}
				emit(method, g[2], name)
			}
			continue
		}
		if g := d.path.FindStringSubmatch(line); g != nil {
			path = g[1]
		}
		if g := d.method.FindStringSubmatch(line); g != nil && path != "" {
			id := name
			if kind == "dropbox" { // all are POST
				emit("POST", "/"+path, path)
				continue
			}
			emit(g[1], "/"+strings.TrimPrefix(path, "/"), id)
			path = ""
		}
	}
	return out
}

// keyword are words that look like the head of a function.
var keyword = map[string]bool{"if": true, "for": true, "while": true, "switch": true, "catch": true, "return": true, "constructor": true, "function": true, "super": true, "await": true}

var inserted = regexp.MustCompile(`\$\{([^{}]*(?:\{[^{}]*\})?[^{}]*)\}`)

// template makes a template of a path in code: ${encode(id)} is {id}.
func template(path string) string {
	path = inserted.ReplaceAllStringFunc(path, func(s string) string {
		word := "id"
		for _, w := range regexp.MustCompile(`[A-Za-z_]\w*`).FindAllString(s, -1) {
			if w != "String" && w != "toString" {
				word = w
			}
		}
		return "{" + word + "}"
	})
	if i := strings.IndexAny(path, "?$ "); i >= 0 {
		path = path[:i]
	}
	return path
}

// folders are the parts of a file's name below resources or api, without those that say
// the same again: resources/chat/completions/completions.ts is chat.completions.
func folders(file string) string {
	file = filepath.ToSlash(file)
	file = strings.TrimSuffix(file, filepath.Ext(file))
	var out []string
	for _, part := range strings.Split(file, "/") {
		switch part {
		case "src", "dist", "cjs", "esm", "api", "resources", "client", "Client", "index", "requests", "lib", "serialization":
			continue
		}
		part = strings.TrimSuffix(part, "Client")
		if len(out) == 0 || !strings.EqualFold(out[len(out)-1], part) {
			out = append(out, part)
		}
	}
	return strings.Join(out, ".")
}
