package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestParseUsage(t *testing.T) {
	// A command's name may hold spaces and parentheses.
	stat := "42 (a (strange) name) S 1 42 42 0 -1 4194304 100 0 0 0 150 25 7 9 20 0 12 0 100 0 0\n"
	status := "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\nThreads:\t12\n"
	got, err := parseUsage(stat, status)
	if want := (usage{1750 * time.Millisecond, 1 << 20, 2 << 20}); err != nil || got != want {
		t.Errorf("parseUsage = %+v, %v, want %+v", got, err, want)
	}
	for _, bad := range []struct{ name, stat, status string }{
		{"no name", "42 x S 1", status},
		{"short", "42 (x) S 1 2 3", status},
		{"no number", strings.Replace(stat, " 150 ", " x ", 1), status},
		{"no unit", stat, "VmRSS:\t1024\n"},
		{"no memory number", stat, "VmRSS:\tx kB\n"},
	} {
		if _, err := parseUsage(bad.stat, bad.status); err == nil {
			t.Errorf("parseUsage(%s) = nil error, want one", bad.name)
		}
	}
}

func TestUsageOfOurselves(t *testing.T) {
	u, err := usageOf(os.Getpid())
	if err != nil || u.RSS <= 0 || u.HWM < u.RSS {
		t.Errorf("usageOf(ourselves) = %+v, %v, want some memory", u, err)
	}
}

func TestReadHead(t *testing.T) {
	for _, c := range []struct {
		in   string
		want head
		ok   bool
	}{
		{"HTTP/1.1 200 OK\r\nContent-Length: 1024\r\n\r\n", head{200, 1024, false}, true},
		{"HTTP/1.1 401 Unauthorized\r\ncontent-length:0\r\nServer: x\r\n\r\n", head{401, 0, false}, true},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", head{200, -1, true}, true},
		{"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", head{}, false},
		{"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", head{}, false},
		{"HTTP/1.0 200 OK\r\n\r\n", head{}, false},
		{"HTTP/1.1 2x0 OK\r\n\r\n", head{}, false},
		{"HTTP/1.1 200 OK\r\nContent-Le", head{}, false},
		{"", head{}, false},
	} {
		got, err := readHead(bufio.NewReader(strings.NewReader(c.in)))
		if (err == nil) != c.ok || c.ok && got != c.want {
			t.Errorf("readHead(%q) = %+v, %v, want %+v, ok %v", c.in, got, err, c.want, c.ok)
		}
	}
}

func TestReadBody(t *testing.T) {
	half := len(answer) / 2
	for _, c := range []struct {
		name, in string
		h        head
		ok       bool
	}{
		{"length", string(answer), head{200, len(answer), false}, true},
		{"chunks", fmt.Sprintf("%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n", half, answer[:half], len(answer)-half, answer[half:]), head{200, -1, true}, true},
		{"another length", string(answer), head{200, 10, false}, false},
		{"neither", string(answer), head{200, -1, false}, false},
		{"chunk too long", fmt.Sprintf("%x\r\n%s\r\n", len(answer)+1, answer), head{200, -1, true}, false},
		{"no chunk", "hello\r\n", head{200, -1, true}, false},
		{"cut", string(answer[:10]), head{200, len(answer), false}, false},
	} {
		h := newH1Client(nil, nil)
		h.r = bufio.NewReader(strings.NewReader(c.in))
		if err := h.readBody(c.h); (err == nil) != c.ok || c.ok && string(h.body) != string(answer) {
			t.Errorf("readBody(%s) = %v, want ok %v", c.name, err, c.ok)
		}
	}
}

