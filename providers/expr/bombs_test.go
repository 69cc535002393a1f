//go:build linux

package expr_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/attache-proxy/attache/providers/expr"
	"github.com/attache-proxy/attache/providers/secret"
)

type bomb struct {
	Name, Src, Template string
	Lets                []string
}

// What an evaluation may take, whatever the expression: its units, and what the
// garbage collector adds.
const (
	units        = 24 << 20 // with a body of 1 MiB: 8 + 16 MiB
	maxAllocated = 64 << 20 // and room that is larger than what lies in it
	maxTime      = 200 * time.Millisecond
	// slowdown is how much longer than a plain loop over as many bytes it may take
	// where that takes long: under the race detector, or on a machine so busy that
	// its caches and its clock are shared.
	slowdown = 6
)

// patient is maxTime, or more where this machine is slow now.
func patient(t *testing.T) time.Duration {
	t.Helper()
	text, seen := make([]byte, units), [256]int{}
	start := processor(t)
	for _, b := range text {
		seen[b]++
	}
	return max(maxTime, slowdown*(processor(t)-start))
}

// No expression burns memory or time, whatever it says. Each runs alone under a
// memory limit.
func TestBombs(t *testing.T) {
	text, err := os.ReadFile("testdata/bombs.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var bombs []bomb
	if err := yaml.Unmarshal(text, &bombs); err != nil {
		t.Fatal(err)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(256 << 20))
	fields := bombFields(t)
	refused := 0
	for _, b := range bombs {
		allocated, took, err := b.explode(t, fields)
		if err != nil {
			refused++
		}
		limit := maxTime
		for try := 0; took > limit && try < 3; try++ { // a busy machine makes it longer, never shorter
			limit = max(limit, patient(t))
			again, shorter, _ := b.explode(t, fields)
			allocated, took = min(allocated, again), min(took, shorter)
		}
		if allocated > maxAllocated || took > limit {
			t.Errorf("%s: %d MiB in %v, want at most %d MiB in %v (%v)", b.Name, allocated>>20, took, maxAllocated>>20, limit, err)
		}
		t.Logf("%-40s %4d MiB %8v %v", b.Name, allocated>>20, took.Round(time.Millisecond), err)
	}
	// A table whose every entry fails to compile would prove nothing.
	if len(bombs) < 100 || refused < len(bombs)*3/4 {
		t.Errorf("%d expressions, of which %d are refused for what they cost", len(bombs), refused)
	}
}

// explode evaluates the bomb. The error is one of costs, or none.
func (b *bomb) explode(t *testing.T, fields secret.Values) (allocated uint64, took time.Duration, refusal error) {
	t.Helper()
	var s expr.Scope
	var lets []*expr.Let
	for i, src := range b.Lets {
		l, err := s.Let(fmt.Sprintf("l%d", i), src)
		if err != nil {
			t.Fatalf("%s: %v", b.Name, err)
		}
		lets = append(lets, l)
	}
	src := b.Template
	if src == "" {
		src = "{to_json(" + b.Src + ")}"
	}
	tpl, err := s.Compile(src)
	if err != nil {
		t.Fatalf("%s: %v", b.Name, err)
	}
	v := signing(t)
	v.Cred.Fields = fields
	v.Body = expr.Bytes(strings.Repeat("a", 1<<20))
	v.Request.URL.RawQuery = fields["pairs"].Reveal()
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := processor(t)
	for _, l := range lets {
		if err = l.Eval(v); err != nil {
			break
		}
	}
	if err == nil {
		_, err = tpl.Eval(v)
	}
	took = processor(t) - start
	runtime.ReadMemStats(&after)
	if err != nil && !strings.Contains(err.Error(), "costs too much") {
		t.Errorf("%s: %v, want that it costs too much, or a value", b.Name, err)
	}
	return after.TotalAlloc - before.TotalAlloc, took, err
}

// processor is the time that this thread has computed: the machine may be busy.
func processor(t *testing.T) time.Duration {
	t.Helper()
	const thread = 1 // RUSAGE_THREAD
	var used syscall.Rusage
	if err := syscall.Getrusage(thread, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func bombFields(t *testing.T) secret.Values {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	var pairs, numbers strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&pairs, "p%d=v%d&", i, i)
		fmt.Fprintf(&numbers, "%d,", i)
	}
	return secret.Values{
		"k":     secret.New(strings.Repeat("a", 1<<10)),
		"big":   secret.New(strings.Repeat("a", 256<<10)),
		"list":  secret.New("[" + numbers.String() + "0]"),
		"deep":  secret.New(strings.Repeat("[", 90) + "1" + strings.Repeat("]", 90)),
		"pairs": secret.New(pairs.String()),
		"rsa":   secret.New(string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))),
	}
}

// What connectors really do stays possible, also with a large body and many
// parameters.
func TestBoundsLeaveRoom(t *testing.T) {
	var form strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&form, "field%d=some+value+%d&", i, i)
	}
	for _, src := range []string{
		`{hex(hmac_sha256(fields.k, request.method + "\n" + request.path + "\n" + string(request.body) + "\n" + string(now.unix()) + "\n" + nonce))}`,
		`{base64(sha512(request.body)) + hex(md5(request.body))}`,
		`{percent(string(request.body)).size()}`,
		`{pairs(request.body).map(p, percent(p[0]) + "=" + percent(p[1])).sort().join("&").size()}`,
		`{pairs(request.body).filter(p, p[0] != "field7" && !(p[0] in ["sign", "sign_type"]) && p[1] != "").sortBy(p, p[0]).map(p, p[0] + p[1]).join("").size()}`,
		`{canonical_query(request.body).size()}`,
		`{request.header_names().filter(h, h.startsWith("x-")).map(h, h + ":" + request.header(h)).join("\n")}`,
	} {
		tpl, err := expr.Compile(src)
		if err != nil {
			t.Fatal(err)
		}
		for name, body := range map[string]string{"a form of 2000 fields": form.String(), "16 MiB": strings.Repeat("some text, ", 16<<20/11)} {
			if strings.Contains(src, "pairs(") && len(body) > 1<<20 {
				continue // no form has one field of 16 MiB
			}
			v := signing(t)
			v.Cred.Fields = secret.Values{"k": secret.New("key")}
			v.Body = expr.Bytes(body)
			if out, err := tpl.Eval(v); err != nil {
				t.Errorf("Eval(%s) with %s = %.40q, %v", src, name, out, err)
			}
		}
	}
}
