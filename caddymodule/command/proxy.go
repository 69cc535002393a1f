package command

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/attache-proxy/attache/caddymodule/client"
	"github.com/attache-proxy/attache/caddymodule/config"
	"github.com/attache-proxy/attache/providers/secret"
)

const (
	// defaultProxy is where Caddyfile.example listens.
	defaultProxy = "http://127.0.0.1:8080"
	// askTimeout is how long a proxy may take to say who it is.
	askTimeout = 15 * time.Second
)

// reached is a proxy as the options, the environment and the configuration
// name it; nobody has asked it anything yet.
type reached struct {
	client *client.Client
	// agent is the name that the user gave; empty for whoever the proxy says.
	agent string
	// ca is the root certificate of --ca, in PEM.
	ca []byte
	// secrets are the variables from which the configuration takes credentials.
	secrets []string
	config  *configFacts
}

// reach finds the proxy and the agent's token: an option wins over the
// environment, and that over the configuration.
func reach(cmd *cobra.Command, environ []string) (*reached, error) {
	flag := func(name string) string { v, _ := cmd.Flags().GetString(name); return v }
	env := func(name string) string { return lookupEnv(environ, name) }
	to := &reached{}
	var err error
	if file := flag("config"); file != "" {
		if to.config, err = readConfig(file, flag("adapter")); err != nil {
			return nil, err
		}
		to.secrets = to.config.secrets
	}
	given := cmp.Or(flag("proxy"), env("ATTACHE_PROXY"))
	rootFile := flag("ca")
	if rootFile == "" && given == env("ATTACHE_PROXY") { // of exec, in a command inside a command
		rootFile = env(client.CAVariable)
	}
	if file := rootFile; file != "" {
		if to.ca, err = os.ReadFile(file); err != nil {
			return nil, fmt.Errorf("--ca: %w", err)
		}
		if !bytes.Contains(to.ca, []byte("BEGIN CERTIFICATE")) {
			return nil, fmt.Errorf("--ca: %s holds no PEM certificate", file)
		}
	}
	if given == "" && to.config != nil {
		if given, err = to.config.proxyURL(flag("agent")); err != nil {
			return nil, err
		}
	}
	u, user, token, err := parseProxy(cmp.Or(given, defaultProxy))
	if err != nil {
		return nil, err
	}
	to.agent = cmp.Or(flag("agent"), user, env("ATTACHE_AGENT"))
	if t, err := to.token(flag("token-file"), env("ATTACHE_TOKEN")); err != nil {
		return nil, err
	} else if !t.IsZero() {
		token = t
	}
	to.client = client.New(u, token, to.ca)
	return to, nil
}

// parseProxy takes the user information out of a proxy's URL.
func parseProxy(given string) (u *url.URL, user string, token secret.Value, err error) {
	if !strings.Contains(given, "://") {
		given = "http://" + given
	}
	u, err = url.Parse(given)
	if err != nil { // the error would show the token
		return nil, "", token, errors.New("the proxy's URL is none; want http://host:port")
	}
	if u.User != nil {
		user = u.User.Username()
		user, _, _ = strings.Cut(user, "+")
		if p, ok := u.User.Password(); ok && p != "" {
			token = secret.New(p)
		}
		u.User = nil
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, "", token, fmt.Errorf("the proxy's URL is %s; want http://host:port or https://host:port", u)
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}, user, token, nil
}

// token is the agent's, from the first place that has one.
func (to *reached) token(file, fromEnv string) (secret.Value, error) {
	switch {
	case file != "":
		return tokenIn(file)
	case fromEnv != "":
		return secret.New(fromEnv), nil
	case to.config != nil:
		return to.config.token(to.agent)
	}
	return secret.Value{}, nil
}

// tokenIn reads the file of --token-file.
func tokenIn(file string) (secret.Value, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return secret.Value{}, fmt.Errorf("--token-file: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if token == "" || strings.ContainsAny(token, " \t\r\n") {
		return secret.Value{}, fmt.Errorf("--token-file: %s must hold one token and nothing else", file)
	}
	return secret.New(token), nil
}

// launchKey is what shows that a run is confined: of the option, of the configuration, or
// the default file of this machine, for a proxy of this machine: then found is true. It is
// zero where there is none.
func (to *reached) launchKey(cmd *cobra.Command) (key secret.Value, found bool, err error) {
	if file, _ := cmd.Flags().GetString("launch-key"); file != "" {
		key, err = config.ReadLaunchKey(file)
		return key, false, err
	}
	if to.config != nil {
		if to.config.app.LaunchKey != nil {
			key, err = to.config.app.LaunchKey.Resolve()
		}
		return key, false, err
	}
	if ip, err := netip.ParseAddr(to.client.URL.Hostname()); to.client.URL.Scheme != "http" || to.client.URL.Hostname() != "localhost" && (err != nil || !ip.IsLoopback()) {
		return key, false, nil
	}
	key, err = config.ReadLaunchKey(config.LaunchKeyFile())
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return secret.Value{}, false, nil
	}
	return key, true, err
}

// about asks the proxy, and checks that it takes us for whom we said.
func (to *reached) about(ctx context.Context) (*client.About, error) {
	about, err := to.client.About(ctx)
	if err != nil {
		return nil, err
	}
	if to.agent != "" && to.agent != about.Agent {
		return nil, &client.Error{Code: "unknown_agent",
			Msg:  fmt.Sprintf("the proxy at %s takes us for agent %s, not %s", to.client.URL, about.Agent, to.agent),
			Next: "Give that agent's token: --token-file FILE, ATTACHE_TOKEN, or --config Caddyfile."}
	}
	return about, nil
}

// rootPEM is the root certificate to trust.
func (to *reached) rootPEM(about *client.About) []byte {
	if len(to.ca) > 0 {
		return to.ca
	}
	return []byte(about.CAPEM)
}

// lookupEnv returns the last value of a variable in NAME=value lines.
func lookupEnv(environ []string, name string) (value string) {
	for _, line := range environ {
		if n, v, ok := strings.Cut(line, "="); ok && n == name {
			value = v
		}
	}
	return value
}
