package command

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/url"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/attache-proxy/attache/caddymodule/client"
	"github.com/attache-proxy/attache/providers/secret"
)

// defaultAdmin is where Caddyfile.example has its REST API.
const defaultAdmin = "http://127.0.0.1:8081"

// howToReach ends the help of every command that asks the REST API.
const howToReach = `
They ask the REST API of a running Attaché (attache_admin in its Caddyfile). Who can
read its vault on this machine needs no token; elsewhere:

  export ATTACHE_ADMIN_TOKEN=$(attache admin token create --name me --role operator)
  export ATTACHE_ADMIN=http://127.0.0.1:8081    # the default; or https://host, unix//path/to.sock
`

// asking is a command that asks the REST API.
type asking struct {
	cmd   *cobra.Command
	ctx   context.Context
	api   *client.API
	names map[string]string // of accounts and agents, by id; see name
}

// apiCommand makes a command that asks the REST API. flags adds its own options
// and may be nil.
func apiCommand(use, short string, args cobra.PositionalArgs, flags func(cmd *cobra.Command), run func(a *asking, args []string) error) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: args}
	f := cmd.Flags()
	f.String("admin", "", "Where the REST API is (default: ATTACHE_ADMIN, else "+defaultAdmin+")")
	f.String("token-file", "", "File with the admin token (default: the token in ATTACHE_ADMIN_TOKEN)")
	if flags != nil {
		flags(cmd)
	}
	cmd.RunE = told(func(cmd *cobra.Command, args []string) error {
		a := &asking{cmd: cmd, ctx: cmd.Context(), names: map[string]string{}}
		var end func()
		var err error
		if a.api, end, err = reachAPI(a.flag("admin"), a.flag("token-file")); err != nil {
			return err
		}
		defer end()
		return run(a, args)
	})
	return cmd
}

// reachAPI finds the REST API and the token: an option wins over the environment. end
// must be called when the last request is done.
func reachAPI(at, file string) (api *client.API, end func(), err error) {
	end = func() {}
	token := secret.New(strings.TrimSpace(os.Getenv("ATTACHE_ADMIN_TOKEN")))
	if file != "" {
		if token, err = tokenIn(file); err != nil {
			return nil, end, err
		}
	}
	at = cmp.Or(at, os.Getenv("ATTACHE_ADMIN"), defaultAdmin)
	api, err = client.NewAPI(at, token)
	if err != nil || !token.IsZero() || api.OverSocket {
		return api, end, err
	}
	if token, end, err = ownToken(api); err != nil {
		return nil, func() {}, err
	}
	api, err = client.NewAPI(at, token)
	return api, end, err
}

// flag is the value of an option that is a text.
func (a *asking) flag(name string) string { v, _ := a.cmd.Flags().GetString(name); return v }

// on is the value of an option that is yes or no.
func (a *asking) on(name string) bool { v, _ := a.cmd.Flags().GetBool(name); return v }

// flags are the values of an option that may be repeated.
func (a *asking) flags(name string) []string { v, _ := a.cmd.Flags().GetStringArray(name); return v }

// query makes query parameters of options; those not given are left out.
func (a *asking) query(names ...string) url.Values {
	q := url.Values{}
	for _, name := range names {
		if v := a.flag(name); v != "" {
			q.Set(strings.ReplaceAll(name, "-", "_"), v)
		}
	}
	return q
}

// print prints a line of results.
func (a *asking) print(format string, values ...any) {
	fmt.Fprintf(a.cmd.OutOrStdout(), format+"\n", values...)
}

// remark says what is no result: scripts that read standard output do not see it.
func (a *asking) remark(format string, values ...any) {
	fmt.Fprintln(a.cmd.ErrOrStderr(), client.Printable(fmt.Sprintf(format, values...)))
}

func jsonFlag(cmd *cobra.Command) { cmd.Flags().Bool("json", false, "Print the JSON of the REST API") }

// printList prints every item of a list: a table, or with --json a list as the
// API has them, its pages joined.
func printList[T any](a *asking, items iter.Seq2[client.Item[T], error], header string, row func(T) []string) error {
	w := tabwriter.NewWriter(a.cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	all, n := []json.RawMessage{}, 0
	for item, err := range items {
		if err != nil {
			return err
		}
		if a.on("json") {
			all = append(all, item.JSON)
			continue
		}
		if n == 0 {
			fmt.Fprintln(w, strings.ReplaceAll(header, "|", "\t"))
		}
		printRow(w, row(item.Value))
		n++
	}
	if a.on("json") {
		return PrintJSON(a.cmd, map[string]any{"items": all})
	}
	if n == 0 {
		a.remark("There are none.")
	}
	return w.Flush()
}

// printRow prints cells; an empty one is a dash.
func printRow(w *tabwriter.Writer, cells []string) {
	for i, cell := range cells {
		cells[i] = cmp.Or(strings.TrimSpace(client.Printable(cell)), "-")
	}
	fmt.Fprintln(w, strings.Join(cells, "\t"))
}

// printFacts prints name and value in columns; facts without a value are left out.
func (a *asking) printFacts(facts [][2]string) {
	for _, f := range facts {
		if f[1] != "" {
			a.print("%-12s %s", f[0], client.Printable(f[1]))
		}
	}
}

// moment reads a point in time: RFC 3339, a day, or how long from now, such as
// 90m or 30d; sign is -1 where that is how long ago.
func moment(s string, now time.Time, sign int) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return t, nil
		}
	}
	d, err := time.ParseDuration(s)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n float64
		if n, err = strconv.ParseFloat(days, 64); n > 100*366 { // and not beyond a Duration
			n = 0
		}
		d = time.Duration(n * float64(24*time.Hour))
	}
	if err != nil || d <= 0 {
		return time.Time{}, fmt.Errorf("%q is no time; want 2026-12-31, 2026-12-31T18:00:00Z, 90m or 30d", s)
	}
	return now.Add(time.Duration(sign) * d), nil
}

// until reads the option --until; zero where it is not given.
func (a *asking) until() (time.Time, error) {
	if a.flag("until") == "" {
		return time.Time{}, nil
	}
	t, err := moment(a.flag("until"), time.Now(), 1)
	if err != nil {
		return t, fmt.Errorf("--until: %w", err)
	}
	return t.UTC(), nil
}

const untilHelp = "When it ends: 30d, 12h, 2026-12-31 or 2026-12-31T18:00:00Z (default: never)"

// shownTime is a time for people; empty for none.
func shownTime(t *time.Time) string {
	if t == nil || t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04:05")
}
