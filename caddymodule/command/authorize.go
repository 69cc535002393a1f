package command

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/attache-proxy/attache/caddymodule/admin/api"
	"github.com/attache-proxy/attache/caddymodule/client"
)

func authorizeCommand() *cobra.Command {
	return apiCommand("authorize ID|CONNECTOR:NAME", "Prints where a person signs in (a link, or an address and a code), and waits until the account is connected", cobra.ExactArgs(1),
		func(cmd *cobra.Command) {
			f := cmd.Flags()
			f.String("option", "", "Another of the connector's ways to connect (default: the account's)")
			fieldFlag(cmd)
			f.Bool("no-wait", false, "Print it and leave")
			jsonFlag(cmd)
		}, authorizeAccount)
}

func authorizeAccount(a *asking, args []string) error {
	x, o, err := a.accountAndOption(args[0])
	if err != nil {
		return err
	}
	values, err := a.given(o)
	if err != nil {
		return err
	}
	if o.Flow != "credentials" { // those need no person; the API says so
		if err := a.complete(o, values, func(name string) bool { return hasField(x, name) }); err != nil {
			return err
		}
	}
	item, err := client.Ask[api.Authorization](a.ctx, a.api, http.MethodPost, client.Path("accounts", x.ID, "authorize"), nil,
		api.Authorize{Option: a.flag("option"), Fields: values})
	if err != nil {
		return err
	}
	if err := a.showAuthorization(item); err != nil || a.on("no-wait") {
		return err
	}
	return a.await(x, item.Value)
}

// hasField reports whether an account has a value for a field.
func hasField(x api.Account, name string) bool {
	return x.Fields[name] != "" || slices.ContainsFunc(x.Secrets, func(s api.SecretInfo) bool { return s.Field == name })
}

// showAuthorization prints what the person needs: a link, or an address and the
// code to enter there, each on a line.
func (a *asking) showAuthorization(item client.Item[api.Authorization]) error {
	t := item.Value
	switch {
	case a.on("json"):
		return PrintJSON(a.cmd, item.JSON)
	case t.UserCode != "":
		a.remark("Open the address and enter the code, until %s:", t.ExpiresAt.Local().Format(time.TimeOnly))
		a.print("%s\n%s", client.Printable(t.VerificationURI), client.Printable(t.UserCode))
	default:
		a.remark("Open this in a browser, until %s; it works once:", t.ExpiresAt.Local().Format(time.TimeOnly))
		a.print("%s", client.Printable(t.AuthorizationURL))
	}
	return nil
}

// await asks how the authorization fares until it is over. A server that is away
// for a while, such as during a restart, is waited for too.
func (a *asking) await(x api.Account, t api.Authorization) error {
	for {
		select {
		case <-a.ctx.Done():
			return a.ctx.Err()
		case <-time.After(time.Duration(max(1, t.Interval)) * time.Second):
		}
		item, err := client.Ask[api.ConnectSession](a.ctx, a.api, http.MethodGet, client.Path("connect", "sessions", t.SessionID), nil, nil)
		if e := (*client.Error)(nil); errors.As(err, &e) && e.Code == "unreachable" && time.Now().Before(t.ExpiresAt) {
			continue
		}
		if err != nil {
			return err
		}
		switch s := item.Value; s.Status {
		case "done":
			a.remark("%s:%s is connected", x.Connector, x.Name)
			return nil
		case "failed", "expired":
			why := api.Reason{}
			if s.Error != nil {
				why = *s.Error
			}
			return &client.Error{Code: "not_connected", Msg: "not connected: " + client.Printable(cmp.Or(why.Detail, why.Code, s.Status)), Next: "attache accounts authorize " + x.ID + " begins again."}
		}
	}
}
