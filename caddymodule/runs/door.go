package runs

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/attache-proxy/attache/caddymodule/client"
	"github.com/attache-proxy/attache/providers/printable"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver"
	"github.com/attache-proxy/attache/resolver/run"
)

// Path is where runs are opened; below it each has a place of its own.
const Path = client.RunsPath

// Door opens and ends runs.
type Door struct {
	Desk *run.Desk
	// LaunchKey is the SHA-256 of what shows that a run is confined; nil where nothing does.
	LaunchKey []byte
	// Wake is called when a run has ended.
	Wake func()
	// Forgets says that runs are forgotten when this process ends: then we want to hear of
	// them oftener, so that they are soon opened anew.
	Forgets bool
}

// oftener is how often a run says that it goes on where it may be forgotten.
const oftener = 2 * time.Second

func (d *Door) beat() int {
	if d.Forgets {
		return int(oftener.Seconds())
	}
	return int(run.Beat.Seconds())
}

// Digest is what is kept of a launch key.
func Digest(key secret.Value) []byte {
	if key.IsZero() {
		return nil
	}
	sum := sha256.Sum256([]byte(key.Reveal()))
	return sum[:]
}

// Serves reports whether a path is one of the door's.
func Serves(path string) bool { return path == Path || strings.HasPrefix(path, Path+"/") }

// maxBody bounds what opens a run, in bytes.
const maxBody = 16 << 10

// Serve answers a request of an agent, which presented this token.
func (d *Door) Serve(r *http.Request, agent *resolver.Agent, token secret.Value) (answer any, err error) {
	id := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, Path), "/")
	switch {
	case id == "" && r.Method == http.MethodPost:
		return d.open(r, agent, token)
	case id != "" && agent.Run.Name() == id && r.Method == http.MethodPost:
		d.Desk.Beat(id)
		return client.RunGoesOn{ID: id}, nil
	case id != "" && agent.Run.Name() == id && r.Method == http.MethodDelete:
		if err := d.Desk.End(context.WithoutCancel(r.Context()), id, "exited"); err != nil {
			return nil, away(err)
		}
		d.Wake()
		return client.RunGoesOn{ID: id}, nil
	}
	return nil, &resolver.Refusal{Code: "bad_request", Status: http.StatusNotFound, Detail: r.Method + " " + Path + "/… is for a run's own token, and its own id",
		Next: "POST " + Path + " opens a run, as attache exec does."}
}

func (d *Door) open(r *http.Request, agent *resolver.Agent, token secret.Value) (answer any, err error) {
	if agent.Run != nil { // else whoever is in a run could outlive it
		return nil, &resolver.Refusal{Code: "in_a_run", Detail: "this is run " + agent.Run.ID + ", and a run opens no other", Next: "Go on in this one."}
	}
	var ask client.NewRun
	text, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil || len(text) > maxBody || json.Unmarshal(text, &ask) != nil {
		return nil, &resolver.Refusal{Code: "bad_request", Detail: "the body that opens a run is no JSON object of at most 16 KiB, with program, user and host", Next: "Use attache exec."}
	}
	n := run.Run{Organisation: agent.Organisation, AgentID: agent.ID, Agent: agent.Name, Program: text128(ask.Program), User: text128(ask.User), Host: text128(ask.Host)}
	if n.Organisation == "" {
		n.Organisation = resolver.DefaultOrganisation
	}
	if !token.IsZero() {
		n.Opener = run.Digest(token.Reveal())
	}
	if n.Confined, err = d.confined(&ask); err != nil {
		return nil, err
	}
	opened, minted, err := d.Desk.Open(r.Context(), n)
	switch {
	case errors.Is(err, run.ErrTooMany):
		return nil, &resolver.Refusal{Code: "too_many_requests", RetryAfter: int(run.Beat.Seconds()), Detail: fmt.Sprintf("agent %s has %d runs at a time, or has opened %d in an hour: that is all it may", agent.Name, run.MaxRuns, run.MaxHourly), Next: "End some of them (attache runs end ID), or wait."}
	case err != nil:
		return nil, away(err)
	}
	return client.Run{ID: opened.ID, Token: minted.Reveal(), Confined: opened.Confined, BeatSeconds: d.beat()}, nil
}

// Saw counts a request of a run.
func (d *Door) Saw(e *resolver.Observation) {
	if e.Run != "" {
		d.Desk.Saw(e.Run, max(e.Count, 1), e.Code != "")
	}
}

// confined reports whether somebody who has the launch key says that the run is.
func (d *Door) confined(ask *client.NewRun) (bool, error) {
	switch {
	case ask.LaunchKey == "":
		return false, nil
	case d.LaunchKey == nil:
		return false, nil // nothing to compare with: as without one
	case subtle.ConstantTimeCompare(Digest(secret.New(ask.LaunchKey)), d.LaunchKey) != 1:
		return false, &resolver.Refusal{Code: "launch_key_wrong", Detail: "the launch key is not this proxy's", Next: "Give attache exec the file of the option launch_key: --launch-key FILE."}
	}
	return true, nil
}

// text128 is a text of exec's for people to read: one line, short.
func text128(s string) string {
	s = printable.Visible(printable.Line(s))
	if len(s) > 128 {
		s = strings.ToValidUTF8(s[:128], "") + "…"
	}
	return s
}

func away(err error) error {
	return &resolver.Refusal{Code: "vault_unavailable", Err: err, Detail: "runs cannot be written down at the moment", Next: "Try again in a few seconds."}
}
