package command

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"time"

	"context"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/attache-proxy/attache/caddymodule/client"
	"github.com/attache-proxy/attache/caddymodule/doctor"
)

// examineTimeout is for all checks together: services answer slowly.
const examineTimeout = 2 * time.Minute

var doctorCommand = caddycmd.Command{
	Name:  "doctor",
	Usage: "[--client NAME --connector KEY] [--agent NAME] [--proxy URL] [--config Caddyfile] [--json]",
	Short: "Finds out why calls through the proxy would not work, or not safely",
	Long: `
Looks at a running proxy as an agent would, and says in one line each what is
fine and what to do about the rest:

  proxy        is there one, and who are we to it?
  listener     does one proxy alone have the port, and who else reaches it?
  trust        do clients of attache exec trust an intercepted connection?
  clock        do this machine and the proxy agree?
  credential   does each account's test request succeed?
  environment  do the proxy variables set here lead to the proxy?
  leak         does a variable set here hold a real key of a connector?
  loop         is a connector sent back to the proxy? (with --config)
  admin        is Caddy's admin API where an agent could reach it?

With --client it starts a real client as exec would, with one harmless request to
one connector (its test), and says how far that came: proxy, agent, grant, account,
credential, the client's way to the proxy, its trust, the service's answer. Green
means that the service answered to the account. Clients: ` + strings.Join(doctor.Programs(), ", ") + `.

The exit code is 1 when a check failed. Nothing is changed; each account's test
request is sent to its service.

Examples:

  attache doctor
  attache doctor --config Caddyfile --agent research
  attache exec -- attache doctor              # what a command would see
  attache doctor --client node --connector github
  attache doctor --json | jq '.[] | select(.state == "FAIL")'
`,
	CobraFunc: func(cmd *cobra.Command) {
		proxyFlags(cmd)
		cmd.Flags().Bool("json", false, "Print the checks as JSON")
		cmd.Flags().String("client", "", "Start this client: "+strings.Join(doctor.Programs(), ", "))
		cmd.Flags().String("connector", "", "The connector that --client calls")
		cmd.Flags().String("account", "", "Which account of it, by name")
		cmd.Args = cobra.NoArgs
		cmd.RunE = told(runDoctor)
	},
}

func runDoctor(cmd *cobra.Command, _ []string) error {
	environ := os.Environ()
	to, err := reach(cmd, environ)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), examineTimeout)
	defer cancel()
	var checks []doctor.Check
	if program, _ := cmd.Flags().GetString("client"); program != "" {
		if checks, err = proveWire(ctx, cmd, to, program); err != nil {
			return err
		}
	} else {
		checks = doctor.Examine(ctx, doctor.Patient{
			Client: to.client, About: to.about, CA: to.ca, Environ: environ, Config: to.config.forDoctor(),
			AdminPort: caddy.DefaultAdminListen[strings.LastIndexByte(caddy.DefaultAdminListen, ':')+1:],
		})
	}
	if asJSON, _ := cmd.Flags().GetBool("json"); asJSON {
		enc := json.NewEncoder(cmd.OutOrStdout())
		enc.SetIndent("", "  ")
		err = enc.Encode(checks)
	} else {
		doctor.Print(cmd.OutOrStdout(), checks)
	}
	for _, c := range checks {
		if c.State == doctor.Failed {
			return exitCode(1)
		}
	}
	return err
}

// proveWire starts a real client with what exec would set.
func proveWire(ctx context.Context, cmd *cobra.Command, to *reached, program string) ([]doctor.Check, error) {
	connector, _ := cmd.Flags().GetString("connector")
	if connector == "" {
		return nil, errors.New("which connector is the client to call? --connector KEY; attache doctor lists them")
	}
	account, _ := cmd.Flags().GetString("account")
	dir, err := os.MkdirTemp("", "attache-doctor-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	w := doctor.Wire{Client: to.client, About: to.about, Program: program, Connector: connector, Account: account, Dir: dir}
	w.Start = func(about *client.About) (env []string, seen func() []doctor.Seen, stop func(), err error) {
		return watched(to, about, account)
	}
	return w.Prove(ctx), nil
}

// forDoctor is what the checks want to know of a configuration.
func (c *configFacts) forDoctor() *doctor.Config {
	if c == nil {
		return nil
	}
	out := &doctor.Config{File: c.file, Upstreams: map[string]string{}}
	for _, l := range c.listeners {
		if !l.address.IsUnixNetwork() {
			out.Listeners = append(out.Listeners, l.url())
		}
	}
	for key, conn := range c.app.Connectors {
		if conn.Upstream != "" {
			out.Upstreams[key] = conn.Upstream
		}
	}
	listen := c.admin.Listen
	if listen == "" {
		listen = caddy.DefaultAdminListen
	}
	address, err := caddy.ParseNetworkAddress(listen)
	if out.AdminOff = c.admin.Disabled || err == nil && address.IsUnixNetwork(); !out.AdminOff && err == nil {
		out.Admin = address.JoinHostPort(0)
	}
	return out
}
