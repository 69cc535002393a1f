package operations

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The letters by which a table writes methods and effects.
var (
	methodLetters = map[string]byte{"GET": 'G', "POST": 'P', "PUT": 'U', "PATCH": 'A', "DELETE": 'D', "HEAD": 'H', "OPTIONS": 'O', "TRACE": 'T', "QUERY": 'Q', Action: 'N'}
	effectLetters = [...]byte{Unknown: 'u', Read: 'r', Write: 'w', Delete: 'd', Admin: 'a', Money: 'm'}
)

// Encode writes a table: a line @host for the hosts of what follows (@@ where it is
// virtual), and a line for each entry: template, letters, name, with tabs between.
func Encode(entries []Entry) []byte {
	entries = slices.Clone(entries)
	slices.SortStableFunc(entries, func(a, b Entry) int {
		return cmp.Or(strings.Compare(a.Host, b.Host), cmp.Compare(number(a.Virtual), number(b.Virtual)), strings.Compare(a.Template, b.Template), strings.Compare(a.Method, b.Method))
	})
	var b bytes.Buffer
	host, virtual := "", false
	for _, e := range entries {
		if e.Host != host || e.Virtual != virtual {
			host, virtual = e.Host, e.Virtual
			fmt.Fprintf(&b, "@%s%s\n", strings.Repeat("@", number(virtual)), host)
		}
		fmt.Fprintf(&b, "%s\t%c%c", e.Template, methodLetters[e.Method], effectLetters[e.Effect])
		if e.To > 0 {
			b.WriteString(strconv.FormatInt(int64(e.From), 36) + strconv.FormatInt(int64(e.To), 36))
		}
		if e.Name != e.Method+" "+e.Template {
			b.WriteString("\t" + e.Name)
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Decode reads what Encode wrote. The entries keep parts of text.
func Decode(text string) ([]Entry, error) {
	entries := make([]Entry, 0, strings.Count(text, "\n"))
	var host string
	var virtual bool
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if rest, ok := strings.CutPrefix(line, "@"); ok {
			host, virtual = strings.CutPrefix(rest, "@")
			continue
		}
		e := Entry{Host: host, Virtual: virtual}
		var letters string
		e.Template, letters, _ = strings.Cut(line, "\t")
		letters, e.Name, _ = strings.Cut(letters, "\t")
		if !e.setLetters(letters) {
			return nil, fmt.Errorf("the table's line %q is not understood", line)
		}
		if e.Name == "" {
			e.Name = e.Method + " " + e.Template
		}
		entries = append(entries, e)
	}
	return entries, nil
}

func (e *Entry) setLetters(s string) bool {
	if len(s) < 2 {
		return false
	}
	for m, l := range methodLetters {
		if l == s[0] {
			e.Method = m
		}
	}
	effect := bytes.IndexByte(effectLetters[:], s[1])
	if effect < 0 || e.Method == "" {
		return false
	}
	e.Effect = Effect(effect)
	if s = s[2:]; s == "" {
		return true
	}
	if len(s) != 2 {
		return false
	}
	from, err := strconv.ParseInt(s[:1], 36, 8)
	to, err2 := strconv.ParseInt(s[1:], 36, 8)
	e.From, e.To = int(from), int(to)
	return err == nil && err2 == nil && e.To > e.From
}
