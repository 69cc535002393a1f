package main

import (
	"encoding/json"
	"fmt"
	"strings"
)

var keywords = map[string]bool{"from": true, "import": true, "in": true, "is": true, "class": true, "def": true, "pass": true, "global": true, "lambda": true, "with": true, "as": true, "not": true, "or": true, "and": true}

func pyName(s string) string {
	if s = snake(camel(s)); keywords[s] {
		return s + "_"
	}
	return s
}

func pyType(s *schema) string {
	if s == nil {
		return "None"
	}
	if s.Ref != "" {
		return `"` + typeName(s.Ref) + `"`
	}
	kind, null := s.kind()
	t := "Any"
	switch {
	case len(s.Enum) > 0:
		var words []string
		for _, v := range s.Enum {
			w, _ := json.Marshal(v)
			words = append(words, string(w))
		}
		t = "Literal[" + strings.Join(words, ", ") + "]"
	case kind == "string":
		t = "str"
	case kind == "integer":
		t = "int"
	case kind == "number":
		t = "float"
	case kind == "boolean":
		t = "bool"
	case kind == "array":
		t = "List[" + pyType(s.Items) + "]"
	case kind == "object" && len(s.Properties) > 0:
		t = "Dict[str, Any]"
	case kind == "object":
		t = "Dict[str, " + pyType(s.values()) + "]"
	}
	if null {
		t = "Optional[" + t + "]"
	}
	return t
}

// pythonTypes are the schemas as TypedDicts, in the functional form where a member's name
// is a keyword.
func pythonTypes(d *document) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\"\"\"What the API takes and answers, as dictionaries with types.\"\"\"\n\nfrom __future__ import annotations\n\nfrom typing import Any, Dict, List, Literal, Optional, TypedDict\n", madeBy)
	b.WriteString("\nCode = Literal[\n")
	for _, c := range append(d.codes(), "UNREACHABLE", "UNEXPECTED") {
		fmt.Fprintf(&b, "    %q,\n", c)
	}
	b.WriteString("]\n")
	for _, name := range d.types() {
		s := d.Components.Schemas[name]
		var needed []string
		for _, m := range s.members() {
			if s.needs(m) {
				needed = append(needed, fmt.Sprintf("%q: %s", m, pyQuoted(pyType(s.Properties[m]))))
			}
		}
		n := typeName(name)
		// Python 3.9 has no Required: what must be there is the base, what may is the class.
		fmt.Fprintf(&b, "\n_%s = TypedDict(%q, {%s})\n\n\nclass %s(_%s, total=False):\n", n, "_"+n, strings.Join(needed, ", "), n, n)
		wrote := false
		for _, m := range s.members() {
			if s.needs(m) || keywords[m] || strings.HasPrefix(m, "$") {
				continue
			}
			fmt.Fprintf(&b, "    %s: %s\n", m, pyType(s.Properties[m]))
			wrote = true
		}
		if !wrote {
			b.WriteString("    pass\n")
		}
	}
	return b.String()
}

// pyQuoted is a type that may name one that stands further down.
func pyQuoted(t string) string {
	if strings.Contains(t, `"`) && !strings.HasPrefix(t, "Literal") && !strings.Contains(t, "Literal[") {
		return `"` + strings.ReplaceAll(t, `"`, "") + `"`
	}
	return t
}

