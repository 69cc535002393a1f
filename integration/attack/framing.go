package main

import (
	"fmt"
	"strings"
	"time"
)

// twinSecrets are credentials of equal length, for connectors that differ in
// nothing else. What an agent sees through one of them must be what it sees
// through any other, as long as neither secret stands in the text.
func twinSecrets() map[string]string {
	return map[string]string{
		"t0": "sk-9f86d081884c7d659a2feaa0c55ad015", "t1": "sk-2c624232cdd221771294dfbb310aca00", "t2": "Qw7Lx0Vb3Nn8Mz5Kp2Jh6Gt4Fd1Sa9Ye0Ru",
	}
}

// guesses are the beginnings of the first twin's secret that are tried: none,
// some, all but one character; and its end.
func guesses(secret string) (all []string) {
	for _, n := range []int{0, 1, 4, 8, 15, 16, 17, 24, len(secret) - 1} {
		all = append(all, secret[:n]+"!")
	}
	return append(all, "!"+secret[1:], strings.Repeat(secret[:len(secret)-1]+" ", 40))
}

// seen is what an agent can tell of an answer beside its text.
type seen struct {
	pieces, body string
	took         time.Duration
}

// playFraming has a text with each guess come through every twin, and compares.
// The machine may be busy: only what differs every time is a difference.
func playFraming(s *stage, a *attack) (broken, record string) {
	const patience = 4
	for _, guess := range guesses(s.twins["t0"]) {
		for _, other := range []string{"t1", "t2"} {
			var first, second seen
			for range patience {
				first, second = s.look(a, "t0", guess), s.look(a, other, guess)
				if first.like(second) {
					break
				}
			}
			if !first.like(second) {
				return fmt.Sprintf("with the guess %q the answer is framed as %s in %v, and through %s as %s in %v", guess, first.pieces, first.took, other, second.pieces, second.took),
					fmt.Sprintf("%q\n%q\n", clip(first.body, 2000), clip(second.body, 2000))
			}
			if first.body == "" {
				return "nothing came: this tests nothing", first.pieces
			}
		}
	}
	return "", ""
}

func (x seen) like(y seen) bool {
	return x.pieces == y.pieces && x.body == y.body && (x.took-y.took).Abs() < 400*time.Millisecond
}

// look fetches the text through one twin.
func (s *stage) look(a *attack, twin, guess string) seen {
	id := fmt.Sprintf("a%d", attempts.Add(1))
	st := s.filled(a.step, map[string]string{"id": id, "guess": guess})
	st.Connector = strings.Replace(a.Connector, "twin", twin, 1)
	if st.Door == "" {
		st.Door = a.door
	}
	s.got.answer(id, st.Says)
	defer s.got.forget(id)
	began := time.Now()
	got := s.send(&st, s.compose(&st, id))
	body := got.read
	if i := strings.LastIndex(body, "BEGIN"); i >= 0 {
		body = body[i:]
	}
	return seen{got.pieces, body, time.Since(began)}
}

// playUnconfirmed has a whole guess come back: of a value that is never placed, or
// that is weak and stands alone, it must come as it is.
func playUnconfirmed(s *stage, a *attack) (broken, record string) {
	id := fmt.Sprintf("a%d", attempts.Add(1))
	st := s.filled(a.step, map[string]string{"id": id})
	st.Door = a.door
	s.got.answer(id, st.Says)
	defer s.got.forget(id)
	got := s.send(&st, s.compose(&st, id))
	if len(s.got.of(id)) == 0 {
		return "nothing reached the service: this tests nothing", got.raw
	}
	if !strings.Contains(got.read, st.Says.Body) {
		return "an answer was changed where it holds the right guess of a value that is not placed there", got.raw
	}
	return "", ""
}
