package cache

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/attache-proxy/attache/providers/secret"
)

// Sealer encrypts what leaves the process. Open must fail for text that was
// sealed for another id.
type Sealer interface {
	Seal(id string, plain []byte) ([]byte, error)
	Open(id string, sealed []byte) ([]byte, error)
}

// wireCredential is a credential inside a sealed text. Secrets are bytes, since
// they need not be UTF-8.
type wireCredential struct {
	Token      []byte            `json:"t,omitempty"`
	Fields     map[string][]byte `json:"f,omitempty"`
	Expiry     time.Time         `json:"e,omitzero"`
	RefreshAt  time.Time         `json:"r,omitzero"`
	Scopes     []string          `json:"s,omitempty"`
	Generation uint64            `json:"g,omitempty"`
	Version    int64             `json:"v,omitempty"`
}

// seal writes a credential of account id.
func seal(s Sealer, id string, cred *secret.Credential, version int64) ([]byte, error) {
	w := wireCredential{
		Token: []byte(cred.Token.Reveal()), Expiry: cred.Expiry, RefreshAt: cred.RefreshAt,
		Scopes: cred.Scopes, Generation: cred.Generation, Version: version,
	}
	if len(cred.Fields) > 0 {
		w.Fields = make(map[string][]byte, len(cred.Fields))
		for name, v := range cred.Fields {
			w.Fields[name] = []byte(v.Reveal())
		}
	}
	plain, err := json.Marshal(w)
	if err != nil {
		return nil, errors.New("encoding a credential failed")
	}
	return s.Seal(id, plain)
}

// open reads what seal wrote, with its version. Its errors hold nothing of it.
func open(s Sealer, id string, sealed []byte) (*secret.Credential, int64, error) {
	plain, err := s.Open(id, sealed)
	if err != nil {
		return nil, 0, errors.New("a credential in the shared cache does not open with our keys")
	}
	var w wireCredential
	if err := json.Unmarshal(plain, &w); err != nil {
		return nil, 0, errors.New("a credential in the shared cache has a form that we do not know")
	}
	cred := &secret.Credential{
		Token: secret.New(string(w.Token)), Expiry: w.Expiry, RefreshAt: w.RefreshAt,
		Scopes: w.Scopes, Generation: w.Generation,
	}
	if len(w.Fields) > 0 {
		cred.Fields = make(secret.Values, len(w.Fields))
		for name, v := range w.Fields {
			cred.Fields[name] = secret.New(string(v))
		}
	}
	return cred, w.Version, nil
}
