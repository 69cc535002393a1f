package seal

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/fernet/fernet-go"

	"github.com/attache-proxy/attache/providers/secret"
)

// Keyring is a list of Fernet keys: the first seals, all open. It prints as the
// ids of its keys.
type Keyring struct {
	keys []*fernet.Key
	ids  []string
}

// NewKey makes a key: 32 random bytes as URL-safe base64, the form of the Fernet
// specification.
func NewKey() secret.Value {
	var k fernet.Key
	if err := k.Generate(); err != nil {
		panic("seal: no random numbers: " + err.Error())
	}
	return secret.New(k.Encode())
}

// ParseKeys reads keys from text: separated by commas, spaces or new lines; what
// follows a # on its line is a comment. Each is 32 bytes in base64 or hexadecimal.
//
// It returns ErrNoKey where there is none. Errors do not show the keys.
func ParseKeys(text secret.Value) (*Keyring, error) {
	r := &Keyring{}
	lines := bufio.NewScanner(strings.NewReader(text.Reveal()))
	for line := 1; lines.Scan(); line++ {
		words, _, _ := strings.Cut(lines.Text(), "#")
		for _, word := range strings.FieldsFunc(words, func(c rune) bool { return c == ',' || c == ' ' || c == '\t' || c == '\r' }) {
			k, err := fernet.DecodeKey(word)
			if err != nil {
				return nil, fmt.Errorf("key %d (line %d) is not 32 bytes in base64 or hexadecimal; `attache vault keygen` makes one", len(r.keys)+1, line)
			}
			r.add(k)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, errors.New("the list of keys has a line that is too long")
	}
	if len(r.keys) == 0 {
		return nil, ErrNoKey
	}
	return r, nil
}

func (r *Keyring) add(k *fernet.Key) {
	id := keyID(k)
	for _, known := range r.ids {
		if known == id {
			return
		}
	}
	r.keys = append(r.keys, k)
	r.ids = append(r.ids, id)
}

// keyID names a key without telling it: the key is 256 random bits, so nobody
// finds it from 32 bits of its hash.
func keyID(k *fernet.Key) string {
	sum := sha256.Sum256(append([]byte("attache key id\x00"), k[:]...))
	return hex.EncodeToString(sum[:4])
}

// IDs names the keys; the first is the one that seals.
func (r *Keyring) IDs() []string { return append([]string(nil), r.ids...) }

func (r *Keyring) String() string   { return "keys " + strings.Join(r.ids, ", ") }
func (r *Keyring) GoString() string { return r.String() }

// ReadKeyFile reads the keys in the file at path.
func ReadKeyFile(path string) (*Keyring, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the vault's keys: %w", err)
	}
	r, err := ParseKeys(secret.New(string(b)))
	if err != nil {
		return nil, fmt.Errorf("reading the vault's keys from %s: %w", path, err)
	}
	return r, nil
}

// EnsureKeyFile reads the keys at path, or makes a file with a new key, mode
// 0600, where there is none. made tells the caller to ask for a backup: who loses
// the key loses the accounts.
func EnsureKeyFile(path string) (r *Keyring, made bool, err error) {
	r, err = ReadKeyFile(path)
	if !errors.Is(err, os.ErrNotExist) {
		return r, false, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, false, fmt.Errorf("making the directory of the vault's key: %w", err)
	}
	if err := writeKeyFile(path); err != nil {
		return nil, false, err
	}
	r, err = ReadKeyFile(path)
	return r, err == nil, err
}

// writeKeyFile makes the file whole or not at all, and never over another one: a
// second process that starts now must use the first one's key.
func writeKeyFile(path string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".key-*") // mode 0600
	if err != nil {
		return fmt.Errorf("making the vault's key: %w", err)
	}
	defer os.Remove(f.Name())
	text := "# Seals the vault's secrets. Keep a copy elsewhere: without it the accounts are lost.\n" + NewKey().Reveal() + "\n"
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Link(f.Name(), path)
	}
	if err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("making the vault's key: %w", err)
	}
	return nil
}
