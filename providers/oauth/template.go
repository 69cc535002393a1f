package oauth

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/attache-proxy/attache/providers/expr"
)

// compiler compiles the templates of one Spec, and remembers which fields they
// read.
type compiler struct {
	allowHTTP bool
	fields    map[string]bool
	// guarded is set by a template that reads what goes only where secret.FixedHosts says.
	guarded bool
}

// guards reports whether a template reads what is the client's or the grant's.
// The client's id is no secret.
func guards(root, name string) bool {
	return root == "app" && name != "client_id" ||
		root == "fields" && slices.Contains([]string{"refresh_token", "code", "code_verifier", "device_code"}, name)
}

// errNoRequest says why a template for an API request does not do here.
var errNoRequest = errors.New("{request…} is not known where a token is obtained")

func (k *compiler) template(src string) (*expr.Template, error) {
	t, err := expr.Compile(src)
	if err != nil {
		return nil, err
	}
	for _, ref := range t.Refs() {
		root, name, _ := strings.Cut(ref, ".")
		k.guarded = k.guarded || guards(root, name)
		switch root {
		case "request":
			return nil, errNoRequest
		case "fields":
			k.fields[name] = true
		}
	}
	return t, nil
}

// ownFields are {fields.NAME} that every token request brings itself.
var ownFields = []string{"refresh_token", "code", "code_verifier", "device_code", "redirect_uri", "scope"}

// Fields lists the account's fields that the Spec's templates read, sorted, so
// that a name nobody asks a person for is found when the connector is loaded.
// What the Spec's own steps bring is not among them.
func (c *Config) Fields() []string {
	names := maps.Clone(c.compiler.fields)
	for _, name := range slices.Concat(ownFields, slices.Collect(maps.Keys(c.Brings()))) {
		delete(names, name)
	}
	return slices.Sorted(maps.Keys(names))
}

// Brings are the secret fields that a credential has besides the account's: kept
// from answers, or made by the grant type. A signer may use them. The value is
// false for one that may be missing.
func (c *Config) Brings() map[string]bool {
	names := map[string]bool{}
	for _, steps := range [][]*step{{c.token}, {c.refresh}, c.obtain, c.then, c.resolve} {
		for _, s := range steps {
			if s == nil {
				continue
			}
			for name := range s.response.fields {
				names[name] = true
			}
		}
	}
	if c.aws != nil {
		names[awsKeyID], names[awsSecretKey], names[awsSessionToken] = true, true, false
	}
	return names
}
