// Package operations says what a request does: an operation has a name as the service's own
// description has it, an effect, and perhaps the resource that it is done to. Which request is
// which operation is data, a table for each connector.
package operations

import "fmt"

// Effect is what an operation does to what the service keeps. The zero value is Unknown.
type Effect uint8

// The effects. What is Unknown is permitted by nothing but a rule for everything.
const (
	Unknown Effect = iota
	Read
	Write
	Delete
	Admin // changes who may do what: members, keys, settings of an organisation
	Money // moves money, or promises it
)

var effects = [...]string{"unknown", "read", "write", "delete", "admin", "money"}

// String is the effect's word; of none that there is, unknown.
func (e Effect) String() string {
	if int(e) >= len(effects) {
		return effects[Unknown]
	}
	return effects[e]
}

// ParseEffect reads an effect's word.
func ParseEffect(word string) (Effect, error) {
	for e, w := range effects {
		if w == word {
			return Effect(e), nil
		}
	}
	return Unknown, fmt.Errorf("%q is no effect: want read, write, delete, admin, money or unknown", word)
}

// Operation is what one request does.
type Operation struct {
	// Name is stable: issues/create, chat.postMessage, s3:PutObject.
	Name   string
	Effect Effect
	// Resource is what it is done to, such as acme/private; empty where the
	// operation names none.
	Resource string
}

// Table finds the operation of a request. It is safe for concurrent use.
type Table interface {
	// Find looks a request up by its method, in capitals, and its path, escaped as
	// on the wire and without query. One that may be one operation or another, as services
	// read paths, is found without a name.
	Find(method, path string) (Operation, bool)
}

// Namer is a Table that can list what it has.
type Namer interface {
	Table
	// Names returns the names of all operations, sorted.
	Names() []string
}
