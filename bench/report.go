package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// report gathers what the parts have measured; what is empty is left out.
type report struct {
	world      *world
	options    options
	began      time.Time
	tables     []*table
	started    []started
	newTunnels []newTunnels
	idle       []idleTunnels
	closed     *closedTunnels
	delays     []delays
	peaks      []peak
	bulks      []bulk
	paced      []paced
}

func newReport(w *world, o options) *report {
	return &report{world: w, options: o, began: time.Now()}
}

// table is what was measured of one group with so many connections.
type table struct {
	*group
	n       int
	samples [][]sample // by target, by round
}

func newTable(g *group, n int) *table {
	return &table{g, n, make([][]sample, len(g.targets))}
}

// of returns the median over the rounds.
func of[T int64 | float64 | time.Duration](ss []sample, f func(sample) T) T {
	var xs []T
	for _, s := range ss {
		xs = append(xs, f(s))
	}
	return median(xs)
}

// rounds returns a target's samples, or nil if it was not measured.
func (t *table) rounds(name string) []sample {
	for i, tg := range t.targets {
		if tg.name == name {
			return t.samples[i]
		}
	}
	return nil
}

// ratio is the CPU per request of one target to another's: the median of the
// ratios in each round. It is zero where one of them has none.
func (t *table) ratio(name, to string) float64 {
	a, b := t.rounds(name), t.rounds(to)
	var rs []float64
	for i := range min(len(a), len(b)) {
		if b[i].cpu > 0 && a[i].cpu > 0 {
			rs = append(rs, a[i].cpuPerRequest()/b[i].cpuPerRequest())
		}
	}
	return median(rs)
}

// opened is how many connections to the service a target opened while it was
// measured, in all rounds together.
func (t *table) opened(name string) (n int64) {
	for _, s := range t.rounds(name) {
		n += s.opened
	}
	return n
}

// markdown is the whole report.
func (r *report) markdown() string {
	var b strings.Builder
	r.about(&b)
	r.floors(&b)
	title := ""
	for _, t := range r.tables {
		if t.title != title {
			title = t.title
			fmt.Fprintf(&b, "\n### %s\n", title)
		}
		t.markdown(&b)
	}
	r.search(&b)
	r.pacedTable(&b)
	r.bulkTable(&b)
	r.tunnels(&b)
	r.others(&b)
	return b.String()
}

func (r *report) about(b *strings.Builder) {
	length := "short"
	if r.options.full {
		length = "full"
	}
	p := r.world.plan
	fmt.Fprintf(b, "%s, %s, %d processors (%s), %s. A %s run: %d interleaved rounds of %v for each row, each after %v under load; %v altogether.\n",
		r.began.UTC().Format("2006-01-02 15:04 UTC"), r.measured(), runtime.NumCPU(), processor(), runtime.Version(), length, p.rounds, p.window, p.warm, time.Since(r.began).Round(time.Second))
}

func (t *table) markdown(b *strings.Builder) {
	many := "connections"
	if t.n == 1 {
		many = "connection"
	}
	fmt.Fprintf(b, "\n| %d %s | requests/s | p50 | p99 | proxy CPU per request | to %s | RSS | new upstream connections |\n|---|--:|--:|--:|--:|--:|--:|--:|\n", t.n, many, t.reference)
	for i, tg := range t.targets {
		ss := t.samples[i]
		cpu, ratio, rss := "–", "–", "–"
		if tg.proc != nil {
			cpu = fmt.Sprintf("%.1f µs", of(ss, sample.cpuPerRequest))
			ratio = fmt.Sprintf("%.2f", t.ratio(tg.name, t.reference))
			rss = mebibytes(of(ss, func(s sample) int64 { return s.rss }))
		}
		fmt.Fprintf(b, "| %s | %.0f | %s | %s | %s | %s | %s | %d |\n", tg.name, of(ss, sample.perSecond),
			short(of(ss, func(s sample) time.Duration { return s.p50 })), short(of(ss, func(s sample) time.Duration { return s.p99 })), cpu, ratio, rss, t.opened(tg.name))
	}
}

