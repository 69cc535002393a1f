package main

import (
	"bytes"
	"embed"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

//go:embed catalogue/*.yaml
var catalogue embed.FS

// group is a file of the catalogue.
type group struct {
	Group   string      `yaml:"group"`
	Attacks []yaml.Node `yaml:"attacks"`
}

// attack is one thing that a hostile agent, operator or service tries. Without
// steps it is a single one.
type attack struct {
	Name string `yaml:"name"`
	// Each is for several attacks that differ in a word: {METHOD: [TRACE, TRACK]}
	// replaces {METHOD} everywhere. Of several words there is every combination.
	Each map[string][]string `yaml:"each"`
	// Doors are tried one by one where a step names none.
	Doors []string `yaml:"doors"`
	Steps []step   `yaml:"steps"`
	step  `yaml:",inline"`
	// Play names what needs a program of its own; see plays.
	Play string `yaml:"play"`
	// Alone runs it when nothing else runs.
	Alone bool `yaml:"alone"`
	// Pending says why this is known not to hold yet: it is tried, told, and
	// fails nothing.
	Pending string `yaml:"pending"`

	group string
	door  string
}

// step is one request, or one command, and what must hold.
type step struct {
	As        string   `yaml:"as"`        // an agent, or who calls the API: root, north, south
	Door      string   `yaml:"door"`      // base, name, absolute, tunnel, h2; plain, open, admin, socket
	Connector string   `yaml:"connector"` // default bearer
	Request   string   `yaml:"request"`   // METHOD and path at the service; default GET /echo
	Target    string   `yaml:"target"`    // instead of the path that the door makes
	Host      string   `yaml:"host"`      // instead of the Host that the door makes
	Headers   []string `yaml:"headers"`
	Head      string   `yaml:"head"` // as it is, before the empty line
	Body      string   `yaml:"body"`
	After     string   `yaml:"after"`    // bytes behind the body, on the same connection
	NoToken   bool     `yaml:"no_token"` // the agent says nothing of itself
	Says      *says    `yaml:"says"`     // what the service answers; default: all it was sent
	Command   []string `yaml:"command"`  // of the binary under test
	Impostor  string   `yaml:"impostor"` // what listens at {impostor}
	Keep      keep     `yaml:"keep"`     // what later steps need of the answer
	Wait      string   `yaml:"wait"`     // for so long, before
	Holds     holds    `yaml:"holds"`
}

type keep map[string]string // name: regular expression with one group

// words are the request's method and path.
func (s *step) words() (method, path string) {
	method, path, _ = strings.Cut(s.Request, " ")
	if s.Request == "" {
		return "GET", "/echo"
	}
	return method, path
}

// everyDoor are the ways to a connector's service.
var everyDoor = []string{"base", "name", "absolute", "tunnel", "h2"}

// load reads the catalogue: every combination, at every door.
func load() (all []*attack, err error) {
	files, err := catalogue.ReadDir("catalogue")
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		b, err := catalogue.ReadFile("catalogue/" + f.Name())
		if err != nil {
			return nil, err
		}
		var g group
		if err := decode(b, &g); err != nil {
			return nil, fmt.Errorf("catalogue/%s: %w", f.Name(), err)
		}
		for i := range g.Attacks {
			some, err := expand(&g, &g.Attacks[i])
			if err != nil {
				return nil, fmt.Errorf("catalogue/%s:%d: %w", f.Name(), g.Attacks[i].Line, err)
			}
			all = append(all, some...)
		}
	}
	return all, nil
}

func decode(b []byte, into any) error {
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	return d.Decode(into)
}

// expand makes the attacks of an entry.
func expand(g *group, n *yaml.Node) (all []*attack, err error) {
	var head struct {
		Each map[string][]string `yaml:"each"`
	}
	if err := n.Decode(&head); err != nil {
		return nil, err
	}
	for _, words := range combinations(head.Each) {
		b, err := yaml.Marshal(replaced(n, words))
		if err != nil {
			return nil, err
		}
		var a attack
		if err := decode(b, &a); err != nil {
			return nil, err
		}
		a.group = g.Group
		if len(head.Each) > 0 && !strings.Contains(n.Content[1].Value, "{") {
			a.Name += " (" + strings.Join(slices.Sorted(maps.Values(words)), " ") + ")"
		}
		if len(a.Steps) == 0 && a.Play == "" {
			a.Steps = []step{a.step}
		}
		doors := a.Doors
		if len(doors) == 0 {
			doors = []string{a.Door}
			if a.Door == "" && a.Play == "" && len(a.Command) == 0 && needsDoor(a.Steps) {
				doors = everyDoor
			}
		}
		for _, door := range doors {
			one := a
			one.door = door
			one.Steps = slices.Clone(a.Steps)
			for i := range one.Steps {
				if one.Steps[i].Door == "" {
					one.Steps[i].Door = door
				}
			}
			all = append(all, &one)
		}
	}
	return all, nil
}

func needsDoor(steps []step) bool {
	return slices.ContainsFunc(steps, func(s step) bool { return s.Door == "" && len(s.Command) == 0 })
}

// combinations are the ways to take one of each list.
func combinations(each map[string][]string) []map[string]string {
	all := []map[string]string{{}}
	for _, word := range slices.Sorted(maps.Keys(each)) {
		var more []map[string]string
		for _, one := range all {
			for _, value := range each[word] {
				next := maps.Clone(one)
				next[word] = value
				more = append(more, next)
			}
		}
		all = more
	}
	return all
}

var number = regexp.MustCompile(`^[0-9]+$`)

// replaced is a copy of a node with words in the place of {WORD}. What becomes a
// number is one: "{STATUS}" stands in quotes, since without it were a map.
func replaced(n *yaml.Node, words map[string]string) *yaml.Node {
	c := *n
	if c.Kind == yaml.ScalarNode {
		for word, value := range words {
			c.Value = strings.ReplaceAll(c.Value, "{"+word+"}", value)
		}
		if c.Value != n.Value && number.MatchString(c.Value) {
			c.Tag, c.Style = "", 0
		}
	}
	c.Content = make([]*yaml.Node, len(n.Content))
	for i, child := range n.Content {
		c.Content[i] = replaced(child, words)
	}
	return &c
}
