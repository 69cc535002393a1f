// Package access remembers who may use the REST API: admin tokens, people who signed
// in, and which requests with an idempotency key were answered,
// and what the operator set.
package access

import (
	"github.com/attache-proxy/attache/resolver/vault/audit"
	"github.com/attache-proxy/attache/resolver/vault/database"
)

// Gate knows every token and session, for whoever asks whether one is good.
type Gate struct {
	db  *database.DB
	log *audit.Log
}

// NewGate is the gate whose tokens stand in db.
func NewGate(db *database.DB, log *audit.Log) Gate { return Gate{db, log} }

// Tokens is the tokens and sessions that one actor may see.
type Tokens struct {
	db   *database.DB
	view *audit.View
}

// As is the tokens as view sees them.
func (s Gate) As(view *audit.View) Tokens { return Tokens{s.db, view} }
