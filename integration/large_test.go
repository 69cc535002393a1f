package integration_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"testing"
	"time"
)

// large is more than any buffer: 2 GiB. With `go test -short` a tenth of it.
func large() int64 {
	if testing.Short() {
		return 200 << 20
	}
	return 2 << 30
}

// mostGrowth is how much the proxy's memory may rise over a transfer of any
// size: the buffers of two connections and what the collector has not had yet.
const mostGrowth = 48 << 20 // bytes

// Two GiB down and up, and half a GiB through tunnels, in flat memory, intact.
func TestLargeBodies(t *testing.T) {
	d := newDemo(t, func(s *setup) { s.Plain = true })
	for _, at := range []door{
		{"base URL", d.URL + "/demo", d.plainClient(t), false},
		{"CONNECT, HTTP1 inside", "https://demo.test", d.goClient(t, false), false},
		{"CONNECT, HTTP2 inside", "https://demo.test", d.goClient(t, true), true},
	} {
		n := large()
		if at.name != "base URL" { // the bytes are the same code's: less tells as much about the tunnel
			n /= 4
		}
		want := patternSum(n)
		transfers := map[string]func(*testing.T, door, int64) uint64{"down": downloadSum, "up": uploadSum}
		for direction, transfer := range transfers {
			t.Run(at.name+"/"+direction, func(t *testing.T) {
				transfer(t, at, 64<<20) // connections, tickets and buffers are there before we measure
				before, _ := d.rss()
				resetPeak(t, d.cmd.Process.Pid)
				start := time.Now()
				if got := transfer(t, at, n); got != want {
					t.Errorf("checksum of %d bytes = %x, want %x", n, got, want)
				}
				_, peak := d.rss()
				t.Logf("%d MiB in %v; memory %d MiB before, %d MiB at most", n>>20, time.Since(start).Round(time.Millisecond), before>>20, peak>>20)
				if grown := peak - before; grown > mostGrowth {
					t.Errorf("the proxy's memory rose by %d MiB (from %d to %d), want at most %d", grown>>20, before>>20, peak>>20, mostGrowth>>20)
				}
			})
		}
	}
}

// resetPeak makes VmHWM start again from the present value (proc(5), clear_refs).
func resetPeak(t testing.TB, pid int) {
	t.Helper()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0o200); err != nil {
		t.Logf("the peak counts from the start of the process: %v", err)
	}
}

func downloadSum(t *testing.T, at door, n int64) uint64 {
	t.Helper()
	res, err := at.http.Get(fmt.Sprintf("%s/download?bytes=%d", at.base, n))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	sum := newChecksum()
	if got, err := io.Copy(sum, res.Body); err != nil || got != n {
		t.Fatalf("download of %d bytes = %s, %d bytes, %v", n, res.Status, got, err)
	}
	return sum.Sum64()
}

func uploadSum(t *testing.T, at door, n int64) uint64 {
	t.Helper()
	r, err := http.NewRequest(http.MethodPut, at.base+"/upload", io.NopCloser(&pattern{size: n}))
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = n
	res, err := at.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var got uploaded
	s := body(t, res)
	if err := json.Unmarshal([]byte(s), &got); err != nil || got.Bytes != n || got.Length != n {
		t.Fatalf("upload of %d bytes = %s, %s", n, res.Status, clip(s))
	}
	return got.Sum
}
