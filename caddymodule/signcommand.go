package caddymodule

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/expr"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/providers/sign"
	"github.com/attache-proxy/attache/resolver"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name: "sign", Usage: "--connector KEY --fields FILE --request FILE",
		Short: "Signs a request and prints it, without sending it",
		Long: `Signs a request as the proxy would and prints it as raw HTTP/1.1. For people
who write connectors, and to check a scheme against published values.

	attache sign --connector binance --fields fields.json --request request.txt --at 2024-01-02T03:04:05Z

FIELDS is a JSON object with the option's fields (attache connectors show KEY),
and client_id, client_secret, token where the option wants them. REQUEST is raw
HTTP/1.1 with its Host. - is standard input.`,
		CobraFunc: func(c *cobra.Command) {
			var s signing
			f := c.Flags()
			f.StringVar(&s.connector, "connector", "", "key of the connector")
			f.StringVar(&s.option, "option", "", "its option; default the first")
			f.StringVar(&s.dir, "connectors", "", "a directory of connectors, beside the catalogue")
			f.StringVar(&s.fields, "fields", "", "JSON file with the account's fields")
			f.StringVar(&s.request, "request", "", "file with the request")
			f.StringVar(&s.at, "at", "", "the time to sign at, RFC 3339; default now")
			f.StringVar(&s.nonce, "nonce", "", "the nonce; default a random one")
			for _, name := range []string{"connector", "fields", "request"} {
				_ = c.MarkFlagRequired(name)
			}
			c.Args, c.SilenceUsage = cobra.NoArgs, true
			c.RunE = func(c *cobra.Command, _ []string) error { return s.run(c.InOrStdin(), c.OutOrStdout()) }
		},
	})
}

// signing is one attache sign.
type signing struct {
	connector, option, dir, fields, request, at, nonce string
}

func (s *signing) run(stdin io.Reader, out io.Writer) error {
	c, o, err := s.load()
	if err != nil {
		return err
	}
	now := time.Now()
	if s.at != "" {
		if now, err = time.Parse(time.RFC3339Nano, s.at); err != nil {
			return fmt.Errorf("--at %q: want RFC 3339, such as 2024-01-02T03:04:05Z", s.at)
		}
	}
	cred, app, err := s.credential(o, stdin)
	if err != nil {
		return err
	}
	req, body, err := s.read(stdin)
	if err != nil {
		return err
	}
	signer, err := s.signer(c, o, req, cred)
	if err != nil {
		return err
	}
	in := &sign.Input{Vars: expr.Vars{Cred: cred, App: app, Account: map[string]string{}, Now: now, Nonce: s.nonce}, Agent: req.Header.Clone()}
	if sign.NeedsBody(signer, req) {
		in.Body = expr.Bytes(body)
	}
	if err := resolver.Place(c, signer, req, in); err != nil {
		return err
	}
	return dump(out, req)
}

func (s *signing) load() (*providers.Connector, *providers.Option, error) {
	app := &App{ConnectorDir: s.dir}
	defs, err := app.definitions()
	if err != nil {
		return nil, nil, err
	}
	if defs[s.connector] == nil {
		return nil, nil, fmt.Errorf("there is no connector %q%s; attache connectors list shows them", s.connector, similar(defs, s.connector))
	}
	cs, err := providers.CompileAll(defs, []string{s.connector})
	if err != nil {
		return nil, nil, err
	}
	o, ok := cs[0].Option(s.option)
	if !ok {
		return nil, nil, fmt.Errorf("connector %s has no option %q; it has: %s", s.connector, s.option, cs[0].OptionNames())
	}
	return cs[0], o, nil
}

// credential reads the fields. Those of the app and the token are told apart
// by their names.
func (s *signing) credential(o *providers.Option, stdin io.Reader) (*secret.Credential, secret.Values, error) {
	raw, err := slurp(s.fields, stdin)
	if err != nil {
		return nil, nil, err
	}
	var values map[string]any
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&values); err != nil {
		return nil, nil, fmt.Errorf("--fields %s: want a JSON object of field names and values", s.fields)
	}
	nameFields(o, values)
	fields, app := secret.Values{}, secret.Values{}
	var token secret.Value
	for name, v := range values {
		val := secret.New(fmt.Sprint(v))
		switch {
		case o.HasField(name):
			fields[name] = val
		case name == "token" || name == "access_token":
			token = val
			fields[name] = val
		default:
			app[name] = val
			fields[name] = val
		}
	}
	for _, f := range o.Fields {
		if fields.Get(f.Name).IsZero() && f.Default != "" {
			fields[f.Name] = secret.New(f.Default)
		}
	}
	cred, err := o.Credential(fields)
	if err != nil {
		return nil, nil, err
	}
	if !token.IsZero() {
		cred.Token = token
	}
	return cred, app, nil
}

