package scrub

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"
)

// apart are spellings that no single byte introduces: hex with something between its
// digits or in mixed case, and base64 wrapped over lines.
func apart(v string) (all []string) {
	for _, format := range []string{"%02x:", "%02X ", "%02x-", "%02X, ", "%02x_", "%02x\t", "%02X\u00a0", "%02x   ", "%02x|", "%02X / ", "%02x;", "%02x+"} {
		var b strings.Builder
		for _, c := range []byte(v) {
			fmt.Fprintf(&b, format, c)
		}
		all = append(all, strings.TrimRight(b.String(), ":-, _\t\u00a0|/;+"))
	}
	digits := hex.EncodeToString([]byte(v))
	mixed := []byte(digits)
	for i := 0; i < len(mixed); i += 3 {
		mixed[i] = strings.ToUpper(digits)[i]
	}
	all = append(all, string(mixed), every(digits, 4, " "), every(digits, 8, "."))
	for _, sep := range []string{":\n", " |\r\n    ", "\n", "\t\n"} {
		all = append(all, every(digits, 2, sep))
	}
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

// keysOfAllAlphabets are keys of the kinds that services give out.
var keysOfAllAlphabets = []string{
	"0f3a9c71d4e85b26af190f3a9c71d4e8", "0f3a9c71-d4e8-5b26-af19-77c2e1b04d6a", "xoxb-123456789012-AbCdEfGhIjKlMnOpQrStUvWx", "sk_live_0123456789abcdefABCDEF",
	"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6Ik5vYm9keSJ9.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "ya29.a0AfB_byC1234567890-abcdefghijkl.mnopqrstuvw",
	"p4ss@w0rd!with#many$marks%and^so&on*(7)", "QWxhZGRpbjpvcGVuIHNlc2FtZQ0123456789==", "aB3+/cD4eF5gH6iJ7kL8mN9oP0=4", `q"uo<te>d\\and{br}aced~key'1234567`, "a pass phrase of 7 words, 1 mark",
}

// gaps are what wraps a text or sets its parts apart.
var gaps = []string{"\n", "\r\n", "\r", " \n", "\t\r\n", "\n\n", "\r\n\r\n", "\\\n", "\\\r\n  ", "\r\n ", "\n\t", " ", "   ", "\t", "\u00a0", "\u2028", "\u2029", "\u0085", "\v", "\f", "\u200b", "\ufeff", "\u00ad", "\n    \n"}

// A key itself, of any alphabet, is found with gaps in it, as are its encodings.
func TestGaps(t *testing.T) {
	for _, key := range keysOfAllAlphabets {
		s := New([]Needle{{Value: key}})
		for _, v := range []string{key, base64.StdEncoding.EncodeToString([]byte("u:" + key)), hex.EncodeToString([]byte(key)), url.QueryEscape(key)} {
			for _, gap := range gaps {
				for _, form := range []string{v[:12] + gap + v[12:], every(v, 4, gap), every(v, 64, gap)} {
					for contentType, length := range map[string]bool{"text/plain": true, "text/calendar; charset=utf-8": false, "text/x-vcard": false, "message/rfc822": false} {
						for _, before := range []string{"key ", strings.Repeat("filler, of no é use\n", 1700)} {
							if len(before) > hold && (contentType != "text/plain" || len(gap) > 2) {
								continue // longer JSON goes out as it comes
							}
							text := before + form + "\nafter"
							res := answer(contentType, "", []byte(text), length)
							if err := s.Answer(res, Options{}); err != nil {
								t.Fatal(err)
							}
							got, err := io.ReadAll(res.Body)
							if err != nil || len(got) != len(text) || bytes.Count(got, []byte("*")) < len(key)/2+strings.Count(form, "*") || bytes.Contains(got, []byte(form[len(form)-6:]+"\na")) && !strings.HasSuffix(form, "=") {
								t.Fatalf("%q as %s behind %d bytes: %.300q, %v", form, contentType, len(before), got[len(before):], err)
							}
						}
					}
				}
			}
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
