package cache

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/budget"
)

// RedisOptions is what a Redis cache needs.
type RedisOptions struct {
	// URL is redis:6379, redis://…, rediss://… or unix://…; with master_name=NAME
	// it is Sentinel, with cluster=true Cluster.
	URL string
	// TLS is used with rediss://; nil means the system's roots.
	TLS *tls.Config
	// Sealer is required.
	Sealer Sealer
	// Prefix of every key; "attache:" when empty.
	Prefix string
	// MaxEntries bounds the memory in front of Redis; DefaultMaxEntries when 0.
	MaxEntries int
	// Notify hears when Redis goes away and comes back, and of entries that cannot
	// be read. It may be nil, and must not block.
	Notify func(Notice)
}

// Notice is something that an operator wants to know.
type Notice struct {
	Kind NoticeKind
	Err  error // nil for Up
}

// NoticeKind tells notices apart.
type NoticeKind int

const (
	// Down: Redis is away; the cache goes on in memory.
	Down NoticeKind = iota
	// Up: Redis is back.
	Up
	// Unreadable: an entry does not open; it counts as a miss.
	Unreadable
)

func (k NoticeKind) String() string { return [...]string{"down", "up", "unreadable"}[k] }

// keepUnexpiring is how long Redis keeps credentials that do not say when they
// expire; after that they are read from the vault again.
const keepUnexpiring = 24 * time.Hour

// opTimeout bounds one cache operation, retry included.
const opTimeout = 1500 * time.Millisecond

// Redis is a cache that replicas share, with a Memory in front. A hit in memory
// costs nothing more than Memory's; a change anywhere is published and removes
// the other replicas' copies.
//
// When Redis is away, the memory goes on alone. What changes meanwhile is removed
// from Redis when it is back, and copies that may have missed a change are
// dropped, so that nobody reads an old credential for longer than the outage.
type Redis struct {
	near   *Memory
	spent  budget.Memory // what is used of budgets, as far as this process knows
	client redis.UniversalClient
	sealer Sealer
	prefix string
	notify func(Notice)
	self   string // who publishes

	// mu orders changes of near against reads from Redis that are under way: epoch
	// counts the changes, and a read that saw another epoch does not fill near.
	mu    sync.Mutex
	epoch uint64
	dirty map[string]struct{} // changed while Redis was away
	seen  seen

	down  atomic.Bool
	wake  chan struct{} // asks for a probe
	close context.CancelFunc
	done  sync.WaitGroup
}

var quiet = sync.OnceFunc(func() { redis.SetLogger(&logging.VoidLogger{}) })

// OpenRedis returns a cache for o. It does not wait for Redis: only a bad URL
// or a missing Sealer is an error.
func OpenRedis(o RedisOptions) (*Redis, error) {
	if o.Sealer == nil {
		return nil, errors.New("cache: RedisOptions.Sealer is nil")
	}
	quiet() // the library writes to stderr what Notify says better
	client, err := dialRedis(o.URL, o.TLS)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &Redis{
		near: NewMemory(o.MaxEntries), client: client, sealer: o.Sealer, prefix: o.Prefix, notify: o.Notify,
		self: rand.Text(), dirty: map[string]struct{}{}, seen: seen{}, wake: make(chan struct{}, 1), close: cancel,
	}
	if r.prefix == "" {
		r.prefix = "attache:"
	}
	if r.notify == nil {
		r.notify = func(Notice) {}
	}
	r.done.Go(func() { r.heal(ctx) })
	r.done.Go(func() { r.listen(ctx) })
	return r, nil
}

func (r *Redis) key(id string) string { return r.prefix + "cred:" + id }
func (r *Redis) channel() string      { return r.prefix + "changed" }

// Get returns the credential of account id from memory, else from Redis.
func (r *Redis) Get(ctx context.Context, id string) (*secret.Credential, bool) {
	if cred, ok := r.near.Get(ctx, id); ok {
		return cred, true
	}
	if r.down.Load() {
		return nil, false
	}
	epoch := r.now()
	cred := r.fetch(ctx, id)
	if cred == nil {
		return nil, false
	}
	return r.remember(id, cred, epoch), true
}

// Near returns what this process's memory has.
func (r *Redis) Near(id string) (*secret.Credential, bool) { return r.near.Near(id) }

// Fetch asks Redis for the credential of account id, in one round trip, unless
// memory has another one than not. What it finds replaces not in memory.
func (r *Redis) Fetch(ctx context.Context, id string, not *secret.Credential) (*secret.Credential, bool) {
	if cred, ok := other(r.near.entries, id, not); ok {
		return cred, true
	}
	if r.down.Load() {
		return nil, false
	}
	epoch := r.now()
	cred := r.fetch(ctx, id)
	if cred == nil || not != nil && not.Generation == cred.Generation {
		return nil, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if newer, ok := other(r.near.entries, id, not); ok {
		return newer, true
	}
	if r.epoch == epoch {
		r.near.entries.Set(id, cred)
	}
	return cred, true
}

// Keep puts cred into memory alone; see Memory.Keep.
func (r *Redis) Keep(id string, cred *secret.Credential) { r.near.Keep(id, cred) }

// Drop forgets the credential of account id in this process: it was changed
// elsewhere, and whoever changed it has told Redis.
func (r *Redis) Drop(id string) { r.change(id, func() { r.near.Drop(id) }) }

// now is the present epoch.
func (r *Redis) now() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.epoch
}

