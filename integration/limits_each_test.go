package integration_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
)

// wideText is JSON in brotli with the window that encoders take by default, 4 MiB.
var wideText = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	w := brotli.NewWriterOptions(&b, brotli.WriterOptions{Quality: 2, LGWin: 22})
	for i := range 200_000 {
		fmt.Fprintf(w, "{\"line\": %d, \"text\": \"nothing in it\"}\n", i)
	}
	w.Close()
	return b.Bytes()
})

// TestLimitsOfMemoryAndDisk: what an agent may keep in memory and on disk holds, is
// told, and is free again.
func TestLimitsOfMemoryAndDisk(t *testing.T) {
	wide := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", "br")
		w.Write(wideText())
	})
	reads := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wide" {
			wide(w, r)
			return
		}
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n)
	})
	signed := "connector signed {\n\thosts signed.test\n\tfield key {env.DEMO_TOKEN}\n\tsign bearer {fields.key}\n\tsign header X-Sig `{hex(hmac_sha256(fields.key, request.body))}`\n\tupstream %s\n}\n"
	start := func(t *testing.T, limits string) *attache {
		s := newPlainService(t, reads)
		return newAttache(t, setup{Attache: fmt.Sprintf(signed, s.URL) + agentLocal("signed") + limits, Env: []string{"DEMO_TOKEN=" + demoToken}})
	}
	integration(t)
	t.Run("40 answers at once", func(t *testing.T) {
		a := start(t, "")
		var wg sync.WaitGroup
		for range 40 {
			wg.Go(func() {
				res, err := http.Get(a.URL + "/signed/wide")
				if err != nil {
					t.Error(err)
					return
				}
				defer res.Body.Close()
				if n, err := io.Copy(io.Discard, res.Body); res.StatusCode != 200 || n < 5<<20 || err != nil {
					t.Errorf("%s, %d bytes, %v", res.Status, n, err)
				}
			})
		}
		wg.Wait()
	})
	t.Run("memory", func(t *testing.T) {
		a := start(t, "limits {\n\tmemory 2MiB\n}\n")
		checkRefusal(t, a, []string{a.URL + "/signed/wide"}, 429, "too_many_requests")
	})
	// hold sends the beginning of a long body and leaves the rest for later.
	hold := func(a *attache, size int) (finish func() int) {
		r, w := io.Pipe()
		done := make(chan int, 1)
		go func() {
			req, _ := http.NewRequest("POST", a.URL+"/signed/x", r)
			req.ContentLength = int64(size)
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				done <- 0
				return
			}
			res.Body.Close()
			done <- res.StatusCode
		}()
		first := size - 1
		w.Write(make([]byte, first))
		return func() int {
			go func() { w.Write(make([]byte, size-first)); w.Close() }()
			return <-done
		}
	}
	for name, c := range map[string]struct {
		limits string
		size   int
	}{
		"bodies":     {"bodies 1", 3 << 20},
		"body_bytes": {"body_bytes 5MiB", 3 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			a := start(t, "limits {\n\t"+c.limits+"\n}\n")
			// What was written of the first may still lie in sockets when the second comes, and two that are
			// counted at the same moment may both be refused: then once more.
			for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
				finish := hold(a, c.size)
				res, err := http.Post(a.URL+"/signed/x", "text/plain", bytes.NewReader(make([]byte, c.size)))
				if err != nil {
					t.Fatal(err)
				}
				body, _ := io.ReadAll(res.Body)
				res.Body.Close()
				first := finish()
				early := first == 200 && res.StatusCode == 200
				if (early || first == 429) && time.Now().Before(deadline) {
					continue
				}
				if res.StatusCode != 429 || res.Header.Get("Attache-Error") != "too_many_requests" || !strings.Contains(string(body), name) || res.Header.Get("Retry-After") == "" {
					t.Errorf("a second body = %s %s, want 429 that names %s", res.Status, body, name)
				}
				if first != 200 {
					t.Errorf("the first one = %d", first)
				}
				break
			}
			for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(50 * time.Millisecond) {
				if got := hold(a, c.size)(); got == 200 {
					break
				} else if time.Now().After(deadline) {
					t.Fatalf("what was kept is still in use: %d", got)
				}
			}
		})
	}
}

// TestLimitOfRefreshes: 401s of a service make as many token requests as the agent
// may have in a minute, and no more.
func TestLimitOfRefreshes(t *testing.T) {
	integration(t)
	var tokens atomic.Int64
	endpoint := newPlainService(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, map[string]any{"access_token": fmt.Sprintf("access-token-%020d", tokens.Add(1)), "token_type": "Bearer", "expires_in": 3600})
	}))
	svc := newPlainService(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }))
	a := newAttache(t, setup{
		Attache: fmt.Sprintf("connector svc {\n\thosts svc.test\n\toauth2 client_credentials {\n\t\ttoken_url %s/t\n\t\tclient_id id\n\t\tclient_secret {env.DEMO_TOKEN}\n\t}\n\tupstream %s\n}\n", endpoint.URL, svc.URL) +
			agentLocal("svc") + "allow_address 127.0.0.1\nlimits {\n\trefreshes 3\n}\n",
		Env: []string{"DEMO_TOKEN=" + demoToken},
	})
	for range 20 {
		checkCurl(t, a.curl(t, a.URL+"/svc/x"), "401 1.1")
	}
	if n := tokens.Load(); n < 2 || n > 1+3+1 { // the first, the three, and one that the minute's turn may give
		t.Errorf("%d token requests for 20 answers of 401, want the first and three more", n)
	}
}

// TestAuditOfEchoes: that an echo was replaced, and that an answer was broken off
// because it could not be searched any more, is in the audit.
func TestAuditOfEchoes(t *testing.T) {
	d := newDemo(t, func(s *setup) {
		mux := http.NewServeMux()
		mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			fmt.Fprint(w, r.Header.Get("Authorization"))
		})
		mux.HandleFunc("/broken", func(w http.ResponseWriter, r *http.Request) { // it begins as brotli
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Encoding", "br")
			w.Write(wideText()[:len(wideText())/2])
			w.Write(bytes.Repeat([]byte{0xff}, 200<<10))
		})
		svc := newService(t, s.Trust[0], mux, "demo.test")
		s.Attache = connector("demo", "demo.test", svc, "bearer {fields.key}", "DEMO_TOKEN") + agentLocal("demo")
	})
	d.curl(t, d.URL+"/demo/echo")
	d.curl(t, d.URL+"/demo/broken")
	for what, pattern := range map[string]string{"the echo": `"path":"/echo".*"echo":"replaced"`, "the broken answer": `"path":"/broken".*"reached":"[a-z]+","cut":"echo_unsearchable","status":200`} {
		if got := d.auditLines(t, 1, pattern); len(got) != 1 {
			t.Errorf("%s has %d lines of the audit", what, len(got))
		}
	}
}
