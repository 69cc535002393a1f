package scrub

import (
	"bytes"
	"encoding/base64"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// texts are long answers without an echo.
func texts() map[string][]byte {
	prose := strings.Repeat("The quick brown fox jumps over the lazy dog, and on it goes. ", 1<<14)
	rng := rand.New(rand.NewPCG(5, 6))
	return map[string][]byte{
		"zeros":           make([]byte, 1<<20),
		"one line":        []byte(prose),
		"lines":           []byte(strings.ReplaceAll(prose, ". ", ".\n")),
		"JSON":            []byte(strings.Repeat(`{"id":"item_1","note":"said \"hello\" to them\nand went on with it for a long while","url":"https://example.com/a?b=c&d=e"},`, 1<<13)),
		"quotes in JSON":  []byte(strings.Repeat(`{"id":"item_1","object":"item","title":"An item, said \"Nobody\"","note":"`+strings.Repeat("and so it goes on for a while, as notes do ", 8)+`"},`, 1<<11)),
		"lines in JSON":   []byte(strings.Repeat(`{"id":"item_1","text":"and so it goes on\nfor a while, as notes do,\nuntil it ends"},`, 1<<13)),
		"percent-encoded": []byte(strings.Repeat(`q=a%20few%20words%2C%20percent-encoded&`, 1<<14)),
		"random":          []byte(random(rng, 1<<20)),
		"base64":          []byte(`{"data":"` + strings.Repeat(base64.StdEncoding.EncodeToString([]byte(random(rng, 48<<10))), 16) + `"}`),
		"minified JS":     []byte(strings.Repeat(`function a(b,c){return b&&c?b.d("e",function(f){return f%2==0&&g["h"]>'i'||j.test(/\\d+/)}):null}var k={l:1,m:[2,3,4],n:"o"};`, 1<<13)),
		"HTML":            []byte(strings.Repeat(`<div class="item"><a href="/x?a=1&amp;b=2">An item</a><p>and so it goes on for a while, as notes do&nbsp;&mdash; until it ends.</p></div>`+"\n", 1<<13)),
	}
}

type endless struct{ *bytes.Reader }

func (endless) Close() error { return nil }

func BenchmarkLongText(b *testing.B) { benchmarkLong(b, lines) }

// BenchmarkWaitedText is the same for texts that are waited for.
func BenchmarkWaitedText(b *testing.B) { benchmarkLong(b, wrapped) }

func benchmarkLong(b *testing.B, kind media) {
	s := New([]Needle{{Value: "sk-proj-0123456789abcdefghijABCDEFGHIJ"}})
	p := make([]byte, 128<<10) // as long answers are copied
	for name, text := range texts() {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			began := userTime()
			defer func() {
				b.ReportMetric(float64(len(text))*float64(b.N)/(userTime()-began).Seconds()/1e9, "GB/user-s")
			}()
			for range b.N {
				r := body{src: endless{bytes.NewReader(text)}, length: int64(len(text)), search: search{set: s, lines: kind == lines, wraps: kind == wrapped}, trailer: new(http.Header), found: new(atomic.Bool)}
				for {
					if _, err := r.Read(p); err == io.EOF {
						break
					}
				}
			}
		})
	}
}

// userTime is what this process has used of the processor: on a machine that
// others use too it says more than the clock.
func userTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano())
}

// BenchmarkAnswer is what usual answers of 1 KiB cost.
func BenchmarkAnswer(b *testing.B) {
	for name, text := range map[string]string{
		"hex":    `{"id":"item_1","object":"item","created":1700000000,"note":"` + strings.Repeat("a", 960) + `"}`,
		"words":  `{"items":[` + strings.Repeat(`{"id":"item_1","object":"item","created":1700000000,"note":"and so it goes"},`, 12) + `{"id":"item_13","object":"item"},{}]}`,
		"quotes": `{"items":[` + strings.Repeat(`{"id":"item_1","object":"item","created":1700000000,"note":"so \"it\" goes"},`, 12) + `{"id":"item_13"}]}`,
		"lines":  "{\n  \"items\": [\n" + strings.Repeat("    {\n      \"id\": \"item_1\",\n      \"created\": 1700000000\n    },\n", 15) + "    {}\n  ]\n}\n",
	} {
		b.Run(name, func(b *testing.B) { benchmarkAnswer(b, []byte(text)) })
	}
}

func benchmarkAnswer(b *testing.B, text []byte) {
	s := New([]Needle{{Value: "sk-proj-0123456789abcdefghijABCDEFGHIJ"}})
	p := make([]byte, 32<<10)
	h := http.Header{"Content-Type": {"application/json"}, "Content-Length": {"1024"}, "Date": {"Mon, 29 Nov 2027 10:00:00 GMT"}, "Etag": {`W/"0123456789abcdef"`}, "X-Request-Id": {"0123456789abcdef"}, "Vary": {"Accept-Encoding"}}
	found := new(atomic.Bool)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	began := userTime()
	defer func() { b.ReportMetric(float64(userTime()-began)/float64(b.N), "user-ns/op") }()
	for range b.N {
		res := &http.Response{StatusCode: 200, ProtoMajor: 1, Header: h, Body: endless{bytes.NewReader(text)}, ContentLength: int64(len(text))}
		if err := s.Answer(res, Options{Found: found}); err != nil {
			b.Fatal(err)
		}
		for {
			if _, err := res.Body.Read(p); err == io.EOF {
				break
			}
		}
	}
}
