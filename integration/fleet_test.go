package integration_test

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/attache-proxy/attache/providers/oauth/oauthtest"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault"
	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
)

// fleet is several replicas, real processes, on one real PostgreSQL and one real
// Redis, with a provider whose refresh tokens work once and whose API takes its
// access tokens.
type fleet struct {
	t        testing.TB
	dir      string
	postgres *vaulttest.Server
	database *relay // in front of it
	redis    *redisServer
	key      string
	vault    *vault.Vault // not through the relay
	provider *oauthtest.Endpoint
	api      *service
	replicas []*replica
	agent    string // its token
}

type fleetOptions struct {
	replicas     int
	tokenTimeout time.Duration
	provider     oauthtest.Options
	race         bool
}

func newFleet(t testing.TB, o fleetOptions) *fleet {
	t.Helper()
	integration(t)
	dir, err := os.MkdirTemp("", "fleet")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	f := &fleet{t: t, dir: dir, redis: startRedis(t), key: vault.NewKey().Reveal()}
	if f.postgres, err = vaulttest.StartPostgres(); err != nil {
		missing(t, err.Error())
	}
	t.Cleanup(f.postgres.Stop)
	socket := f.socket()
	f.database = newRelay(t, func() (net.Conn, error) { return net.Dial("unix", socket) })
	f.openVault()
	o.provider.Client = f.client
	f.provider = oauthtest.New(o.provider)
	f.api = newPlainService(t, f.provider)
	for n := range o.replicas {
		f.replicas = append(f.replicas, f.newReplica(n, o))
	}
	for _, r := range f.replicas {
		r.start()
	}
	for _, r := range f.replicas {
		r.wait()
	}
	return f
}

// socket is the file that PostgreSQL listens on.
func (f *fleet) socket() string {
	u, err := url.Parse(f.postgres.URL("postgres"))
	if err != nil {
		f.t.Fatal(err)
	}
	return filepath.Join(u.Query().Get("host"), ".s.PGSQL.5432")
}

func (f *fleet) openVault() {
	f.t.Helper()
	db, err := sql.Open("pgx", f.postgres.URL("postgres"))
	if err != nil {
		f.t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("CREATE DATABASE attache TEMPLATE template0"); err != nil {
		f.t.Fatal(err)
	}
	keys, err := vault.ParseKeys(secret.New(f.key))
	if err != nil {
		f.t.Fatal(err)
	}
	if f.vault, err = vault.Open(f.t.Context(), vault.Config{Driver: "postgres", Source: f.postgres.URL("attache"), Keys: keys}); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { f.vault.Close() })
	_, token, err := f.vault.System().CreateAgent(f.t.Context(), vault.NewAgent{Name: "bot"})
	if err != nil {
		f.t.Fatal(err)
	}
	f.agent = token.Reveal()
}

// connect makes accounts with tokens of the provider that expire at a time, and
// lets the agent use them.
func (f *fleet) connect(names []string, expires time.Time) {
	f.t.Helper()
	ctx, s := context.Background(), f.vault.System()
	agents, err := s.Agents(ctx, vault.AgentFilter{}, vault.Page{})
	if err != nil || len(agents.Items) != 1 {
		f.t.Fatalf("agents = %v, %v", agents, err)
	}
	for _, name := range names {
		refresh, access := f.provider.Issue(name)
		a, err := s.CreateAccount(ctx, vault.NewAccount{Connector: "svc", Option: "oauth", Name: name, Identifier: name, IdentifierType: "user", Connected: &vault.Connection{},
			Credentials: &vault.Credentials{Token: secret.New(access), RefreshToken: secret.New(refresh), ExpiresAt: expires}})
		if err != nil {
			f.t.Fatal(err)
		}
		if _, err := s.CreateGrant(ctx, vault.NewGrant{AgentID: agents.Items[0].ID, AccountID: a.ID, Scopes: []string{"read", "write"}}); err != nil {
			f.t.Fatal(err)
		}
	}
}

// client tells the provider which replica asks: each has a port of its own there.
func (f *fleet) client(r *http.Request) string {
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	for _, rep := range f.replicas {
		if local != nil && strings.HasSuffix(rep.tokens.URL, local.String()) {
			return rep.name()
		}
	}
	return ""
}

// replica is one process of the fleet.
type replica struct {
	f         *fleet
	n         int
	Dir, Addr string
	Log       *buffer
	tokens    *service // the provider, at this replica's own port
	binary    string

	mu   sync.Mutex
	life int // counts its processes
	cmd  *exec.Cmd
	done chan struct{}
}

