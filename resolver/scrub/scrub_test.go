package scrub

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// reference replaces what a search of the whole text at once finds, without
// filters, pieces or memory: every pattern at every place of every view.
func reference(s *Set, text []byte, media media) string {
	marked := make([]bool, len(text))
	mark := func(from, to int) {
		if to-from > spelled || media == lines && bytes.ContainsAny(text[from:to], "\r\n") {
			return
		}
		for i := from; i < to; i++ {
			marked[i] = true
		}
	}
	// at is where each byte of the view begins in the text, and to where it ends.
	var look func(view []byte, at, to []int, r reading, depth int)
	look = func(view []byte, at, to []int, r reading, depth int) {
		for _, p := range s.patterns {
			for i := 0; i+len(p) <= len(view); i++ {
				if bytes.Equal(view[i:i+len(p)], p) {
					mark(at[i], to[i+len(p)-1])
				}
			}
		}
		apart := func(i int) bool { return at[i] != to[i-1] }
		s.beside(view, 0, true, apart, func(from, end int) { mark(at[from], to[end-1]) })
		if depth == 0 {
			return
		}
		var v []byte
		var vat, vto []int
		for i := 0; i < len(view); {
			e, what := escape{}, isLiteral
			if bytes.IndexByte(r.specials(), view[i]) >= 0 {
				window := view[i:]
				if e, what = r.undo(window); what == needsMore {
					e, what = r.cutOff(window)
				}
			}
			if what == isLiteral {
				v, vat, vto = append(v, view[i]), append(vat, at[i]), append(vto, to[i])
				i++
				continue
			}
			for k := range e.n {
				v, vat, vto = append(v, e.out[k]), append(vat, at[i]), append(vto, to[i+e.length-1])
			}
			i += e.length
		}
		look(v, vat, vto, r&^unwrap, depth-1)
	}
	at, to := make([]int, len(text)), make([]int, len(text))
	for i := range text {
		at[i], to[i] = i, i+1
	}
	r := escapes
	if s.folds {
		r |= fold
	}
	if media == folded {
		r |= unwrap
	}
	look(text, at, to, quotable, 1)
	look(text, at, to, r, levels)
	if media == lines {
		s.spaced(text, 0, mark)
	} else {
		without(s, text, mark)
	}
	out := bytes.Clone(text)
	for i := range out {
		if marked[i] {
			overwrite(out[i : i+1])
		}
	}
	return string(out)
}

// without looks for patterns in a text without what is left out, and for spaced hex.
func without(s *Set, text []byte, mark func(from, to int)) {
	var kept []byte
	var at []int
	for i := 0; i < len(text); {
		n, _ := leftOut(text[i:])
		if n == 0 {
			kept, at = append(kept, text[i]), append(at, i)
			n = 1
		}
		i += n
	}
	hit := func(from, to int) {
		if f, t := at[from], at[to-1]+1; t-f <= joinedReach {
			mark(f, t)
		}
	}
	for _, p := range s.patterns {
		for i := 0; i+len(p) <= len(kept); i++ {
			if bytes.Equal(kept[i:i+len(p)], p) {
				hit(i, i+len(p))
			}
		}
	}
	s.spaced(kept, 0, hit)
}

// cutter gives out a text in pieces, and then its end.
type cutter struct {
	pieces [][]byte
}

func (c *cutter) Read(p []byte) (int, error) {
	if len(c.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.pieces[0])
	if c.pieces[0] = c.pieces[0][n:]; len(c.pieces[0]) == 0 {
		c.pieces = c.pieces[1:]
	}
	return n, nil
}

func (c *cutter) Close() error { return nil }

// pieces cuts text at random places.
func pieces(rng *rand.Rand, text []byte) (ps [][]byte) {
	for len(text) > 0 {
		n := 1 + rng.IntN(len(text))
		if rng.IntN(3) > 0 {
			n = 1 + rng.IntN(min(len(text), 40))
		}
		ps, text = append(ps, text[:n]), text[n:]
	}
	return ps
}

