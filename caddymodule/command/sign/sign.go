// Package sign is the command that signs a request and prints it, for people who
// write connectors.
package sign

import (
	"fmt"
	"io"
	"net/http"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/attache-proxy/attache/caddymodule/config"
	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/expr"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/providers/sign"
	"github.com/attache-proxy/attache/providers/strictyaml"
	"github.com/attache-proxy/attache/resolver"
)

// Command is attache sign.
var Command = caddycmd.Command{
	Name: "sign", Usage: "--connector KEY --fields FILE --request FILE",
	Short: "Signs a request and prints it, without sending it",
	Long: `Signs a request as the proxy would and prints it as raw HTTP/1.1, sending
nothing. For people who write connectors, and to check a scheme against published
values.

	attache sign --connector binance --fields fields.json --request request.txt --at 2024-01-02T03:04:05Z

FIELDS is a JSON object with the option's fields (attache connectors show KEY),
and client_id, client_secret, token where the option wants them. Without --option
it is the first one that these fields suffice for. Fields that are part of the
host name are read from the request's Host.

REQUEST is raw HTTP/1.1 with its Host, its lines ending in CR LF or LF, or with
the whole URL in its first line. Without a Content-Length the body is all that
follows, but for one line break at its end. - is standard input.

Without --at and --nonce, a time and a nonce that the request holds in places
that the scheme writes (X-Amz-Date, timestamp=, oauth_nonce=) are used again. A
WWW-Authenticate in the request is taken for the service's challenge (HTTP Digest).
What was chosen or filled in stands on standard error.

With --explain that has every step, too: each value of let, what was digested, the
canonical request and the text that was signed. Of keys it has the length, and of
secrets the name.`,
	CobraFunc: func(c *cobra.Command) {
		var s signing
		f := c.Flags()
		f.StringVar(&s.connector, "connector", "", "key of the connector")
		f.StringVar(&s.option, "option", "", "its option; default the first that the fields suffice for")
		f.StringVar(&s.dir, "connectors", "", "a directory of connectors, beside the catalogue")
		f.StringVar(&s.fields, "fields", "", "JSON file with the account's fields")
		f.StringVar(&s.request, "request", "", "file with the request")
		f.StringVar(&s.at, "at", "", "the time to sign at, RFC 3339; default the request's, or now")
		f.StringVar(&s.nonce, "nonce", "", "the nonce, UUID or counter; default the request's, or a random one")
		f.BoolVar(&s.explained, "explain", false, "print on standard error what was computed and signed; keys as lengths")
		for _, name := range []string{"connector", "fields", "request"} {
			_ = c.MarkFlagRequired(name)
		}
		c.Args, c.SilenceUsage = cobra.NoArgs, true
		c.RunE = func(c *cobra.Command, _ []string) error {
			s.stdin, s.notes = c.InOrStdin(), c.ErrOrStderr()
			return s.run(c.OutOrStdout())
		}
	},
}

func (s *signing) run(out io.Writer) error {
	c, err := s.load()
	if err != nil {
		return err
	}
	src, err := s.slurp(s.request)
	if err != nil {
		return err
	}
	req, body, err := readRequest(src)
	if err != nil {
		return fmt.Errorf("--request %s:%w", s.request, err)
	}
	given, err := s.values()
	if err != nil {
		return err
	}
	fillFromHost(given, c, req.Host)
	o, err := s.choose(c, given)
	if err != nil {
		return err
	}
	in := &sign.Input{Vars: expr.Vars{Account: map[string]string{}, Agent: req.Header.Clone()}, Memory: new(sign.Memory)}
	if err := s.fill(in, o, given); err != nil {
		return err
	}
	signer := s.signer(c, o, req, in.Cred)
	if err := s.clock(in, signer, req, body); err != nil {
		return err
	}
	if err := s.mint(o, in); err != nil {
		return err
	}
	if sign.NeedsBody(signer, req) {
		in.Body = expr.Bytes(body)
	}
	s.challenge(in, signer, req)
	if s.explained {
		x := listen(in, o)
		defer x.print(s, in)
	}
	if err := resolver.Place(c, signer, req, in); err != nil {
		return s.explain(err, o, in)
	}
	return writeRequest(out, req)
}

// load finds the connector.
func (s *signing) load() (*providers.Connector, error) {
	defs, broken := config.Definitions(s.dir, nil)
	if defs == nil {
		return nil, broken
	}
	_ = strictyaml.Each(broken, func(err error) error {
		s.note("%v", err)
		return nil
	})
	if !defs.Has(s.connector) {
		key, err := config.Meant(defs, s.connector)
		if err != nil {
			return nil, err
		}
		s.note("there is no connector %q; this is %s", s.connector, key)
		s.connector = key
	}
	cs, err := providers.CompileAll(defs, []string{s.connector})
	if err != nil {
		return nil, err
	}
	return cs[0], nil
}

// signer is that of the request's host. The request is not sent, so that a host
// of an example, which is none of the connector's, is signed like all others.
func (s *signing) signer(c *providers.Connector, o *providers.Option, req *http.Request, cred *secret.Credential) sign.Signer {
	port := "443"
	if req.URL.Scheme == "http" {
		port = "80"
	}
	if t, err := resolver.ParseTarget(req.Host, port); err == nil {
		if t.Port == port { // the connector may allow plain HTTP or not: nothing is sent
			t.Port = "443"
		}
		if h := c.HostFor(t.Host, t.Port, req.URL.EscapedPath(), &expr.Vars{Cred: cred}); h != nil {
			return c.SignerFor(o, h)
		}
	}
	s.note("host %s with path %s is none of connector %s: the proxy would not sign this", req.Host, req.URL.EscapedPath(), c.Key)
	return c.SignerFor(o, nil)
}

// challenge gives the signer what a service would have asked for: HTTP Digest
// needs that, and nothing is sent here.
func (s *signing) challenge(in *sign.Input, signer sign.Signer, req *http.Request) {
	asked := req.Header["Www-Authenticate"]
	if asked == nil {
		return
	}
	delete(req.Header, "Www-Authenticate")
	in.Request = req
	if !sign.Again(signer, in, &http.Response{StatusCode: http.StatusUnauthorized, Header: http.Header{"Www-Authenticate": asked}}) {
		s.note("the option has no use for the challenge in WWW-Authenticate")
	}
}
