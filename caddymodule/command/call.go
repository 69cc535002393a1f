package command

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/attache-proxy/attache/caddymodule/client"
	"github.com/attache-proxy/attache/caddymodule/command/view"
)

// call is a command that is one operation of the REST API, and nothing more.
type call struct {
	use, short string
	method     string
	// path of the operation. {} is the next argument: its id where the element before
	// it is accounts or agents, which people call by name too.
	path string
	// sends are options that become members of the body, or of the query of a GET.
	sends []member
	// columns of a list: HEADER=member.of.an.item; empty where the answer is one thing.
	columns []string
	// whole says that the list has no pages.
	whole bool
	// once is a member that is shown this once: it is printed alone.
	once string
	// only is the member of the answer that is shown, where not all of it is.
	only string
	// fixed are members that are always sent.
	fixed map[string]any
	// data says that --data takes the whole body, for what has no option.
	data bool
}

// member is an option that becomes a member: a text, unless kind says otherwise.
type member struct {
	option, name, help string
	kind               kind
	required           bool
}

type kind int

const (
	text kind = iota
	list
	yes
	number
	hidden // a secret: @FILE or -
	when   // a time
)

// commands makes commands of calls.
func commands(calls []call) (out []*cobra.Command) {
	for _, c := range calls {
		out = append(out, c.command())
	}
	return out
}

func (c call) command() *cobra.Command {
	n := strings.Count(c.path, "{}")
	return apiCommand(c.use, c.short, cobra.ExactArgs(n), func(cmd *cobra.Command) {
		f := cmd.Flags()
		for _, m := range c.sends {
			switch m.kind {
			case list:
				f.StringArray(m.option, nil, m.help+" (repeatable)")
			case yes:
				f.Bool(m.option, false, m.help)
			case number:
				f.Float64(m.option, 0, m.help)
			case hidden:
				f.String(m.option, "", m.help+": @FILE, or - for standard input")
			case when:
				f.String(m.option, "", m.help+": 30d, 2026-12-31 or 2026-12-31T18:00:00Z")
			default:
				f.String(m.option, "", m.help)
			}
			if m.required {
				_ = cmd.MarkFlagRequired(m.option)
			}
		}
		if c.data {
			f.String("data", "", "The body as JSON, for what has no option: JSON, @FILE, or - for standard input")
		}
		jsonFlag(cmd)
	}, c.run)
}

func (c call) run(a *asking, args []string) error {
	path, err := c.at(a, args)
	if err != nil {
		return err
	}
	sent, err := c.body(a)
	if err != nil {
		return err
	}
	var q url.Values
	var body any
	if c.method == http.MethodGet {
		q = url.Values{}
		for name, v := range sent {
			q.Set(name, fmt.Sprint(v))
		}
	} else if len(sent) > 0 || c.data {
		body = sent
	}
	if len(c.columns) > 0 {
		return c.list(a, path, q)
	}
	answer, err := a.api.Do(a.ctx, c.method, path, q, body)
	if err != nil {
		return err
	}
	return c.show(a, args, answer.Body)
}

// at is the path with the arguments in it.
func (c call) at(a *asking, args []string) (string, error) {
	elements := strings.Split(strings.TrimPrefix(c.path, "/"), "/")
	for i, e := range elements {
		if e != "{}" {
			continue
		}
		given := strings.TrimSpace(args[0])
		args = args[1:]
		var err error
		switch {
		case given == "":
			err = fmt.Errorf("an argument is empty: %s", c.use)
		case elements[i-1] == "accounts":
			given, err = a.accountID(given)
		case elements[i-1] == "agents":
			given, err = a.agentID(given)
		}
		if err != nil {
			return "", err
		}
		elements[i] = given
	}
	return client.Path(elements...), nil
}

