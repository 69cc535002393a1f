// Package resolver is what happens to a request between the door by which it came
// and the service.
//
// # A request
//
//	door.go          which door, and which account the request says it means
//	ask.go           what its head tells, and where it goes (package target)
//	match.go         the connector, on the address that will be dialled, and the one account
//	decide.go        Decide: grants, rules (package rule), reading or writing
//	send.go          Send: credential, signature, round trip, and once more after a 401
//	held.go          a person is asked, where the rules want it (package approval)
//	body.go          a body that is signed is kept, on disk where it is large (package spool)
//	timeouts.go      how long, and how often
//	transports.go    one guarded transport for each way of reaching services
//	echoes.go        what is replaced in the answer (packages echo and scrub)
//	observe.go       what the audit hears (package outcome: how far it came)
//
// # A refresh
//
// One token request for each account, whatever happens (docs/decisions/0006).
//
//	credential.go    For: memory, or a flight; Force: another one after a 401
//	flight.go        in this process: callers join the one attempt that runs
//	store.go         between replicas: the lease on the account's row
//	revoke.go        taking tokens back
//
// A flight's lock guards what is known of it: the attempt that runs, the failures,
// until when nobody asks. It is never held while something is asked. Between
// replicas the lock is the lease in the vault, taken by compare-and-swap; its fence
// is looked at again when the answer is stored. Accounts of the Caddyfile have no
// row; theirs is the cache's lock, where asking twice is harmless.
//
// # Rooms
//
// refusal is every no, with a code and a next step; failure is the no for what went wrong on the
// way to a service; target is where a request goes; override finds what makes a method another
// one; spool keeps long bodies; limit says what an agent may have in use; outcome counts while
// bodies stream; echo says what to search answers for, and scrub replaces it; reindex is when the
// index of connectors is made anew; endpoint is when a token endpoint is asked: circuit, back-off,
// and how long ahead of its end a token is renewed. connect makes accounts come to be, vault
// remembers, cache may forget, egress dials, upstream speaks HTTP/1.1, problem is an error for
// people and programs. This package links no database and no Redis.
package resolver