func TestStatistics(t *testing.T) {
	l := make(latencies, 0, 100)
	for i := 100; i > 0; i-- {
		l = append(l, int64(i))
	}
	if p50, p99 := l.at(500), l.at(990); p50 != 51 || p99 != 100 {
		t.Errorf("latencies of 1 to 100: p50 %d, p99 %d, want 51, 100", p50, p99)
	}
	if got := (latencies)(nil).at(500); got != 0 {
		t.Errorf("latencies of nothing = %d, want 0", got)
	}
	if got := median([]float64{3, 1, 2}); got != 2 {
		t.Errorf("median(3, 1, 2) = %v, want 2", got)
	}
	page := []byte("heap profile: 1\n# HeapAlloc = 123\n# Stack = 7 / 9\n")
	if live, err := statistic(page, "HeapAlloc"); err != nil || live != 123 {
		t.Errorf("statistic(HeapAlloc) = %d, %v, want 123", live, err)
	}
	if stack, err := statistic(page, "Stack"); err != nil || stack != 7 {
		t.Errorf("statistic(Stack) = %d, %v, want 7", stack, err)
	}
	if _, err := statistic(page, "Sys"); err == nil {
		t.Error("statistic(Sys) = nil error, want one")
	}
	if n, err := goroutines([]byte("goroutine profile: total 12\nmore")); err != nil || n != 12 {
		t.Errorf("goroutines = %d, %v, want 12", n, err)
	}
}

// measured makes a table in which two targets cost so much per request in each
// round, in microseconds, and the second opens connections.
func measured(k kind, n int, name string, ours, theirs []float64, opened int64) *table {
	g := &group{title: "T", reference: "Caddy, pool of 256"}
	g.add("Caddy, pool of 256", nil, nil, k)
	g.add(name, nil, nil, k)
	t := newTable(g, n)
	for i := range ours {
		t.samples[0] = append(t.samples[0], sample{requests: 1000, took: time.Second, cpu: time.Duration(theirs[i] * 1e6)})
		t.samples[1] = append(t.samples[1], sample{requests: 1000, took: time.Second, cpu: time.Duration(ours[i] * 1e6), opened: opened})
	}
	return t
}

func TestFloors(t *testing.T) {
	for _, c := range []struct {
		name  string
		table *table
		fails int
	}{
		{"ratios are taken in each round", measured(plainHTTP, 16, "Attaché, base URL", []float64{11, 65, 6.5}, []float64{10, 100, 10}, 0), 0},
		{"base URL too dear", measured(plainHTTP, 16, "Attaché, base URL", []float64{7, 7, 7}, []float64{10, 10, 10}, 0), 1},
		{"intercepted holds", measured(httpsH1, 256, "Attaché, intercepted h1", []float64{6.9, 6.9, 6.9}, []float64{10, 10, 10}, 0), 0},
		{"intercepted too dear and dials", measured(httpsH1, 256, "Attaché, intercepted h1", []float64{7.5, 7.5, 7.5}, []float64{10, 10, 10}, 1), 2},
		{"dials while the pool fills", measured(httpsH1, 64, "Attaché, intercepted h1", []float64{6.9, 6.9, 6.9}, []float64{10, 10, 10}, 1), 0},
	} {
		fails := 0
		for _, f := range (&report{tables: []*table{c.table}}).checked() {
			if !f.holds {
				fails++
			}
		}
		if fails != c.fails {
			t.Errorf("%s: %d floors do not hold, want %d", c.name, fails, c.fails)
		}
	}
	grown := &report{closed: &closedTunnels{n: 20_000, after: memory{RSS: 900 << 20, Live: 700 << 20}}}
	if err := grown.failed(); err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("failed() = %v, want two errors: 35 KB of live heap and 45 KB of RSS for each closed tunnel", err)
	}
}

func TestReplaceResults(t *testing.T) {
	path := filepath.Join(t.TempDir(), "README.md")
	if err := os.WriteFile(path, []byte("# a\n"+resultsBegin+"old\n"+resultsEnd+"z\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := replaceResults(path, "new\n"); err != nil {
		t.Fatal(err)
	}
	got, _ := os.ReadFile(path)
	if want := "# a\n" + resultsBegin + "new\n" + resultsEnd + "z\n"; string(got) != want {
		t.Errorf("replaceResults wrote %q, want %q", got, want)
	}
	if err := os.WriteFile(path, []byte("# a\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := replaceResults(path, "new\n"); err == nil {
		t.Error("replaceResults(no markers) = nil, want an error")
	}
}
