package scrub

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"unicode/utf16"

	"golang.org/x/text/encoding/charmap"
)

// A text in a charset that cannot be read is refused, whatever its answer looks like,
// and so is a label that says nothing.
func TestCharsets(t *testing.T) {
	for _, c := range []struct {
		contentType string
		ok          bool
	}{
		{"text/plain; charset=utf-8", true}, {"text/plain;charset=UTF8", true}, {`text/plain; charset="utf-8"`, true}, {"text/html; charset=ISO-8859-1", true}, {"text/html; Charset=iso_8859-15", true}, {"text/html; charset=latin1", true}, {"text/html; charset=windows-1252", true}, {"text/html; charset=cp1251", true},
		{"application/json; charset=utf-16", true}, {"text/plain; charset=UTF-16LE", true}, {"text/plain; charset=utf-32", true}, {"text/html; charset=Shift_JIS", true}, {"text/html; charset=gbk", true}, {"text/html; charset=GB18030", true}, {"text/html; charset=EUC-JP", true}, {"text/html; charset=euc-kr", true}, {"text/html; charset=Big5", true}, {"text/html; charset=KOI8-R", true},
		{"text/plain; charset=", true}, {"text/plain", true}, {"", true}, {"text/plain; charset=us-ascii; format=flowed", true}, {"text/plain; charset=ANSI_X3.4-1968", true}, {"text/plain; charset=IBM850", true}, {"text/plain; charset=binary", true}, {"application/json; charset=utf-8, application/json", true}, {"text/plain; x-charset=utf-7", true},
		{"text/plain; charset=utf-7", false}, {"text/plain; charset=UTF7", false}, {"text/plain; charset=x-imap4-modified-utf7", false}, {"text/plain; charset=IBM037", false}, {"text/plain; charset=cp1047", false}, {"text/plain; charset=cp500", false}, {"text/plain; charset=ebcdic-cp-us", false}, {"text/plain; charset=IBM-1047", false}, {"text/plain; charset=cp1140", false},
		{"text/plain; charset=iso-2022-jp", false}, {"text/plain; charset=ISO-2022-KR", false}, {"text/plain; charset=hz-gb-2312", false}, {"text/plain; charset=koi-7", false}, {"text/plain; charset=nonsense", false}, {"application/json; charset=scsu", false}, {"text/plain; charset=bocu-1", false}, {"text/plain; charset=punycode", false}, {"text/plain; charset=utf-8-ebcdic", false}, {"text/plain; charset=utf\u00ad-8", false},
		{"text/plain; charset=utf-8; charset=utf-7", false}, {"text/plain; charset=utf-7; charset=utf-8", false}, {`text/plain; charset="utf-7"`, false}, {"text/plain; charset = utf-7", false}, {"text/plain; charset*=utf-8''utf-7", false}, {"text/plain, text/plain; charset=utf-7", false}, {"image/png; charset=utf-7", false}, {"text/plain; CHARSET='IBM037'", false},
		{"image/png", true}, {"application/octet-stream", true}, {"multipart/mixed; boundary=charset", true},
	} {
		res := answer(c.contentType, "", []byte("x"), true)
		var blind *Unsearchable
		if err := canaries.Answer(res, Options{}); errors.As(err, &blind) == c.ok || c.ok && err != nil {
			t.Errorf("%q: %v, want it to pass: %v", c.contentType, err, c.ok)
		}
	}
	var none *Set // nothing was placed
	if err := none.Answer(answer("text/plain; charset=utf-7", "", []byte("x"), true), Options{}); err != nil {
		t.Errorf("without a credential: %v", err)
	}
}

// What a text says of itself is read too, where XML says it, in whatever pieces it comes.
func TestDeclaredCharsets(t *testing.T) {
	ebcdic := func(s string) string {
		s, err := charmap.CodePage037.NewEncoder().String(s)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, c := range []struct {
		text string
		ok   bool
	}{
		{`<?xml version="1.0"?><a>x</a>`, true}, {`<?xml version="1.0" encoding="utf-8"?><a/>`, true}, {`<?xml version='1.0' encoding = 'ISO-8859-1' ?><a/>`, true}, {"<a/>", true}, {"<?xml", true}, {"<?xml encoding=\"utf", true}, {"<", true}, {"", true}, {"\ufeff<?xml version='1.0'?>\n", true}, {"<?php encoding='utf-7'", true}, {"<?xml version='1.0'?><a encoding='utf-7'/>", true}, {"LINE", true},
		{`<?xml version="1.0" encoding="UTF-7"?><a>x</a>`, false}, {"<?xml version='1.0'\n encoding='IBM037'?>", false}, {"\ufeff<?xml version='1.0' encoding='x'?>", false}, {ebcdic("<?xml version='1.0' encoding='IBM037'?><a/>"), false},
	} {
		for size := range 5 {
			for _, length := range []bool{true, false} {
				var pieces [][]byte
				for b := []byte(c.text); len(b) > 0; {
					n := min(len(b), size*size*size+1)
					pieces, b = append(pieces, b[:n]), b[n:]
				}
				res := answer("application/xml", "", nil, length)
				if res.Body = (&cutter{pieces}); length {
					res.ContentLength = int64(len(c.text))
				}
				err := canaries.Answer(res, Options{})
				if err != nil {
					t.Fatal(err)
				}
				b, err := io.ReadAll(res.Body)
				var blind *Unsearchable
				if errors.As(err, &blind) == c.ok || c.ok && string(b) != c.text {
					t.Errorf("%q in pieces of %d, length %v: %q, %v", c.text, size, length, b, err)
				}
			}
		}
	}
}

func TestWideCharsetsAreSearched(t *testing.T) {
	for name, width := range map[string]int{"utf-16": 2, "utf-32": 4} {
		for _, big := range []bool{true, false} {
			var b []byte
			for _, unit := range utf16.Encode([]rune(`{"a":"` + canary + `"}`)) {
				wide := make([]byte, width)
				at := 0
				if big {
					at = width - 1
				}
				wide[at] = byte(unit)
				b = append(b, wide...)
			}
			res := answer("text/plain; charset="+name, "", b, true)
			if err := canaries.Answer(res, Options{}); err != nil {
				t.Fatal(err)
			}
			got, _ := io.ReadAll(res.Body)
			if plain := strings.ReplaceAll(string(got), "\x00", ""); strings.Contains(plain, canary) || len(got) != len(b) {
				t.Errorf("%s: %q", name, plain)
			}
		}
	}
}

func TestAcceptCharset(t *testing.T) {
	for v, stays := range map[string]bool{"utf-8": true, "utf-8, iso-8859-1;q=0.5, *;q=0.1": true, "utf-7": false, "utf-8, IBM037;q=1": false} {
		h := http.Header{"Accept-Charset": {v}}
		if Charsets(h); (len(h) > 0) != stays {
			t.Errorf("%s became %v", v, h)
		}
	}
}
