// Command bench measures Attaché beside plain Caddy and nginx, in one go and
// in interleaved rounds, and prints Markdown. Everything it starts listens on
// 127.0.0.1 and ends with it. It needs Linux, since it reads /proc.
//
//	upstream.go   the service: answers 401 unless the right credential came
//	client.go     lean HTTP/1.1 clients for each door; client_h2.go for HTTP/2
//	load.go       the closed loop; process.go what /proc says meanwhile
//	attache.go    Attaché as it is measured; caddy.go, nginx.go and goproxy.go the others
//	steady.go     rounds of requests; signed.go such whose body is signed; openloop.go such that come when they are due
//	bulk.go       long bodies
//	tunnels.go    new tunnels; idle.go and closed.go what they hold and keep
//	stream.go     event delay; start.go start and idle memory
//	report.go     tables; floors.go what must hold
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"
)

func main() {
	debug.SetGCPercent(400) // our own garbage shall not cost the proxies CPU
	if serve, ok := map[string]func() error{"upstream": serveUpstream, "goproxy": serveGoProxy}[os.Getenv(roleVariable)]; ok {
		if os.Getenv(roleVariable) == "goproxy" {
			debug.SetGCPercent(100) // it is measured
		}
		if err := serve(); err != nil {
			fmt.Fprintln(os.Stderr, os.Getenv(roleVariable)+":", err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	full    bool
	only    string
	write   string
	binary  string
	profile string
	before  string
	rows    string
	strict  bool
}

// maxRun ends a run that hangs.
const maxRun = 30 * time.Minute

func run(ctx context.Context, args []string) error {
	var o options
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.BoolVar(&o.full, "full", false, "five rounds and full counts, a quarter of an hour; else two short rounds, a minute")
	f.StringVar(&o.only, "only", "", "parts to run, comma-separated: "+partNames())
	f.StringVar(&o.write, "write", "", "also replace the results in this file, between its two markers")
	f.StringVar(&o.binary, "attache", "", "an attache binary to measure; else ./cmd/attache is built")
	f.StringVar(&o.before, "before", "", "an earlier attache binary, measured beside: rows with \"before\"")
	f.StringVar(&o.rows, "rows", "", "a regular expression: of the tables of requests and of the profiles, only such rows (and those they are compared with)")
	f.StringVar(&o.profile, "profile", "", "write CPU profiles of each door to this directory, and measure nothing")
	f.BoolVar(&o.strict, "strict", false, "exit with an error where a floor does not hold")
	if err := f.Parse(args); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, maxRun)
	defer cancel()

	w, err := newWorld(ctx, o)
	if err != nil {
		return err
	}
	defer w.close()
	if o.profile != "" {
		return w.profile(ctx, o)
	}
	rep := newReport(w, o)
	for _, p := range parts {
		if !p.wanted(o.only) {
			continue
		}
		progress("%s", p.name)
		if err := p.run(ctx, w, rep); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	text := rep.markdown()
	fmt.Print(text)
	if o.write != "" {
		if err := replaceResults(o.write, text); err != nil {
			return err
		}
	}
	if o.strict {
		return rep.failed()
	}
	return nil
}

// progress tells on standard error what goes on.
func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format("15:04:05 ")+format+"\n", args...)
}