func (r *report) tunnels(b *strings.Builder) {
	if len(r.newTunnels) > 0 {
		fmt.Fprintf(b, "\n### A new tunnel each time, %d at once\n\n| | tunnels/s | p50 | p99 | proxy CPU per tunnel | new upstream connections per tunnel | RSS after |\n|---|--:|--:|--:|--:|--:|--:|\n", tunnelWorkers)
	}
	for _, t := range r.newTunnels {
		s := t.tunnel
		fmt.Fprintf(b, "| %s | %.0f | %s | %s | %.0f µs | %.2f | %s |\n", t.name, s.perSecond(), short(s.p50), short(s.p99), s.cpuPerRequest(), float64(s.opened)/float64(s.requests), mebibytes(s.rss))
	}
	if len(r.idle) > 0 {
		fmt.Fprint(b, "\n### Idle tunnels, each after one request\n\n| | tunnels | opened in | RSS before | RSS with them | per tunnel: RSS | live heap | stacks | goroutines | base URL meanwhile, p50 and p99 | RSS when closed |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	}
	for _, t := range r.idle {
		d, n := t.open.minus(t.before), float64(t.n)
		fmt.Fprintf(b, "| %s | %d | %.1f s | %s | %s | %.1f KiB | %.1f KiB | %.1f KiB | %.1f | %s, %s | %s |\n", t.name, t.n, t.opening.Seconds(), mebibytes(t.before.RSS), mebibytes(t.open.RSS),
			float64(d.RSS)/n/1024, float64(d.Live)/n/1024, float64(d.Stack)/n/1024, float64(d.Goroutines)/n, short(t.busy.p50), short(t.busy.p99), mebibytes(t.closed.RSS))
	}
	if t := r.closed; t != nil {
		d := t.after.minus(t.before)
		fmt.Fprintf(b, "\n### %d closed tunnels\n\n| | RSS | live heap | goroutines |\n|---|--:|--:|--:|\n", t.n)
		fmt.Fprintf(b, "| after the first %d | %s | %s | %d |\n| after %d more | %s | %s | %d |\n| kept per closed tunnel | %.0f B | %.0f B | %.4f |\n",
			t.first, mebibytes(t.before.RSS), mebibytes(t.before.Live), t.before.Goroutines, t.n, mebibytes(t.after.RSS), mebibytes(t.after.Live), t.after.Goroutines,
			float64(d.RSS)/float64(t.n), float64(d.Live)/float64(t.n), float64(d.Goroutines)/float64(t.n))
	}
}

func (r *report) others(b *strings.Builder) {
	if len(r.started) > 0 {
		fmt.Fprint(b, "\n### Start\n\n| | start to first answer | CPU until then | RSS a second later |\n|---|--:|--:|--:|\n")
	}
	for _, s := range r.started {
		fmt.Fprintf(b, "| %s | %d ms | %d ms | %s |\n", s.name, s.answer.Milliseconds(), s.cpu.Milliseconds(), mebibytes(s.rss))
	}
	if len(r.peaks) > 0 {
		fmt.Fprint(b, "\n### Memory after all of the above\n\n| | RSS | at most |\n|---|--:|--:|\n")
	}
	for _, p := range r.peaks {
		fmt.Fprintf(b, "| %s | %s | %s |\n", p.name, mebibytes(p.rss), mebibytes(p.hwm))
	}
	if len(r.delays) > 0 {
		fmt.Fprintf(b, "\n### Event streams: delay from the service to the agent, %d at once\n\n| | p50 | p99 |\n|---|--:|--:|\n", streamsEach)
	}
	for _, d := range r.delays {
		fmt.Fprintf(b, "| %s | %s | %s |\n", d.name, short(d.p50), short(d.p99))
	}
}

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

func short(d time.Duration) string {
	if d < 10*time.Millisecond {
		return fmt.Sprintf("%d µs", d.Microseconds())
	}
	return fmt.Sprintf("%.1f ms", d.Seconds()*1e3)
}

// measured says which attache it was.
func (r *report) measured() string {
	if r.options.binary != "" {
		return "a binary given with -attache"
	}
	out, err := exec.Command("git", "describe", "--always", "--abbrev=9", "--dirty").Output()
	if err != nil {
		return "commit unknown"
	}
	return "commit " + strings.TrimSpace(string(out))
}

// processor is the model name that /proc/cpuinfo gives.
func processor() string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(b)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

// The results stand between these two lines of the README.
const (
	resultsBegin = "<!-- results -->\n"
	resultsEnd   = "<!-- end of results -->\n"
)

func replaceResults(path, text string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(b), resultsBegin)
	_, after, ok2 := strings.Cut(rest, resultsEnd)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no lines %q and %q", path, resultsBegin, resultsEnd)
	}
	return os.WriteFile(path, []byte(before+resultsBegin+text+resultsEnd+after), 0o644)
}