// nameFields gives values their field's name where vendors' pages use a shorter
// or longer one (secret for api_secret), if only one field can be meant.
func nameFields(o *providers.Option, values map[string]any) {
	for name := range maps.Clone(values) {
		var meant []string
		for _, f := range o.Fields {
			if _, given := values[f.Name]; !given && (strings.HasSuffix(f.Name, "_"+name) || strings.HasSuffix(name, "_"+f.Name)) {
				meant = append(meant, f.Name)
			}
		}
		if !o.HasField(name) && len(meant) == 1 {
			values[meant[0]] = values[name]
			delete(values, name)
		}
	}
}

// similar names connectors whose key begins alike.
func similar(defs map[string]*providers.Definition, key string) string {
	var like []string
	for k := range defs {
		if strings.HasPrefix(k, key) || strings.HasPrefix(key, k) {
			like = append(like, k)
		}
	}
	if len(like) == 0 {
		return ""
	}
	slices.Sort(like)
	return " (perhaps " + strings.Join(like, ", ") + ")"
}

// read reads the request; its URL becomes that of the service.
func (s *signing) read(stdin io.Reader) (*http.Request, []byte, error) {
	raw, err := slurp(s.request, stdin)
	if err != nil {
		return nil, nil, err
	}
	head, rest, found := bytes.Cut(raw, []byte("\r\n\r\n"))
	if !found {
		head, rest, _ = bytes.Cut(raw, []byte("\n\n"))
	}
	req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(append(bytes.TrimRight(head, "\r\n"), "\r\n\r\n"...))))
	if err != nil {
		return nil, nil, fmt.Errorf("--request %s: not a request in HTTP/1.1: %w", s.request, err)
	}
	if req.Host == "" {
		return nil, nil, errors.New("the request has no Host")
	}
	body := rest
	if n := req.ContentLength; n >= 0 && n < int64(len(rest)) && req.Header.Get("Content-Length") != "" {
		body = rest[:n]
	}
	req.URL.Scheme, req.URL.Host, req.RequestURI = "https", req.Host, ""
	req.ContentLength = int64(len(body))
	req.Body = http.NoBody
	if len(body) > 0 {
		req.Body = io.NopCloser(bytes.NewReader(body))
	}
	return req, body, nil
}

func (s *signing) signer(c *providers.Connector, o *providers.Option, req *http.Request, cred *secret.Credential) (sign.Signer, error) {
	t, err := resolver.ParseTarget(req.Host, "443")
	if err != nil {
		return nil, err
	}
	h := c.HostFor(t.Host, t.Port, req.URL.EscapedPath(), &expr.Vars{Cred: cred})
	if h == nil {
		return nil, fmt.Errorf("host %s with path %s is none of connector %s", req.Host, req.URL.EscapedPath(), c.Key)
	}
	return c.SignerFor(o, h), nil
}

func slurp(file string, stdin io.Reader) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(stdin)
	}
	return os.ReadFile(file)
}

// dump writes the request as it would go out, headers by name.
func dump(w io.Writer, req *http.Request) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", req.Method, req.URL.RequestURI(), req.Host)
	var body []byte
	if req.Body != nil {
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return err
		}
	}
	if len(body) > 0 || req.ContentLength > 0 || req.Method == http.MethodPost || req.Method == http.MethodPut || req.Method == http.MethodPatch {
		req.Header.Set("Content-Length", fmt.Sprint(len(body)))
	} else {
		req.Header.Del("Content-Length")
	}
	for _, name := range slices.Sorted(maps.Keys(req.Header)) {
		for _, v := range req.Header[name] {
			fmt.Fprintf(&b, "%s: %s\r\n", name, v)
		}
	}
	b.WriteString("\r\n")
	b.Write(body)
	_, err := w.Write(b.Bytes())
	return err
}
