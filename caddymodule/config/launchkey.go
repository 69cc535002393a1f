package config

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/attache-proxy/attache/providers/secret"
)

// LaunchKey is what whoever starts confined runs has, and no agent: it shows the proxy
// that a run is one.
type LaunchKey struct {
	// Value is a placeholder; empty means the file LaunchKeyFile, made at the first start.
	Value string `json:"value,omitempty"`
}

// LaunchKeyFile is the default place of the launch key.
func LaunchKeyFile() string { return filepath.Join(caddy.AppDataDir(), "attache", "launch.key") }

// Resolve is the key.
func (k *LaunchKey) Resolve() (secret.Value, error) {
	if k.Value == "" {
		return ReadLaunchKey(LaunchKeyFile())
	}
	v, err := Resolve(map[string]string{"launch_key": k.Value})
	return secret.New(strings.TrimSpace(v["launch_key"].Reveal())), err
}

// ReadLaunchKey reads the file of a launch key. One that others may read shows nothing.
func ReadLaunchKey(path string) (secret.Value, error) {
	info, err := os.Stat(path)
	if err != nil {
		return secret.Value{}, fmt.Errorf("the launch key: %w", err)
	}
	if info.Mode().Perm()&0o007 != 0 {
		return secret.Value{}, fmt.Errorf("the launch key: everybody may read or write %s, and so say that a run is confined; chmod 600 it", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return secret.Value{}, fmt.Errorf("the launch key: %w", err)
	}
	key := secret.New(strings.TrimSpace(string(text)))
	if key.IsZero() {
		return key, fmt.Errorf("the launch key: %s is empty", path)
	}
	return key, nil
}

// EnsureLaunchKey makes the file where it is not there.
func EnsureLaunchKey(path string) (made bool, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return false, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	_, err = f.WriteString(hex.EncodeToString(b) + "\n")
	return true, errors.Join(err, f.Close())
}
