package runs

import (
	"context"
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/attache-proxy/attache/caddymodule/client"
	"github.com/attache-proxy/attache/providers/secret"
)

// How long things may take.
const (
	openTimeout = 10 * time.Second
	endTimeout  = 2 * time.Second
)

// Keeper keeps one run of attache exec: it opens it, says that it goes on, and ends it.
// A run that lapsed meanwhile, since this machine slept or the proxy began anew, is opened
// again, and is another.
type Keeper struct {
	token  *atomic.Pointer[secret.Value]
	client *client.Client
	ask    client.NewRun
	key    secret.Value
	say    func(string)

	run   *client.Run     // of work alone, after Keep
	going context.Context // until Close
	stop  context.CancelFunc
	done  chan struct{}
	once  sync.Once
}

// Keep opens a run of a program, and puts its token into minted. It is nil where the proxy knows of no runs, and within
// another run. The launch key may be zero; say is told what the user should know.
func Keep(ctx context.Context, c *client.Client, program string, launchKey secret.Value, minted *atomic.Pointer[secret.Value], say func(string)) (*Keeper, error) {
	k := &Keeper{token: minted, client: c, ask: client.NewRun{Program: filepath.Base(program), User: userName(), Host: hostName()}, key: launchKey, say: say, done: make(chan struct{})}
	k.going, k.stop = context.WithCancel(context.Background())
	if err := k.open(ctx); err != nil {
		if code := codeOf(err); code == "in_a_run" || code == "bad_request" {
			return nil, nil
		}
		return nil, err
	}
	if !launchKey.IsZero() && !k.run.Confined {
		say("warning: the proxy takes no launch key (launch_key in its option attache), and so does not know that the run is confined")
	}
	go k.work()
	return k, nil
}

func codeOf(err error) string {
	if e, ok := errors.AsType[*client.Error](err); ok {
		return e.Code
	}
	return ""
}

func userName() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return ""
}

func hostName() string { name, _ := os.Hostname(); return name }

func (k *Keeper) open(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	r, err := k.client.OpenRun(ctx, k.ask, k.key)
	if err != nil {
		return err
	}
	token := secret.New(r.Token)
	k.run = r
	k.token.Store(&token)
	return nil
}

// work says that the run goes on, until Close.
func (k *Keeper) work() {
	defer close(k.done)
	beat := time.Duration(max(k.run.BeatSeconds, 1)) * time.Second
	tick := time.NewTicker(beat)
	defer tick.Stop()
	over := false
	for {
		select {
		case <-k.going.Done():
			return
		case <-tick.C:
		}
		if over {
			continue
		}
		ctx, cancel := context.WithTimeout(k.going, beat)
		err := k.client.BeatRun(ctx, k.run.ID, *k.token.Load())
		cancel()
		switch codeOf(err) {
		case "run_ended":
			over = true
			k.say("run " + k.run.ID + " was ended by an operator: its programs get no answers of connectors any more")
		case "unknown_agent":
			_ = k.open(k.going) // else at the next beat
		}
	}
}

// Close ends the run; of a nil Keeper nothing.
func (k *Keeper) Close() {
	if k == nil {
		return
	}
	k.once.Do(func() {
		k.stop()
		<-k.done
		ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
		defer cancel()
		_ = k.client.EndRun(ctx, k.run.ID, *k.token.Load()) // where it cannot be said, the run lapses
	})
}
