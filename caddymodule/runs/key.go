package runs

import (
	"fmt"

	"github.com/attache-proxy/attache/caddymodule/config"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver"
)

// Key is the launch key of a configuration, made where it is the default file and not
// there yet; zero where the configuration has none.
func Key(option *config.LaunchKey) (key secret.Value, made string, err error) {
	if option == nil {
		return secret.Value{}, "", nil
	}
	if option.Value == "" {
		path := config.LaunchKeyFile()
		fresh, err := config.EnsureLaunchKey(path)
		if err != nil {
			return secret.Value{}, "", fmt.Errorf("launch_key: %w", err)
		}
		if fresh {
			made = path
		}
	}
	if key, err = option.Resolve(); err != nil {
		return secret.Value{}, "", err
	}
	if len(key.Reveal()) < resolver.MinTokenLen {
		return secret.Value{}, "", fmt.Errorf("launch_key: it is shorter than %d characters; make one with: openssl rand -hex 32", resolver.MinTokenLen)
	}
	return key, made, nil
}
