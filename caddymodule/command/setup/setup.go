// Package setup writes into the settings of agent programs what they need to call
// through the proxy, and takes it back.
package setup

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// note is what was done to a program's settings, so that it can be taken back.
type note struct {
	File string `json:"file"`
	// Made says that there was no file before.
	Made bool `json:"made,omitempty"`
	// Before are the members that were there before, by their path; null: none was.
	Before map[string]json.RawMessage `json:"before,omitempty"`
	// Set are the members as we wrote them: what somebody changed since stays.
	Set map[string]string `json:"set,omitempty"`
}

const (
	begins = "# >>> attache: attache setup %s --undo takes this away\n"
	ends   = "# <<< attache\n"
)

// Do edits the settings of a program so that it has the variables of env, and writes
// into notes, a directory, how to take that back. Done twice it is done once.
func (p Program) Do(home, notes string, env map[string]string) error {
	if err := p.Undo(home, notes); err != nil && !errors.Is(err, ErrNothing) {
		return err
	}
	file := p.File(home)
	before, err := os.ReadFile(file)
	made := errors.Is(err, fs.ErrNotExist)
	if err != nil && !made {
		return err
	}
	n := note{File: file, Made: made}
	after, err := p.edited(before, env, &n)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	// The note first: what was written without one could not be taken back.
	text, err := json.MarshalIndent(n, "", "  ")
	if err != nil {
		return err
	}
	if err := put(p.note(notes), text); err != nil {
		return err
	}
	return put(file, after)
}

// Text is what Do would write into an empty file.
func (p Program) Text(env map[string]string) (string, error) {
	b, err := p.edited(nil, env, &note{})
	return string(b), err
}

func (p Program) edited(before []byte, env map[string]string, n *note) ([]byte, error) {
	if p.members == nil {
		return p.withBlocks(before, env)
	}
	o := &object{values: map[string]json.RawMessage{}}
	if len(bytes.TrimSpace(before)) > 0 {
		if err := json.Unmarshal(before, o); err != nil {
			return nil, fmt.Errorf("%w: it cannot be edited; attache setup %s --print says what to write", err, p.Name)
		}
	}
	n.Before, n.Set = map[string]json.RawMessage{}, p.members(env)
	for _, path := range slices.Sorted(maps.Keys(n.Set)) {
		v, err := json.Marshal(n.Set[path])
		if err != nil {
			return nil, err
		}
		if n.Before[path], err = o.put(strings.Split(path, "\x00"), v); err != nil {
			return nil, err
		}
	}
	if len(n.Set) == 0 {
		return nil, errors.New("the agent may use none of the services that this program calls; connect one first: attache connect openai")
	}
	return o.text()
}

func (p Program) withBlocks(before []byte, env map[string]string) ([]byte, error) {
	for line := range strings.Lines(string(before)) {
		for _, word := range p.clash {
			if strings.HasPrefix(strings.TrimSpace(line), word) {
				return nil, fmt.Errorf("it has %q already; attache setup %s --print says what to write", strings.TrimSpace(line), p.Name)
			}
		}
	}
	top, end := p.blocks(env)
	var out bytes.Buffer
	block := func(text string) {
		if text != "" {
			fmt.Fprintf(&out, begins, p.Name)
			out.WriteString(text + ends)
		}
	}
	block(top)
	out.Write(before)
	if len(before) > 0 && !bytes.HasSuffix(before, []byte("\n")) {
		out.WriteByte('\n')
	}
	block(end)
	return out.Bytes(), nil
}

// ErrNothing means that there is nothing to take back.
var ErrNothing = errors.New("there is nothing to take back")

// Undo takes away what Do wrote. What was there before comes back; what somebody
// changed since stays.
func (p Program) Undo(home, notes string) error {
	text, err := os.ReadFile(p.note(notes))
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNothing
	}
	var n note
	if err == nil {
		err = json.Unmarshal(text, &n)
	}
	if err != nil {
		return fmt.Errorf("what was written down of the last setup: %w", err)
	}
	now, err := os.ReadFile(n.File)
	switch {
	case errors.Is(err, fs.ErrNotExist): // somebody took it away whole
		return os.Remove(p.note(notes))
	case err != nil:
		return err
	}
	after, err := p.without(now, &n)
	if err != nil {
		return fmt.Errorf("%s: %w", n.File, err)
	}
	if empty := strings.TrimSpace(string(after)); n.Made && (empty == "" || empty == "{}") {
		err = os.Remove(n.File)
	} else {
		err = put(n.File, after)
	}
	if err != nil {
		return err
	}
	return os.Remove(p.note(notes))
}

func (p Program) without(now []byte, n *note) ([]byte, error) {
	if p.members == nil {
		var out strings.Builder
		inside := false
		for line := range strings.Lines(string(now)) {
			switch {
			case strings.HasPrefix(line, "# >>> attache"):
				inside = true
			case inside && strings.HasPrefix(line, strings.TrimSpace(ends)):
				inside = false
			case !inside:
				out.WriteString(line)
			}
		}
		return []byte(out.String()), nil
	}
	o := &object{values: map[string]json.RawMessage{}}
	if err := json.Unmarshal(now, o); err != nil {
		return nil, err
	}
	for path, set := range n.Set {
		keys := strings.Split(path, "\x00")
		is, err := o.put(keys, nil)
		if err != nil {
			return nil, err
		}
		var s string
		back := n.Before[path]
		if is != nil && (json.Unmarshal(is, &s) != nil || s != set) {
			back = is
		}
		if is != nil && back != nil && string(back) != "null" {
			if _, err := o.put(keys, back); err != nil {
				return nil, err
			}
		}
	}
	return o.text()
}

func (p Program) note(notes string) string { return filepath.Join(notes, "setup-"+p.Name+".json") }

// put writes a file that its owner alone reads, whole or not at all. A link stays one.
func put(file string, text []byte) error {
	if to, err := filepath.EvalSymlinks(file); err == nil {
		file = to
	}
	mode := fs.FileMode(0o600)
	if info, err := os.Stat(file); err == nil {
		mode = info.Mode().Perm()
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".attache-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if err == nil {
		err = f.Chmod(mode)
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}
