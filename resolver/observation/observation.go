// Package observation is what the audit hears of a request.
package observation

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/attache-proxy/attache/providers/printable"
	"github.com/attache-proxy/attache/providers/secret"
)

// Door is how an agent came in.
type Door string

// The doors. Requests of DoorForward and DoorTunnel name the service's own host,
// those of DoorPath and DoorHost a connector, and at DoorPresign an agent asks for
// a URL that works without us.
const (
	DoorForward Door = "forward" // absolute form: HTTP_PROXY
	DoorTunnel  Door = "tunnel"  // CONNECT: HTTPS_PROXY
	DoorPath    Door = "path"    // http://localhost:8080/connector/…
	DoorHost    Door = "host"    // http://connector.localhost:8080/…
	DoorPresign Door = "presign" // POST /.well-known/attache/presign
	// DoorTransparent is DoorTunnel for programs that know of no proxy: attache exec --confine
	// opens the tunnel.
	DoorTransparent Door = "transparent"
)

// Phases of an event.
const (
	PhaseBegin = "begin" // the request goes on, and another line will tell its end
	PhaseEnd   = "end"   // the end of a request whose beginning was told
)

// Observation is one audited request. It never holds a secret: the path is without
// query and as it was before it was signed, and headers and bodies are not in it.
type Observation struct {
	Agent, Connector, Account string
	// Run is the id of the run in which the request was made; empty for none.
	Run string
	// AgentID and AccountID are those of the vault, or of the Caddyfile.
	AgentID, AccountID       string
	Door                     Door
	Method, Host, Port, Path string
	// Operation, Effect and Resource are what the request does, where that is known: names
	// joined by " + " and the gravest effect where it is several.
	Operation, Effect, Resource string
	// Approval is the handle of the question to a person; empty where nobody was asked.
	Approval string
	// Status is what the agent got.
	Status         int
	Sent, Received int64
	Duration       time.Duration
	// Code is the refusal's code, or empty.
	Code string
	// Phase is empty for a request that was told with one event.
	Phase string
	// Reached is how far it came where that is not to its end, and Cut is why:
	// agent_left, service_broke_off, permission_ended, echo_unsearchable or aborted.
	Reached, Cut string
	// Echo says that the service echoed the credential, and that this was replaced.
	Echo bool
	// Kept says that a credential of the client's own was left on the request.
	Kept bool
	// Count is how many refusals of this kind the event stands for; zero is one.
	Count int64
	// Token is what the agent presented: clients put it into paths too, and there Bound
	// takes it out.
	Token secret.Value
}

// MaxText is how long a text of an event may be, in bytes.
const MaxText = 2 << 10

// Bound takes the agent's own token out of what it chose, and cuts that to MaxText. A text that was cut ends with the
// SHA-256 of the whole, so that equal ones can be told.
func (e *Observation) Bound() {
	if token := e.Token.Reveal(); token != "" {
		for _, text := range []*string{&e.Host, &e.Path, &e.Operation, &e.Resource} {
			if strings.Contains(*text, token) {
				*text = strings.ReplaceAll(*text, token, "[token]")
			}
		}
	}
	e.Method, e.Host, e.Path, e.Operation = bounded(e.Method), bounded(e.Host), bounded(e.Path), bounded(printable.Line(e.Operation))
	e.Resource = bounded(printable.Line(e.Resource))
}

func bounded(s string) string {
	if len(s) <= MaxText {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	end := "…sha256:" + hex.EncodeToString(sum[:])
	cut := MaxText - len(end)
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + end
}
