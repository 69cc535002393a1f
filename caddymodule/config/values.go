package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/attache-proxy/attache/providers/secret"
)

// AppValues are the values that belong to the OAuth client, not to the account.
var AppValues = map[string]bool{"client_id": true, "client_secret": true, "private_key": true, "key_id": true}

// Resolve replaces {env.*} and {file.*}. A placeholder that is missing
// or empty is an error that names it; what it stands for is never replaced again.
func Resolve(values map[string]string) (secret.Values, error) {
	repl := caddy.NewReplacer()
	out := make(secret.Values, len(values))
	var errs []error
	for name, v := range values {
		s, err := repl.ReplaceOrErr(v, true, true)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w; set the variable or the file that it names", name, err))
			continue
		}
		out[name] = secret.New(s)
	}
	return out, errors.Join(errs...)
}

// Known lists the words of a table, for messages.
func Known[V any](table map[string]V) string {
	return strings.Join(slices.Sorted(maps.Keys(table)), ", ")
}