func (f *fleet) newReplica(n int, o fleetOptions) *replica {
	f.t.Helper()
	r := &replica{f: f, n: n, Dir: filepath.Join(f.dir, fmt.Sprint(n)), Addr: fmt.Sprintf("127.0.0.1:%d", freePort(f.t)), Log: &buffer{},
		tokens: newPlainService(f.t, f.provider), binary: plainBinary(f.t)}
	if o.race {
		r.binary = raceBinary(f.t)
	}
	if err := os.MkdirAll(filepath.Join(r.Dir, "connectors"), 0o700); err != nil {
		f.t.Fatal(err)
	}
	writeFile(f.t, filepath.Join(r.Dir, "connectors", "svc.yaml"), fmt.Sprintf(`key: svc
title: Service
hosts: [svc.test]
auth:
  oauth: {type: oauth2, authorize_url: "%[1]s/authorize", token_url: "%[1]s/token"}
`, r.tokens.URL))
	_, port, _ := net.SplitHostPort(r.Addr)
	writeFile(f.t, filepath.Join(r.Dir, "Caddyfile"), fmt.Sprintf(`{
	admin off
	persist_config off
	storage file_system %[1]s/storage
	grace_period 3s
	attache {
		key {env.KEY}
		vault postgres {env.DATABASE_URL}
		cache redis {env.REDIS_URL}
		token_timeout %[2]s
		allow_address 127.0.0.1
		connectors %[1]s/connectors
		connector svc {
			upstream %[3]s
		}
		audit off
	}
}
http://:%[4]s {
	bind 127.0.0.1
	attache
}
`, r.Dir, o.tokenTimeout, f.api.URL, port))
	f.t.Cleanup(r.end)
	return r
}

// name tells its processes apart.
func (r *replica) name() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return fmt.Sprintf("%d#%d", r.n, r.life)
}

func (r *replica) start() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.life++
	cmd := exec.Command(r.binary, "run", "--config", filepath.Join(r.Dir, "Caddyfile"))
	cmd.Dir = r.Dir
	cmd.Env = append(cleanEnv(r.Dir), "KEY="+r.f.key, "REDIS_URL="+r.f.redis.Addr,
		"DATABASE_URL=postgres://attache@"+r.f.database.Addr+"/attache?sslmode=disable")
	cmd.Stdout, cmd.Stderr = r.Log, r.Log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		r.f.t.Errorf("starting a replica: %v", err)
		return
	}
	done := make(chan struct{})
	go func() { cmd.Wait(); close(done) }()
	r.cmd, r.done = cmd, done
}

// up reports whether the replica takes connections.
func (r *replica) up() bool {
	c, err := net.DialTimeout("tcp", r.Addr, time.Second)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// wait waits until the replica listens, and starts it again when it gave up,
// as a supervisor does.
func (r *replica) wait() bool {
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if r.up() {
			return true
		}
		select {
		case <-r.done:
			time.Sleep(500 * time.Millisecond)
			r.start()
		default:
		}
	}
	r.f.t.Errorf("replica %d does not listen after 60 s:\n%s", r.n, tail(r.Log.String(), 5))
	return false
}

func (r *replica) signal(s syscall.Signal) { _ = r.cmd.Process.Signal(s) }

// kill ends the process without a word to it.
func (r *replica) kill() {
	r.signal(syscall.SIGKILL)
	<-r.done
}

// end stops the process as an operator would.
func (r *replica) end() {
	if r.cmd == nil {
		return
	}
	r.signal(syscall.SIGCONT)
	r.signal(syscall.SIGTERM)
	select {
	case <-r.done:
	case <-time.After(20 * time.Second):
		r.kill()
	}
}

// redisServer is a real Redis on a free port.
type redisServer struct {
	Addr string
	t    testing.TB
	dir  string
	cmd  *exec.Cmd
	args []string // beside those of every server
}

func startRedis(t testing.TB, args ...string) *redisServer {
	t.Helper()
	dir, err := os.MkdirTemp("", "redis")
	if err != nil {
		t.Fatal(err)
	}
	s := &redisServer{Addr: fmt.Sprintf("127.0.0.1:%d", freePort(t)), t: t, dir: dir, args: args}
	program(t, "redis-server")
	s.start()
	t.Cleanup(func() { s.stop(); os.RemoveAll(dir) })
	return s
}

// arguments are those of a server on port. What a test gives comes first, since a
// file must, and with a TLS port among it the other one is closed.
func (s *redisServer) arguments(port string) []string {
	args := slices.Clone(s.args)
	if slices.Contains(args, "--tls-cert-file") {
		args = append(args, "--tls-port", port, "--port", "0")
	} else {
		args = append(args, "--port", port)
	}
	args = append(args, "--bind", "127.0.0.1", "--dir", s.dir)
	if !slices.Contains(args, "--sentinel") {
		args = append(args, "--save", "", "--appendonly", "no")
	}
	return args
}

func (s *redisServer) start() {
	_, port, _ := net.SplitHostPort(s.Addr)
	s.cmd = exec.Command(program(s.t, "redis-server"), s.arguments(port)...)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		s.t.Errorf("starting Redis: %v", err)
		return
	}
	for range 200 {
		if c, err := net.DialTimeout("tcp", s.Addr, time.Second); err == nil {
			c.Close()
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	s.t.Errorf("Redis does not listen on %s", s.Addr)
}

// stop kills the server; what it held is gone.
func (s *redisServer) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGCONT)
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}