// streamed is the text read in pieces, with a buffer of some size.
func streamed(t testing.TB, s *Set, ps [][]byte, media media, length int64, buffer int) string {
	t.Helper()
	b := &body{src: &cutter{ps}, length: length, search: search{set: s, lines: media == lines, wraps: media == wrapped}, trailer: new(http.Header), found: new(atomic.Bool)}
	var out []byte
	p := make([]byte, buffer)
	for {
		n, err := b.Read(p)
		out = append(out, p[:n]...)
		if err == io.EOF {
			return string(out)
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// compare holds the stream against the reference.
func compare(t testing.TB, s *Set, text []byte, rng *rand.Rand) {
	t.Helper()
	for _, media := range []media{lines, folded, wrapped} {
		want := reference(s, text, media)
		for _, length := range []int64{-1, int64(len(text))} {
			for _, buffer := range []int{7, 32 << 10} {
				got := streamed(t, s, pieces(rng, bytes.Clone(text)), media, length, buffer)
				if got != want {
					i := 0
					for i < len(got) && i < len(want) && got[i] == want[i] {
						i++
					}
					t.Fatalf("media %d, length %d, buffer %d: at %d of %d the stream gave\n%.200q, the reference\n%.200q\nof\n%.200q", media, length, buffer, i, len(text), got[max(0, i-50):], want[max(0, i-50):], text[max(0, i-50):])
				}
			}
		}
	}
}

// FuzzFilter: any text, cut anywhere, and any needles: what comes out is what a
// search of everything at once leaves.
func FuzzFilter(f *testing.F) {
	for i, form := range spellings(hard) {
		f.Add([]byte("before "+form+" after\n"), hard, "hunter22", uint64(i))
	}
	for i, form := range apart(hard) {
		f.Add([]byte("before "+form+" after\n"), hard, "hunter22", uint64(i))
	}
	f.Add([]byte(`X-Key: hunter22`+"\n"+`{"x-key":"hunter22"}`), "0123456789abcdef0123456789abcdef", "hunter22", uint64(1))
	f.Add(bytes.Repeat([]byte(`\\\"%41%2541&amp;#x41;`), 900), "AAAAAAAAAAAAAAAAAAAAAAAA", "A", uint64(2))
	f.Fuzz(func(t *testing.T, text []byte, strong, weak string, seed uint64) {
		if len(text) > 40<<10 || len(strong) > 4<<10 || len(weak) > 100 {
			return
		}
		s := New([]Needle{{Value: strong, Bits: 128}, {Value: weak, Names: []string{"x-key"}, Lead: "K ", Bits: 1}})
		rng := rand.New(rand.NewPCG(seed, 1))
		compare(t, s, text, rng)
		compareUsual(t, strong, text, rng)
	})
}

// compareUsual holds a set whose escapes may pass without a view against the same
// one whose may not.
func compareUsual(t testing.TB, strong string, text []byte, rng *rand.Rand) {
	t.Helper()
	s := New([]Needle{{Value: strong, Bits: 128}})
	if !s.usual {
		return
	}
	s.usual = false
	slow := map[media]string{lines: reference(s, text, lines), folded: reference(s, text, folded), wrapped: reference(s, text, wrapped)}
	s.usual = true
	for media, want := range slow {
		if got := reference(s, text, media); got != want {
			t.Fatalf("media %d: with escapes passed over\n%.300q, without\n%.300q", media, got, want)
		}
	}
	compare(t, s, text, rng)
}

// TestPassingIsNotMissing tries texts in which escapes pass without a view.
func TestPassingIsNotMissing(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for round := range 20 {
		needle := []string{"Abcdefgh1jkl+nopqr", "0123/5678", "sk-proj-0123456789abcdefghijABCDEFGHIJ", `back\slash%41&amp;x`}[round%4]
		words := append(spellings(needle), `\"`, `\n`, `\n`, " ", " ", `\u00e9`, `\u0022`, `\\`, "\n", "%", "&", "\x00", `\/`, "%0a", "%22", "%25", "a", "word", "longer-words", `"`, "é", needle[:4], needle[4:8], needle[8:], needle)
		var text []byte
		for len(text) < (round%5)*9<<10+100 {
			text = append(text, words[rng.IntN(len(words))]...)
			if rng.IntN(4) == 0 {
				text = append(text, random(rng, rng.IntN(300))...)
			}
		}
		compareUsual(t, needle, text, rng)
	}
}

// hard has characters that every encoding changes.
const hard = `s3cr/et+"k&y=0123456789<é%41>\n`

// TestStreamIsReference tries texts made of needles, parts of needles and
// escapes, longer than what is held back.
func TestStreamIsReference(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	long := random(rng, 3000)
	for round := range 12 {
		s := New([]Needle{{Value: hard}, {Value: "a b c d e f g h i j k l m n o p"}, {Value: "0123456789x"}, {Value: long}, {Value: "hunter22", Names: []string{"X-Key"}, Lead: "Key "}})
		words := append(append(spellings(hard), spellings(long)...), append(apart(hard), apart("0123456789x")...)...)
		words = append(words, "0123456789x", "0123456789", "x-key", "X-Key: Key hunter22", `"x-key\": \"`, "hunter22", "a+b+c+d+e+f+g+h+i+j+k+l+m+n+o+p", "\\", "%", "&", "=", "\n", "=\r\n", "\x00", "&#", "%25", `\u00`, `\\\\`, hard[:9], hard[9:])
		var text []byte
		for len(text) < (round%3)*12<<10+100 {
			if word := words[rng.IntN(len(words))]; rng.IntN(3) > 0 {
				text = append(text, word...)
			} else {
				text = append(text, random(rng, rng.IntN(400))...)
			}
		}
		compare(t, s, text, rng)
	}
}

func random(rng *rand.Rand, n int) string {
	const letters = `abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.`
	b := make([]byte, n)
	for i := range b {
		b[i] = letters[rng.IntN(len(letters))]
	}
	return string(b)
}

// spellings are the ways in which a service may write a value.
func spellings(v string) (all []string) {
	each := func(f func(c byte) string) string {
		var b strings.Builder
		for i := range len(v) {
			b.WriteString(f(v[i]))
		}
		return b.String()
	}
	printf := func(format string) string { return each(func(c byte) string { return fmt.Sprintf(format, c) }) }
	runes := func(format string) string {
		var b strings.Builder
		for _, r := range v {
			fmt.Fprintf(&b, format, r)
		}
		return b.String()
	}
	jsonText := jsonOf(v)
	all = append(all, v, printf("%%%02X"), printf("%%%02x"), runes(`\u%04x`), runes(`\u%04X`), runes("&#%d;"), runes("&#x%x;"), printf("=%02X"), printf("%02x"), printf("%02X"), printf(`\x%02x`),
		runes(`\u{%x}`), runes(`\x{%x}`), runes(`\x{%04x}`), runes(`\o{%o}`), runes(`\N{U+%04X}`),
		each(func(c byte) string {
			if c%3 == 0 || strings.IndexByte(`%&\"+`, c) >= 0 {
				return fmt.Sprintf("%%%02x", c)
			}
			return string([]byte{c})
		}),
		jsonText, jsonOf(jsonText), jsonOf(jsonOf(jsonText)), strings.ReplaceAll(jsonText, "/", `\/`), strings.ReplaceAll(jsonText, "+", `\u002b`),
		strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#39;").Replace(v), strings.ReplaceAll(v, `"`, `""`),
		strings.NewReplacer(`%`, `%25`, `&`, `%26`, `+`, `%2B`, "\\", "%5C").Replace(v))
	return append(all, coded(v)...)
}
