package rules

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/attache-proxy/attache/caddymodule/admin/explain"
	"github.com/attache-proxy/attache/caddymodule/client"
	"github.com/attache-proxy/attache/providers/strictyaml"
)

// example is one request of a file of examples, and what is to become of it.
type example struct {
	Request     string `yaml:"request"` // POST https://api.github.com/repos/acme/site/issues
	Body        string `yaml:"body"`
	ContentType string `yaml:"content_type"`
	Account     string `yaml:"account"`
	Want        string `yaml:"want"` // permitted, refused, or a refusal's code
	Rule        string `yaml:"rule"` // which decides; empty: any

	line int
}

func (r Room) test() *cobra.Command {
	cmd := r.Call("test FILE --agent ID|NAME", "Runs examples of your own against an agent's grants; exit code 1 if one fails", cobra.ExactArgs(1), func(cmd *cobra.Command) {
		cmd.Flags().String("agent", "", "Whose grants: ID or NAME")
		cmd.Flags().Bool("json", false, "Print as JSON")
		_ = cmd.MarkFlagRequired("agent")
	}, r.runTest)
	cmd.Long = `
Asks of every request in FILE what would become of it by the grants that are in
force, and compares. Nothing is sent, and no limit is used up. FILE is YAML:

  - request: GET https://api.github.com/repos/acme/site
    want: permitted
  - request: DELETE https://api.github.com/repos/acme/site
    want: operation_denied             # or refused, for any code
    rule: deny effect:delete           # which rule decides; may be left out
  - request: POST https://api.github.com/graphql
    body: '{"query":"mutation { deleteIssue(input: {}) { clientMutationId } }"}'
    want: refused

  attache grants test examples.yaml --agent research
`
	return cmd
}

func (r Room) runTest(a Asking, args []string) error {
	examples, err := readExamples(args[0])
	if err != nil {
		return err
	}
	agent, err := a.AgentID(a.flag("agent"))
	if err != nil {
		return fmt.Errorf("--agent: %w", err)
	}
	out := tested{Examples: len(examples), Failed: []failure{}}
	for _, x := range examples {
		why, err := x.run(a, agent)
		if err != nil {
			return fmt.Errorf("%s:%d: %w", args[0], x.line, err)
		}
		if why != "" {
			out.Failed = append(out.Failed, failure{x.line, x.Request, why})
		}
	}
	if a.on("json") {
		err = r.JSON(a.Cmd, out)
	} else {
		for _, f := range out.Failed {
			a.print("FAIL %s:%d: %s: %s", args[0], f.Line, f.Request, f.Why)
		}
		a.print("%d of %d as they are to be.", out.Examples-len(out.Failed), out.Examples)
	}
	if err == nil && len(out.Failed) > 0 {
		return r.Quiet(1)
	}
	return err
}

// tested is what --json prints.
type tested struct {
	Examples int       `json:"examples"`
	Failed   []failure `json:"failed"`
}

type failure struct {
	Line    int    `json:"line"`
	Request string `json:"request"`
	Why     string `json:"why"`
}

// run asks what would become of the request, and says what is wrong with that.
func (x *example) run(a Asking, agent string) (why string, err error) {
	method, url, _ := strings.Cut(x.Request, " ")
	body := map[string]any{"method": method, "url": strings.TrimSpace(url)}
	for name, v := range map[string]string{"body": x.Body, "content_type": x.ContentType, "account": x.Account} {
		if v != "" {
			body[name] = v
		}
	}
	item, err := client.Ask[explain.Explanation](a.Ctx, a.API, http.MethodPost, client.Path("agents", agent, "explain"), nil, body)
	if err != nil {
		return "", err
	}
	is := item.Value
	got := "permitted"
	if !is.Permitted {
		got = is.Code
	}
	switch {
	case x.Want != got && (x.Want != "refused" || is.Permitted):
		why = fmt.Sprintf("it is %s, want %s", got, x.Want)
	case x.Rule != "" && x.Rule != is.Rule:
		why = fmt.Sprintf("rule %d decides, %q; want %q", is.RuleNumber, is.Rule, x.Rule)
	default:
		return "", nil
	}
	if is.Detail != "" {
		why += " (" + is.Detail + ")"
	}
	return why, nil
}

func readExamples(name string) (out []example, err error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.SequenceNode || len(doc.Content[0].Content) == 0 {
		return nil, fmt.Errorf("%s: want a list of examples, each with request and want", name)
	}
	for _, n := range doc.Content[0].Content {
		x := example{line: n.Line}
		if err := strictyaml.Decode(n, &x); err != nil {
			return nil, placed(name, err)
		}
		method, url, ok := strings.Cut(x.Request, " ")
		switch {
		case !ok || method == "" || !strings.Contains(url, "://"):
			return nil, fmt.Errorf("%s:%d: request: want a method and a URL: GET https://api.github.com/user", name, n.Line)
		case x.Want == "":
			return nil, fmt.Errorf("%s:%d: want is missing: permitted, refused, or a refusal's code", name, n.Line)
		}
		out = append(out, x)
	}
	return out, nil
}

func placed(name string, err error) error {
	var e *strictyaml.Error
	if errors.As(err, &e) {
		return fmt.Errorf("%s:%d: %s", name, e.Line, e.Msg)
	}
	return fmt.Errorf("%s: %w", name, err)
}
