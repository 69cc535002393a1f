package scrub

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// apart are spellings that no single byte introduces: hex with something between its
// digits or in mixed case, and base64 wrapped over lines.
func apart(v string) (all []string) {
	for _, format := range []string{"%02x:", "%02X ", "%02x-", "%02X, ", "%02x_"} {
		var b strings.Builder
		for _, c := range []byte(v) {
			fmt.Fprintf(&b, format, c)
		}
		all = append(all, strings.TrimRight(b.String(), ":-, _"))
	}
	digits := hex.EncodeToString([]byte(v))
	mixed := []byte(digits)
	for i := 0; i < len(mixed); i += 3 {
		mixed[i] = strings.ToUpper(digits)[i]
	}
	all = append(all, string(mixed), every(digits, 4, " "), every(digits, 8, "."))
	return append(all, wraps(v)...)
}

func wraps(v string) (all []string) {
	for _, text := range []string{v, "x" + v + "y", "user:" + v} {
		for _, end := range []string{"\n", "\r\n", "\n    ", "\n\t"} {
			for _, width := range []int{1, 5, 20, 76} {
				all = append(all, every(base64.StdEncoding.EncodeToString([]byte(text)), width, end), every(base64.RawURLEncoding.EncodeToString([]byte(text)), width, end))
			}
		}
	}
	return all
}

func every(v string, n int, sep string) string {
	var b strings.Builder
	for len(v) > n {
		b.WriteString(v[:n] + sep)
		v = v[n:]
	}
	return b.String() + v
}

// What has something between its parts is found in texts of known length, compressed
// ones too, and of streams what stands in one line.
func TestApart(t *testing.T) {
	const value = "canary-bearer-5d41402abc4b2a76b9719d911017c592"
	s := New([]Needle{{Value: value}})
	for _, form := range apart(value) {
		overLines := strings.Contains(form, "\n")
		for _, around := range []string{"%s", "a text: %s.\n", "key=%s;\nmore", strings.Repeat("filler of no use\n", 2000) + "<%s>", "QWxhZGRpbg==\n%s\nQUFB"} {
			text := fmt.Sprintf(around, form)
			for _, coding := range []string{"", "gzip"} {
				for _, length := range []bool{true, false} {
					if overLines && !length {
						continue // lines of a stream go out at once
					}
					res := answer("text/plain", coding, encoded(t, coding, []byte(text)), length)
					if err := s.Answer(res, Options{}); err != nil {
						t.Fatal(err)
					}
					got, err := io.ReadAll(res.Body)
					if err != nil || strings.Count(string(got), "*") < len(value) || len(got) != len(text) {
						t.Errorf("%q in %.20q as %q, length %v: %.100q, %v", form, around, coding, length, got, err)
					}
				}
			}
		}
		if overLines {
			continue
		}
		h := map[string][]string{"X-Echo": {form}}
		if !s.Header(h) || strings.Count(h["X-Echo"][0], "*") < len(value) {
			t.Errorf("the header %q became %q", form, h["X-Echo"])
		}
	}
}

// What only looks like it stays as it is.
func TestNotApart(t *testing.T) {
	s := New([]Needle{{Value: "canary-bearer-5d41402abc4b2a76b9719d911017c592"}})
	rng := rand.New(rand.NewPCG(7, 8))
	var b strings.Builder
	for range 2000 {
		fmt.Fprintf(&b, "%v, %v\n%x:%x QWxh\nZGRp 550E8400-e29b-41d4 %.2x\n", rng.Float64(), rng.IntN(100), rng.IntN(256), rng.IntN(256), rng.Uint64())
	}
	res := answer("text/plain", "", []byte(b.String()), true)
	if err := s.Answer(res, Options{}); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(res.Body); err != nil || string(got) != b.String() {
		t.Errorf("a text without an echo was changed: %v", err)
	}
}