func python(d *document) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n", madeBy)
	b.WriteString(`"""The REST API of Attaché: connected accounts, agents and what each may use.

    from attache_client import Attache

    attache = Attache()                       # ATTACHE_ADMIN, ATTACHE_ADMIN_TOKEN
    account = attache.accounts.create({"connector": "github", "credentials": {"token": key}})

AsyncAttache has the same calls as coroutines. Errors are AttacheError, by code.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Dict, List, Literal, Optional, Union

from . import types
from ._http import AsyncCaller, AttacheError, Caller, segment
from .types import *  # noqa: F401,F403

__all__ = ["Attache", "AsyncAttache", "AttacheError", "types"]
`)
	for _, async := range []bool{false, true} {
		prefix, def, await, caller := "_", "def", "", "Caller"
		if async {
			prefix, def, await, caller = "_Async", "async def", "await ", "AsyncCaller"
		}
		for _, noun := range d.nouns {
			fmt.Fprintf(&b, "\n\nclass %s%s:\n    def __init__(self, caller: %s) -> None:\n        self._caller = caller\n", prefix, title(noun), caller)
			for _, o := range d.byNoun[noun] {
				args, body, query := o.pyArguments()
				fmt.Fprintf(&b, "\n    %s %s(self%s) -> %s:\n        \"\"\"%s.\"\"\"\n        return %sself._caller.call(%q, %s, %s, %s, idempotency_key, if_match)\n",
					def, pyName(o.verb), args, pyIn(o.answer()), o.Summary, await, o.method, o.pyPath(), query, body)
			}
			for _, p := range parts {
				pyPart(&b, d, p, noun, def, await)
			}
		}
		name := map[bool]string{false: "Attache", true: "AsyncAttache"}[async]
		fmt.Fprintf(&b, "\n\nclass %s:\n    def __init__(self, origin: Optional[str] = None, token: Optional[str] = None, timeout: float = 60.0) -> None:\n        caller = %s(origin, token, timeout)\n", name, caller)
		for _, noun := range d.nouns {
			fmt.Fprintf(&b, "        self.%s = %s%s(caller)\n", noun, prefix, title(noun))
		}
	}
	return b.String()
}

func pyPart(b *strings.Builder, d *document, p part, noun, def, await string) {
	verb, of := p.verb(noun), d.byID[p.of]
	if verb == "" {
		return
	}
	answer, arg, does := pyIn(of.answer()), "", fmt.Sprintf("return %sself.%s(id)", await, pyName(of.verb))
	switch {
	case p.send:
		arg = fmt.Sprintf(", %s: %s", p.member, pyIn(d.member(of.body(), p.member)))
		does = fmt.Sprintf("return %sself.%s(id, {%q: %s}, if_match=if_match)", await, pyName(of.verb), p.member, p.member)
	case p.member != "":
		answer = pyIn(d.member(of.answer(), p.member))
		does = fmt.Sprintf("return (%sself.%s(id))[%q]", await, pyName(of.verb), p.member)
	}
	fmt.Fprintf(b, "\n    %s %s(self, id: str%s, *, if_match: Optional[str] = None) -> %s:\n        \"\"\"%s\"\"\"\n        %s\n", def, pyName(verb), arg, answer, p.doc, does)
}

// pyIn is a type as the package's own module writes it.
func pyIn(s *schema) string {
	t := pyType(s)
	for strings.Contains(t, `"`) && !strings.Contains(t, "Literal[") {
		before, rest, _ := strings.Cut(t, `"`)
		name, after, _ := strings.Cut(rest, `"`)
		t = before + "types." + name + after
	}
	return t
}

func (o *operation) pyArguments() (args, body, query string) {
	body, query = "None", "None"
	for _, n := range o.pathNames() {
		args += ", " + pyName(n) + ": str"
	}
	if names := spread[o.ID]; names != nil {
		var pairs []string
		for _, n := range names {
			args += ", " + pyName(n) + ": str"
			pairs = append(pairs, fmt.Sprintf("%q: %s", n, pyName(n)))
		}
		body = "{" + strings.Join(pairs, ", ") + "}"
	} else if s := o.body(); s != nil {
		body = "body"
		if o.RequestBody.Required {
			args += ", body: " + pyIn(s)
		} else {
			args += ", body: Optional[" + pyIn(s) + "] = None"
		}
	}
	args += ", *"
	if q := o.takes("query"); len(q) > 0 {
		var pairs []string
		for _, p := range q {
			args += fmt.Sprintf(", %s: Optional[%s] = None", pyName(p.Name), pyIn(p.Schema))
			pairs = append(pairs, fmt.Sprintf("%q: %s", p.Name, pyName(p.Name)))
		}
		query = "{" + strings.Join(pairs, ", ") + "}"
	}
	return args + ", idempotency_key: Optional[str] = None, if_match: Optional[str] = None", body, query
}

func (o *operation) pyPath() string {
	if !strings.Contains(o.path, "{") {
		return fmt.Sprintf("%q", o.path)
	}
	return `f"` + inPath.ReplaceAllStringFunc(o.path, func(s string) string { return "{segment(" + pyName(strings.Trim(s, "{}")) + ")}" }) + `"`
}
