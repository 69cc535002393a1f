package resolver

import (
	"github.com/attache-proxy/attache/resolver/observation"
	"github.com/attache-proxy/attache/resolver/outcome"
)

// What the audit hears, named here for who uses the resolver.
type (
	Outcome     = outcome.Outcome
	Observation = observation.Observation
	Door        = observation.Door
)

const (
	PhaseBegin, PhaseEnd                     = observation.PhaseBegin, observation.PhaseEnd
	MaxText                                  = observation.MaxText
	DoorForward, DoorTunnel, DoorTransparent = observation.DoorForward, observation.DoorTunnel, observation.DoorTransparent
	DoorPath, DoorHost, DoorPresign          = observation.DoorPath, observation.DoorHost, observation.DoorPresign
)

// Observer hears of every request. It must not block, and cannot fail it.
type Observer interface {
	Observe(e *Observation)
}

type nobody struct{}

func (nobody) Observe(*Observation) {}

// Observe passes an event on.
func (r *Resolver) Observe(e *Observation) { r.observer.Observe(e) }
