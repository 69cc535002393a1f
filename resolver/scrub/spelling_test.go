package scrub

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"math/rand/v2"
	"mime/quotedprintable"
	"net/url"
	"strings"
	"testing"
	"unicode/utf16"
)

func jsonOf(v string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v)
	return strings.TrimSuffix(b.String(), "\n")[1 : b.Len()-2]
}

// coded are base64 forms, also inside longer texts, bare and escaped.
func coded(v string) (all []string) {
	for before := range 3 {
		text := []byte("ab"[:min(before, 2)] + v + "xyz"[:before])
		for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
			c := enc.EncodeToString(text)
			all = append(all, c, strings.ReplaceAll(c, "/", `\/`), strings.NewReplacer("+", "%2B", "/", "%2F", "=", "%3D").Replace(c), strings.NewReplacer("+", `\u002b`, "/", `\u002f`, "=", `\u003d`).Replace(c))
		}
	}
	return all
}

// Every spelling of a value is found, in JSON, in a stream of lines and in MIME.
func TestSpellings(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, v := range []string{hard, `sk-proj-9876543210abcdefghij`, `p4ss w0rd with spaces and 'quotes'`, random(rng, 1200), "äöü-9876543210-ßßß-01234567"} {
		s := New([]Needle{{Value: v}})
		for _, form := range spellings(v) {
			for _, around := range [][2]string{{`{"a":"`, `"}`}, {"x=", "&y=2"}, {"", ""}, {"<k>", "</k>"}, {`\`, `\`}} {
				text := around[0] + form + around[1] + "\n"
				out := []byte(text)
				if !s.whole(out, true) || len(out) != len(text) || bytes.Count(out, []byte("*")) < len(v)-4 {
					if around[0] == `\` && form != v {
						continue // the backslash belongs to what follows it
					}
					t.Errorf("%.300q became %.300q", text, out)
				}
			}
		}
	}
}

// A service that encodes the whole request line or body encodes what the value is
// there, and not the value.
func TestEncodedWireForms(t *testing.T) {
	for _, v := range []string{"sk-Ab+Cd/9Xz_q.7Yt=wE2rT5yU8iO0pL3k", `with "quotes" \ and 9876543210`, `"quoted-9876543210-whole"`, "a space, an ampersand & more 9876543210", strings.Repeat("+/=", 500)} {
		s := New([]Needle{{Value: v}})
		quoted, _ := json.Marshal(v)
		for _, form := range []string{url.QueryEscape(v), strings.ReplaceAll(url.QueryEscape(v), "+", "%20"), url.PathEscape(v), string(quoted)} {
			for i, encode := range []func(string) string{
				func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
				func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) },
				func(s string) string { return hex.EncodeToString([]byte(s)) },
			} {
				for _, before := range []string{"/e?key=", "/e?kkey=", "/e?kkkey="} {
					out := []byte(encode(before + form + "&z=1"))
					whole := len(out)
					if !s.whole(out, true) || len(out) != whole || bytes.Count(out, []byte("*")) < len(form)-8 {
						t.Errorf("encoding %d of %.80q became %.200q", i, before+form, out)
					}
				}
			}
		}
	}
}

// What MIME wraps is found where the type may hold MIME.
func TestWrapped(t *testing.T) {
	v := strings.Repeat(hard, 8)
	s := New([]Needle{{Value: v}})
	b64 := base64.StdEncoding.EncodeToString([]byte("xx" + v + "yy"))
	var lines []string
	for len(b64) > 76 {
		lines, b64 = append(lines, b64[:76]), b64[76:]
	}
	var qp bytes.Buffer
	w := quotedprintable.NewWriter(&qp)
	_, _ = w.Write([]byte("a long line before it, so that it begins late: " + v))
	_ = w.Close()
	for _, text := range []string{strings.Join(append(lines, b64), "\r\n"), qp.String()} {
		out := []byte(text)
		if !s.whole(out, false) || bytes.Count(out, []byte("*")) < len(v) || !bytes.Contains(out, []byte("\r\n")) {
			t.Errorf("%q became %q", text, out)
		}
	}
}

// Escapes that pass without a view pass only where no needle can go over them.
func TestEscapesThatPass(t *testing.T) {
	needle := "Abcdefgh1jkl+nopqr"
	s := New([]Needle{{Value: needle}})
	for _, text := range []string{
		`Abcd\nefgh1jkl+nopqr`, `{\"k\":\"Abcdefgh1jkl\u002bnopqr\"}`, ` a\nb Abcdefgh1jkl\U0000002bnopqr a\nb `, `Abcdefgh1jkl&#000000000000043;nopqr`, `Abcdefgh1jkl&#x0000000000002b;nopqr`, `Abcdefgh1jkl%2525252bnopqr`,
		`\u0041\u0062\u0063\u0064\u0065\u0066\u0067\u0068\u0031\u006a\u006b\u006c\u002b\u006e\u006f\u0070\u0071\u0072`, `"\"A\nb\nc\nd\ne\nf\ng\nh\n1\nj\nk\nl\n+\nn\no\np\nq\nr"`, `\\u0041bcdefgh1jkl+nopqr`,
		"A\x00b\x00c\x00d\x00e\x00f\x00g\x00h\x001\x00j\x00k\x00l\x00+\x00n\x00o\x00p\x00q\x00r\x00",
	} {
		for _, pad := range []string{"", strings.Repeat(`\"a\" \n `, 700)} {
			out := []byte(pad + text + pad)
			s.whole(out, true)
			if strings.Count(string(out), "*") < len(needle) {
				t.Errorf("%q (%d bytes before) became %q", text, len(pad), out[len(pad):len(pad)+len(text)])
			}
		}
	}
	for _, v := range []string{`Abcdefgh "quoted" 1jk`, "Abcdefgh\t1jkl/nopqr", "Abcdéfgh1jkl+nopqr", "Abc defgh1jkl nopqr"} {
		out := []byte(`{"k":"` + strings.NewReplacer(`"`, `\"`, "\t", `\t`, "é", `\u00e9`, " ", `\u0020`).Replace(v) + `"}`)
		if New([]Needle{{Value: v}}).whole(out, true); !strings.Contains(string(out), "****************") {
			t.Errorf("%q became %q", v, out)
		}
	}
}

// Two bytes for each character, in either order.
func TestUTF16(t *testing.T) {
	s := New([]Needle{{Value: hard}})
	for _, text := range []string{`{"k":"` + hard + `"}`, `{"k":"` + jsonOf(hard) + `"}`} {
		for _, big := range []bool{true, false} {
			var b []byte
			for _, u := range utf16.Encode([]rune(strings.ReplaceAll(text, "é", "e"))) {
				if big {
					b = append(b, byte(u>>8), byte(u))
				} else {
					b = append(b, byte(u), byte(u>>8))
				}
			}
			set := s
			if strings.Contains(hard, "é") {
				set = New([]Needle{{Value: strings.ReplaceAll(hard, "é", "e")}})
			}
			n := len(b)
			if !set.whole(b, true) || len(b) != n || bytes.Count(b, []byte("*")) < len(hard)-2 || bytes.Count(b, []byte{0}) != n/2 {
				t.Errorf("UTF-16 (big: %v): %q", big, b)
			}
		}
	}
}

// A value that could be guessed is replaced only beside its name, as a word.
func TestGuessable(t *testing.T) {
	s := New([]Needle{{Value: "hunter22", Names: []string{"X-Api-Key"}}, {Value: "1234", Names: []string{"pin"}}, {Value: "dTpodW50ZXIyMg==", Names: []string{"Authorization"}, Lead: "Basic ", Bits: 40}})
	for text, want := range map[string]string{
		`{"X-Api-Key": "hunter22"}`:                        `{"X-Api-Key": "********"}`,
		`{"x-api-key":["hunter22"]}`:                       `{"x-api-key":["********"]}`,
		`{\"X-API-KEY\": \"hunter22\"}`:                    `{\"X-API-KEY\": \"********\"}`,
		`HTTP_X_API_KEY=hunter22`:                          `HTTP_X_API_KEY=********`,
		`{"name":"x-api-key","value":"hunter22"}`:          `{"name":"x-api-key","value":"********"}`,
		`<x-api-key>hunter22</x-api-key>`:                  `<x-api-key>********</x-api-key>`,
		`?pin=1234&a=1234`:                                 `?pin=****&a=1234`,
		`pin=12345`:                                        `pin=12345`,
		`pin=%31234`:                                       `pin=******`,
		`hunter22`:                                         `hunter22`,
		`{"password":"hunter22"}`:                          `{"password":"hunter22"}`,
		`{"X-Api-Key":"hunter2"}`:                          `{"X-Api-Key":"hunter2"}`,
		`{"X-Api-Key":"hunter222"}`:                        `{"X-Api-Key":"hunter222"}`,
		"x-api-key:\nhunter22":                             "x-api-key:\nhunter22",
		`"authorization": "Basic dTpodW50ZXIyMg=="`:        `"authorization": "Basic ****************"`,
		`"Authorization":"Basic dTpodW50ZXIyMg\u003d="}`:   `"Authorization":"Basic *********************"}`,
		`Authorization: Basic dTpodW50ZXIyMg==, pin: 1234`: `Authorization: Basic ****************, pin: ****`,
	} {
		out := []byte(text)
		s.whole(out, true)
		if string(out) != want {
			t.Errorf("%s became\n%s, want\n%s", text, out, want)
		}
	}
}

func TestBits(t *testing.T) {
	for v, strong := range map[string]bool{
		"12345678901234567890": true, "1234567890123456789": false, "0123456789abcdef": true, "0123456789abcde": false,
		"hunter22": false, "correcthorse": false, "AbCdEfGhIjKl": true, "aB3dE5gH7jK9": true, "aB3dE5gH7j": false, "sk-12345": false,
	} {
		if got := Bits(v) >= Guessable; got != strong {
			t.Errorf("Bits(%s) = %d, want strong: %v", v, Bits(v), strong)
		}
	}
}

// The longest of several values is replaced whole, whatever their order.
func TestOverlapping(t *testing.T) {
	long, short := "key-abcdefghijklmnopqrstuvwxyz-0123456789", "abcdefghijklmnopqrstuvwxyz"
	for _, needles := range [][]Needle{{{Value: long}, {Value: short}}, {{Value: short}, {Value: long}}} {
		out := []byte("<" + long + ">")
		New(needles).whole(out, true)
		if want := "<" + strings.Repeat("*", len(long)) + ">"; string(out) != want {
			t.Errorf("became %s, want %s", out, want)
		}
	}
}
