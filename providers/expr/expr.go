// Package expr compiles and evaluates the templates of connectors: text in which
// {…} stands for a value of the account, of the request or of the moment.
package expr

import (
	"net/http"
	"time"

	"github.com/attache-proxy/attache/providers/secret"
)

// Vars is what a template may read. Fields that a template does not name may
// be zero.
type Vars struct {
	// Cred gives {token} and {fields.NAME}.
	Cred *secret.Credential
	// App gives {app.client_id} and {app.client_secret}.
	App secret.Values
	// Account gives {account.NAME}: name, id and captured metadata.
	Account map[string]string
	// Request gives {request.…}. It is the request as it will be sent.
	Request *http.Request
	// Agent is the headers as the agent sent them, before its own credentials
	// were taken away; nil where Request still has them. What an SDK signed with
	// dummy keys tells which headers and which scope it means.
	Agent http.Header
	// Body is the request's body; nil where no template needs it.
	Body Body
	// Now and Nonce come from outside, so that published vectors can fix them.
	// Zero means the present time, and a random nonce where one is asked for.
	Now   time.Time
	Nonce string

	// Trace makes templates note in Uses what they are made of.
	Trace bool
	Uses  []Use
	// Explain, where it is not nil, hears of each step of a computation.
	Explain func(Step)

	run *run // made when CEL is needed
}

// Use is one value that a template put into its text.
type Use struct {
	Text string
	// Lead is the literal text right before it.
	Lead string
	*Origin
}

// Origin is what an expression depends on.
type Origin struct {
	// Refs are what it refers to, as Template.Refs, through let values too.
	Refs []string
	// Request says that it follows from this request's method, path, query,
	// headers or body: as a signature does that is of no use to another request.
	Request bool
}

// Value is what a plain reference, such as fields.api_key, reads; empty where it
// is none, or what it names is missing.
func (v *Vars) Value(ref string) string {
	r, _ := parseRef(ref)
	return r.value(v)
}

// Body is a request body that was buffered because a template needs it.
type Body interface {
	Bytes() ([]byte, error)
	Size() int64
}

// Bytes is a Body in memory.
type Bytes []byte

func (b Bytes) Bytes() ([]byte, error) { return b, nil }
func (b Bytes) Size() int64            { return int64(len(b)) }
