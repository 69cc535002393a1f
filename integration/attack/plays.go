package main

// plays are attacks that are more than requests in a row. Each reads the fields of
// its attack as its comment says.
var plays = map[string]func(*stage, *attack) (broken, record string){
	"framing":     playFraming,
	"unconfirmed": playUnconfirmed,
	"flood":       playFlood,
	"frames":      playFrames,
	"strangers":   playStrangers,
	"ended":       playEnded,
	"leaves":      playLeaves,
	"long-path":   playLongPath,
	"call":        playCall,
}

// Groups of the catalogue that checks in Go belong to.
const (
	groupTenants = "2 a credential goes to its own tenant's host"
	groupAudit   = "4 what happened is in the audit"
	groupLimits  = "5 nobody is harmed by somebody else"
)