// remember fills near, unless something changed since epoch: then cred may be
// old, and serves this one caller only.
func (r *Redis) remember(id string, cred *secret.Credential, epoch uint64) *secret.Credential {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.epoch != epoch {
		if newer, ok := r.near.Get(context.Background(), id); ok {
			return newer
		}
		return cred
	}
	return r.near.Fill(context.Background(), id, cred)
}

// fetch reads from Redis; nil when there is nothing that can be used.
func (r *Redis) fetch(ctx context.Context, id string) *secret.Credential {
	op, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	since := r.version(id)
	p := r.client.Pipeline()
	get, left := p.Get(op, r.key(id)), p.PTTL(op, r.key(id))
	if _, err := p.Exec(op); err != nil {
		r.failed(ctx, err)
		return nil
	}
	cred, version, err := open(r.sealer, id, []byte(get.Val()))
	if err == nil && !r.newest(id, version, since) {
		err = errOlder
	}
	if err != nil {
		r.notify(Notice{Unreadable, err})
		return nil
	}
	byOurClock(cred, left.Val(), time.Now())
	if cred.Expired(time.Now(), 0) {
		return nil
	}
	return cred
}

// version is the newest one of id that is known.
func (r *Redis) version(id string) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen.at(id)
}

// newest reports whether an entry is no older than what was known before it was
// read, and notes its version.
func (r *Redis) newest(id string, version, since int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if version < since {
		return false
	}
	r.seen.raise(id, version)
	return true
}

// maxSkew is how far apart the clocks of replicas may be before an expiry is
// taken from Redis' time to live instead.
const maxSkew = time.Second

// maxShift is by how much an expiry may be moved for that: whoever can write to
// Redis can set another time to live.
const maxShift = 15 * time.Minute

// byOurClock makes the times of a credential those of our own clock. They were
// written by another replica's, which may be minutes off; how long Redis will
// keep the entry depends on neither.
func byOurClock(cred *secret.Credential, left time.Duration, now time.Time) {
	if cred.Expiry.IsZero() || left <= 0 {
		return
	}
	expiry := now.Add(left)
	shift := expiry.Sub(cred.Expiry)
	if shift.Abs() <= maxSkew {
		shift = 0
	}
	shift = min(shift, maxShift)
	// By way of now, so that a clock that is set later changes nothing.
	cred.Expiry = now.Add(cred.Expiry.Add(shift).Sub(now))
	if !cred.RefreshAt.IsZero() {
		cred.RefreshAt = now.Add(cred.RefreshAt.Add(shift).Sub(now))
	}
}

// Fill puts cred only where there is none, and returns the one that is there
// afterwards.
func (r *Redis) Fill(ctx context.Context, id string, cred *secret.Credential) *secret.Credential {
	if there, ok := r.near.Get(ctx, id); ok {
		return there
	}
	epoch, life := r.now(), remaining(cred)
	if life <= 0 {
		return cred
	}
	if !r.down.Load() {
		if there := r.fillShared(ctx, id, cred, life); there != nil {
			cred = there
		}
	}
	return r.remember(id, cred, epoch)
}

// fillShared is Fill in Redis; it returns the credential that was there before,
// or nil.
func (r *Redis) fillShared(ctx context.Context, id string, cred *secret.Credential, life time.Duration) *secret.Credential {
	r.mu.Lock()
	version := r.seen.next(id)
	r.mu.Unlock()
	sealed, err := seal(r.sealer, id, cred, version)
	if err != nil {
		return nil
	}
	op, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	filled, err := r.client.SetNX(op, r.key(id), sealed, life).Result()
	switch {
	case err != nil:
		r.failed(ctx, err)
		return nil
	case filled:
		r.newest(id, version, 0)
		return nil
	}
	return r.fetch(ctx, id)
}

// Watch returns a channel that is closed at the next Put or Delete of id by any
// replica, or when changes may have been missed. stop must be called.
func (r *Redis) Watch(id string) (changed <-chan struct{}, stop func()) { return r.near.Watch(id) }

// Up reports whether Redis answers.
func (r *Redis) Up() bool { return !r.down.Load() }

// Close frees everything.
func (r *Redis) Close() error {
	r.close()
	err := r.client.Close()
	r.done.Wait()
	return errors.Join(err, r.near.Close())
}