// body is what is sent: that of --data, with the options over it.
func (c call) body(a *asking) (map[string]any, error) {
	out := map[string]any{}
	if data := a.flag("data"); c.data && data != "" {
		text, err := content(data)
		if err != nil {
			return nil, fmt.Errorf("--data: %w", err)
		}
		if err := json.Unmarshal(text, &out); err != nil {
			return nil, fmt.Errorf("--data: want a JSON object: %w", err)
		}
	}
	maps.Copy(out, c.fixed)
	for _, m := range c.sends {
		if !a.cmd.Flags().Changed(m.option) {
			continue
		}
		v, err := m.value(a)
		if err != nil {
			return nil, err
		}
		into, name := out, m.name
		for { // a member of a member
			first, rest, deeper := strings.Cut(name, ".")
			if !deeper {
				break
			}
			in, ok := into[first].(map[string]any)
			if !ok {
				in = map[string]any{}
				into[first] = in
			}
			into, name = in, rest
		}
		into[name] = v
	}
	return out, nil
}

func (m member) value(a *asking) (any, error) {
	switch m.kind {
	case list:
		return a.flags(m.option), nil
	case yes:
		return a.on(m.option), nil
	case number:
		v, _ := a.cmd.Flags().GetFloat64(m.option)
		return v, nil
	case hidden:
		return secretOf(m.option, a.flag(m.option))
	case when:
		t, err := moment(a.flag(m.option), time.Now(), 1)
		if err != nil {
			return nil, fmt.Errorf("--%s: %w", m.option, err)
		}
		return t.UTC(), nil
	}
	return a.flag(m.option), nil
}

// content is JSON, that of a file, or standard input.
func content(given string) ([]byte, error) {
	const most = 4 << 20
	switch file, isFile := strings.CutPrefix(given, "@"); {
	case isFile:
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return io.ReadAll(io.LimitReader(f, most))
	case given == "-":
		return io.ReadAll(io.LimitReader(os.Stdin, most))
	}
	return []byte(given), nil
}

func (c call) list(a *asking, path string, q url.Values) error {
	var headers, members []string
	for _, column := range c.columns {
		header, name, _ := strings.Cut(column, "=")
		headers, members = append(headers, header), append(members, name)
	}
	items := client.List[map[string]any](a.ctx, a.api, path, q)
	if c.whole {
		items = client.Whole[map[string]any](a.ctx, a.api, path, q)
	}
	return printList(a, items, strings.Join(headers, "|"), func(x map[string]any) []string {
		var cells []string
		for _, name := range members {
			cells = append(cells, view.Member(x, name))
		}
		return cells
	})
}

// show prints one thing: as JSON, what is shown this once alone, else its members.
func (c call) show(a *asking, args []string, body json.RawMessage) error {
	switch {
	case c.method == http.MethodDelete:
		return a.deleted(strings.Join(args, " "))
	case len(body) == 0 && a.on("json"):
		return PrintJSON(a.cmd, map[string]any{"id": args[len(args)-1]})
	case len(body) == 0:
		a.print("%s", strings.Join(args, " "))
		return nil
	}
	if c.only != "" {
		var whole map[string]json.RawMessage
		if err := json.Unmarshal(body, &whole); err == nil {
			body = whole[c.only]
		}
	}
	if a.on("json") {
		return PrintJSON(a.cmd, body)
	}
	var x map[string]any
	if err := json.Unmarshal(body, &x); err != nil {
		return PrintJSON(a.cmd, body)
	}
	if c.once != "" && x[c.once] != nil {
		a.remark("%s is shown this once", c.once)
		a.print("%s", view.Member(x, c.once))
		return nil
	}
	var facts [][2]string
	for name := range x {
		facts = append(facts, [2]string{name, view.Member(x, name)})
	}
	order := func(name string) int { return (slices.Index(first, name) + len(first) + 1) % (len(first) + 1) }
	slices.SortFunc(facts, func(x, y [2]string) int {
		return cmp.Or(cmp.Compare(order(x[0]), order(y[0])), cmp.Compare(x[0], y[0]))
	})
	a.printFacts(facts)
	return nil
}

// deleted says that something is there no more.
func (a *asking) deleted(id string) error {
	if a.on("json") {
		return PrintJSON(a.cmd, map[string]any{"id": id, "deleted": true})
	}
	a.print("%s deleted", id)
	return nil
}

// first are the members that people look for first.
var first = []string{"id", "key", "name", "title", "connector", "mode", "state", "status"}
