package providers

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// EnvBase stands in the value of a variable for the connector's base-URL door.
const EnvBase = "{base}"

// A connector's variables are set on the agent's machine, where many names make
// a program run code, load a file or call elsewhere; nobody knows all of them.
// So names are allowed and not refused: those of the built-in connectors, and
// those that look like a key or a base URL. So are values: our own base URL, or
// what is plainly no key.
var (
	envKey         = regexp.MustCompile(`^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*_(API_?KEY|KEY_ID|ACCESS_KEY|SECRET_KEY|SECRET|TOKEN|PAT)$`)
	envURL         = regexp.MustCompile(`^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*_(BASE_URL|API_URL|API_BASE|API_BASE_URL|API_ENDPOINT|ENDPOINT|ENDPOINT_URL)$`)
	envBaseValue   = regexp.MustCompile(`^\{base\}(/[A-Za-z0-9_.-]+)*/?$`)
	envPlaceholder = regexp.MustCompile(`^[A-Za-z0-9_.:-]+$`)
	envZeros       = regexp.MustCompile(`^([a-z]{1,8}[_.-])?[0-]{8,}$`)
)

// envTools are beginnings of names that belong to tools and not to services:
// what looks like a key or a URL there may be a file or another server.
var envTools = []string{"ATTACHE_", "GIT_", "SSH_", "LD_", "DYLD_", "NODE_", "NPM_", "YARN_", "PIP_", "UV_", "PYTHON", "PERL", "RUBY", "GEM_", "BUNDLE_", "PHP_", "COMPOSER_",
	"JAVA_", "JDK_", "MAVEN_", "GRADLE_", "DOTNET_", "NUGET_", "GO_", "CARGO_", "RUST", "MAKE", "CMAKE_", "CC_", "LUA", "R_", "KUBE", "HELM_", "DOCKER_", "CONTAINER_", "AWS_",
	"SSL_", "OPENSSL_", "GNUTLS_", "CURL_", "WGET_", "GPG_", "SUDO_", "BASH_", "ZSH_", "XDG_", "GTK_", "QT_", "DBUS_", "SYSTEMD_", "LESS", "HTTP_", "HTTPS_", "ALL_", "NO_", "ACTIONS_", "RUNNER_"}

// CheckEnv says why a connector may not set a variable to a value, which may
// begin with EnvBase.
func CheckEnv(name, value string) error {
	shape, err := envValue(name, value)
	if err != nil {
		return err
	}
	if shape.MatchString(name) && !slices.ContainsFunc(envTools, func(p string) bool { return strings.HasPrefix(name, p) }) {
		return nil
	}
	built, err := Catalog()
	if err != nil {
		return err
	}
	for _, d := range built {
		if known, ok := d.Env[name]; ok && (known == value || strings.HasPrefix(known, EnvBase) == strings.HasPrefix(value, EnvBase)) {
			return nil
		}
	}
	return fmt.Errorf("env: %.60q is no variable that a connector may set; want the name of a key (ACME_API_KEY, ACME_TOKEN), of a base URL (ACME_BASE_URL, ACME_ENDPOINT), or one that a built-in connector has", name)
}

// envValue checks the value and returns the shape that its name must have.
func envValue(name, value string) (*regexp.Regexp, error) {
	switch {
	case envBaseValue.MatchString(value) && !strings.Contains(value, ".."):
		return envURL, nil
	case len(value) <= 128 && envPlaceholder.MatchString(value) && (strings.Contains(strings.ToLower(value), "attache") || envZeros.MatchString(value)):
		return envKey, nil
	}
	built, err := Catalog()
	if err != nil {
		return nil, err
	}
	for _, d := range built { // some clients look at a key's form
		if known, ok := d.Env[name]; ok && known == value {
			return envKey, nil
		}
	}
	return nil, fmt.Errorf("env: the value of %.60q is none that a connector may set; want {base}, perhaps with a path, or a placeholder that holds the word attache", name)
}

// IsPlaceholder reports a key's id that exec and the documentation give to clients,
// so that they send something.
func (c *Connector) IsPlaceholder(id string) bool {
	if id == "" {
		return false
	}
	if strings.Contains(strings.ToLower(id), "attache") {
		return true
	}
	for _, v := range c.Env {
		if v == id {
			return true
		}
	}
	return false
}
