package scrub

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// script is a service that sends pieces of a text at certain moments.
type script struct {
	text  []byte
	parts []part
	ends  error
}

type part struct {
	wait time.Duration
	n    int
}

type player struct {
	script
	rest []byte
}

func (p *player) Read(b []byte) (int, error) {
	if len(p.rest) == 0 {
		if len(p.parts) == 0 {
			return 0, p.ends
		}
		next := p.parts[0]
		p.parts = p.parts[1:]
		time.Sleep(next.wait)
		p.rest, p.text = p.text[:next.n], p.text[next.n:]
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

func (p *player) Close() error { return nil }

// trace is all that an agent sees of a body: which bytes came when.
func trace(s *Set, sc script, media media, length int64) string {
	var b strings.Builder
	sc.parts = append([]part(nil), sc.parts...)
	r := &body{src: &player{script: sc}, length: length, search: search{set: s, lines: media != folded}, trailer: new(http.Header), found: new(atomic.Bool)}
	defer r.Close()
	began, p := time.Now(), make([]byte, 32<<10)
	for {
		n, err := r.Read(p)
		fmt.Fprintf(&b, "%v: %q %v\n", time.Since(began), p[:n], err)
		if err != nil {
			return b.String()
		}
	}
}

// scripts cuts a text at random places, with pauses shorter and longer than
// what is waited for.
func scripts(rng *rand.Rand, text []byte) script {
	sc := script{text: text, ends: io.EOF}
	for left := len(text); left > 0; {
		n := 1 + rng.IntN(min(left, 1+rng.IntN(3000)))
		sc.parts = append(sc.parts, part{time.Duration(rng.IntN(4)) * patience / 3 * time.Duration(rng.IntN(2)), n})
		left -= n
	}
	return sc
}

// What an agent sees is the same, byte for byte and moment for moment, for every
// secret of the same length that does not stand in the text: also where the text
// is all of the secret but one character, in any spelling.
func TestNothingDependsOnWhatDoesNotOccur(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for round := range 40 {
		secret := random(rng, []int{16, 40, 200, 1500}[round%4])
		other := random(rng, len(secret))
		var text []byte
		for len(text) < 200+(round%3)*15000 {
			near := spellings(secret)
			word := near[rng.IntN(len(near))]
			cut := rng.IntN(len(word)/2) + 1 // never a form as a whole
			switch rng.IntN(5) {
			case 0:
				text = append(text, word[:len(word)-cut]...)
			case 1:
				text = append(text, word[cut:]...)
			case 2:
				text = append(text, secret[:len(secret)-1]...)
				text = append(text, secret[len(secret)-1]^1)
			case 3:
				text = append(text, random(rng, rng.IntN(200))...)
			case 4:
				text = append(text, "\n"[:rng.IntN(2)]...)
			}
		}
		set := New([]Needle{{Value: secret}})
		if set.whole(bytes.Clone(text), true) || set.whole(bytes.Clone(text), false) {
			continue // chance put one together
		}
		sc := scripts(rng, text)
		for _, media := range []media{lines, folded} {
			for _, length := range []int64{-1, int64(len(text))} {
				var seen [3]string
				for i, s := range []*Set{set, New([]Needle{{Value: other}}), New(nil)} {
					synctest.Test(t, func(t *testing.T) { seen[i] = trace(s, sc, media, length) })
				}
				if seen[0] != seen[1] || seen[0] != seen[2] {
					t.Fatalf("round %d, media %d, length %d: the agent sees a difference:\n%.2000s\nand\n%.2000s", round, media, length, seen[0], seen[1])
				}
			}
		}
	}
}

// When bytes come: complete lines at once, others when they have waited, and all
// of it at the end; what is broken off in a line is not given out.
func TestWhenBytesCome(t *testing.T) {
	s := New([]Needle{{Value: "0123456789abcdefghijklmnop"}})
	for name, c := range map[string]struct {
		parts []part
		text  string
		ends  error
		media media
		want  string
	}{
		"an event":                {[]part{{0, 9}, {time.Second, 9}}, "data: 1\n\ndata: 2\n\n", io.EOF, lines, `0s: "data: 1\n\n" <nil>|1s: "data: 2\n\n" <nil>|1s: "" EOF`},
		"a line in two":           {[]part{{0, 3}, {time.Second, 3}}, "abcde\n", io.EOF, lines, `1s: "abcde\n" <nil>|1s: "" EOF`},
		"half a line":             {[]part{{0, 3}, {time.Minute, 3}}, "abcdef", io.EOF, lines, `5s: "abc" <nil>|1m0s: "def" <nil>|1m0s: "" EOF`},
		"a slow line":             {[]part{{0, 1}, {time.Second, 1}, {time.Second, 1}, {time.Hour, 1}}, "abcd", io.EOF, lines, `5s: "a" <nil>|6s: "b" <nil>|7s: "c" <nil>|1h0m2s: "d" <nil>|1h0m2s: "" EOF`},
		"MIME":                    {[]part{{0, 4}, {time.Minute, 3}}, "abc\ndef", io.EOF, folded, `5s: "abc\n" <nil>|1m0s: "def" <nil>|1m0s: "" EOF`},
		"broken off":              {[]part{{0, 7}}, "abc\ndef", io.ErrUnexpectedEOF, lines, `0s: "abc\n" <nil>|0s: "" unexpected EOF`},
		"an echo in two":          {[]part{{0, 14}, {4 * time.Second, 14}}, "x 0123456789abcdefghijklmnop", io.EOF, lines, `4s: "x **************************" <nil>|4s: "" EOF`},
		"an echo that comes late": {[]part{{0, 14}, {time.Minute, 15}}, "x 0123456789abcdefghijklmnop\n", io.EOF, lines, `5s: "x 0123456789ab" <nil>|1m0s: "**************\n" <nil>|1m0s: "" EOF`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got := trace(s, script{[]byte(c.text), c.parts, c.ends}, c.media, -1)
				if got = strings.ReplaceAll(strings.TrimSpace(got), "\n", "|"); got != c.want {
					t.Errorf("the agent sees\n%s, want\n%s", got, c.want)
				}
			})
		})
	}
}

// An answer that is broken off before the length that it said is given out up to
// its last line that is complete.
func TestBrokenOffBeforeItsLength(t *testing.T) {
	s := New([]Needle{{Value: "0123456789abcdefghijklmnop"}})
	var got string
	synctest.Test(t, func(t *testing.T) {
		got = trace(s, script{[]byte("abc\nx 0123456789abcdefghijklmnop\ngh"), []part{{0, 35}}, io.ErrUnexpectedEOF}, lines, 100)
	})
	if want := "0s: \"abc\\nx **************************\\n\" <nil>\n0s: \"\" unexpected EOF\n"; got != want {
		t.Errorf("the agent sees\n%s, want\n%s", got, want)
	}
}

// A reader that is closed while it waits ends, and leaves no goroutine.
func TestCloseWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, w := io.Pipe()
		go w.Write([]byte("half a line"))
		b := &body{src: src, length: -1, search: search{set: New(nil), lines: true}, trailer: new(http.Header), found: new(atomic.Bool)}
		ended := make(chan error)
		go func() {
			_, err := io.Copy(io.Discard, b)
			ended <- err
		}()
		time.Sleep(time.Second)
		b.Close()
		if err := <-ended; !errors.Is(err, io.ErrClosedPipe) && !errors.Is(err, http.ErrBodyReadAfterClose) {
			t.Errorf("the reader got %v", err)
		}
	})
}
