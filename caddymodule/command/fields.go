package command

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/attache-proxy/attache/caddymodule/admin/api"
	"github.com/attache-proxy/attache/caddymodule/client"
	"github.com/attache-proxy/attache/caddymodule/command/view"
	"github.com/attache-proxy/attache/caddymodule/config"
)

// connectOption is one of a connector's ways to connect, as the API's metadata
// has it.
type connectOption struct {
	Name, Flow, Help string
	Schema           struct {
		Properties map[string]connectField
		Required   []string
		Order      []string `json:"x-order"`
	}
}

// connectField is what a person is asked for.
type connectField struct {
	Title, Description, Default string
	Enum                        []string
	Secret                      bool `json:"writeOnly"`
}

const fieldHelp = "A field of the connector: NAME=VALUE, NAME=@FILE, or NAME=- for standard input; secrets not as VALUE (repeatable)"

func fieldFlag(cmd *cobra.Command) { cmd.Flags().StringArray("field", nil, fieldHelp) }

// option finds one of a connector's ways to connect; the first where none is named.
func (a *asking) option(connector, name string) (*connectOption, error) {
	item, err := client.Ask[struct{ Options []connectOption }](a.ctx, a.api, http.MethodGet, client.Path("connectors", connector, "metadata"), nil, nil)
	if err != nil {
		return nil, orAnother(err, connector)
	}
	var names []string
	for _, o := range item.Value.Options {
		if name == "" || o.Name == name {
			return &o, nil
		}
		names = append(names, o.Name)
	}
	return nil, fmt.Errorf("--option %q: connector %s has the options %s", name, connector, strings.Join(names, ", "))
}

// orAnother adds to the API's word that it has no such connector which one may
// have been meant.
func orAnother(err error, connector string) error {
	e := (*client.Error)(nil)
	if !errors.As(err, &e) || e.Code != "CONNECTOR_NOT_FOUND" {
		return err
	}
	defs, failed := config.Definitions("", nil)
	if failed != nil {
		return err
	}
	told := *e
	if key, none := config.Meant(defs, connector); none == nil {
		told.Next = "Perhaps " + key + " is meant; attache connectors list shows the built-in ones."
	} else {
		told.Next = none.Error() + "."
	}
	return &told
}

// given reads the values of --field.
func (a *asking) given(o *connectOption) (map[string]string, error) {
	values, stdin := map[string]string{}, ""
	for _, pair := range a.flags("field") {
		name, value, ok := strings.Cut(pair, "=")
		if !ok { // what was meant for a name may be a secret
			return nil, errors.New("--field: want NAME=VALUE, NAME=@FILE or NAME=-")
		}
		field, known := o.Schema.Properties[name]
		if !known {
			return nil, fmt.Errorf("--field: that is none of the fields of option %s, which are %s", o.Name, strings.Join(o.Schema.Order, ", "))
		}
		if _, twice := values[name]; twice {
			return nil, fmt.Errorf("--field %s: is given twice", name)
		}
		var err error
		switch file, isFile := strings.CutPrefix(value, "@"); {
		case isFile:
			value, err = readField(os.Open(file))
		case value == "-" && stdin != "":
			err = fmt.Errorf("standard input is %s already", stdin)
		case value == "-":
			stdin = name
			value, err = readField(os.Stdin, nil)
		case field.Secret:
			err = fmt.Errorf("is a secret, and others see the options of a command; give a file (%s=@FILE), standard input (%s=-), or leave it out to be asked", name, name)
		}
		if err != nil {
			return nil, fmt.Errorf("--field %s: %w", name, err)
		}
		values[name] = value
	}
	return values, nil
}

// readField reads a value to its end, without the last line end.
func readField(f *os.File, err error) (string, error) {
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 1<<20))
	return strings.TrimRight(string(text), "\r\n"), err
}

// complete asks for required fields that have no value yet, neither here nor
// there: on a terminal, secrets without echo. Where nobody sits it says which are
// missing.
func (a *asking) complete(o *connectOption, values map[string]string, there func(name string) bool) error {
	var missing []string
	for _, name := range o.Schema.Order {
		if _, ok := values[name]; !ok && slices.Contains(o.Schema.Required, name) && !there(name) {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return &client.Error{Code: "missing_fields", Msg: "fields are missing: " + strings.Join(missing, ", "),
			Next: "Give each as --field NAME=@FILE, or as --field NAME=VALUE if it is no secret; on a terminal you are asked."}
	}
	if o.Help != "" {
		a.remark("Where to get it: %s", o.Help)
	}
	for _, name := range missing {
		value, err := a.ask(name, o.Schema.Properties[name])
		if err != nil {
			return fmt.Errorf("field %s: %w", name, err)
		}
		values[name] = value
	}
	return nil
}

// ask asks the person at the terminal for one value.
func (a *asking) ask(name string, f connectField) (value string, err error) {
	label := f.Title
	if f.Description != "" {
		label += " – " + f.Description
	}
	if len(f.Enum) > 0 {
		label += " [" + strings.Join(f.Enum, ", ") + "]"
	}
	fmt.Fprintf(a.cmd.ErrOrStderr(), "%s (%s): ", client.Printable(label), name)
	if f.Secret {
		value, err = readHidden()
		fmt.Fprintln(a.cmd.ErrOrStderr())
	} else {
		value, err = bufio.NewReader(os.Stdin).ReadString('\n') // a terminal gives one line at a time
	}
	if value = view.Pasted(value); value == "" && (err == nil || errors.Is(err, io.EOF)) {
		err = errors.New("nothing was entered")
	}
	return value, err
}

// readHidden reads a line without echo, and turns the echo on again also when
// the person gives up.
func readHidden() (string, error) {
	in := int(os.Stdin.Fd())
	state, err := term.GetState(in)
	if err != nil {
		return "", err
	}
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt)
	defer signal.Stop(interrupted)
	go func() {
		if _, ok := <-interrupted; ok {
			_ = term.Restore(in, state)
			os.Exit(130)
		}
	}()
	line, err := term.ReadPassword(in)
	return string(line), err
}

// accountAndOption reads an account, and how it connects: as --option says, or as
// it does now.
func (a *asking) accountAndOption(given string) (x api.Account, o *connectOption, err error) {
	item, err := a.account(given)
	if err != nil {
		return x, nil, err
	}
	o, err = a.option(item.Value.Connector, cmp.Or(a.flag("option"), item.Value.Option))
	return item.Value, o, err
}
