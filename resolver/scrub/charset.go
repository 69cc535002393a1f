package scrub

import (
	"bytes"
	"net/http"
	"strings"
)

// charsets are those in which a credential can be found: ASCII stands for itself in
// them, or between zeros. Labels are in lower case and without what separates words.
// Any other (EBCDIC's, UTF-7, those that shift by escapes, unknown ones) makes another
// text of it.
var charsets = func() map[string]bool {
	known := map[string]bool{"": true}
	for _, each := range []struct{ before, labels string }{
		{"", "utf8 utf8mb3 utf8mb4 utf8sig utf8bom xutf8 unicode11utf8 unicode20utf8 xunicode20utf8 cesu8 wtf8 binary 7bit 8bit xuserdefined"},
		{"", "ascii usascii ansi ansix341968 ansix341986 iso646us us csascii"},
		{"", "utf16 utf16le utf16be utf32 utf32le utf32be ucs2 ucs4 unicode csunicode unicodefeff unicodefffe iso10646ucs2 iso10646ucs4"},
		{"iso8859", "1 2 3 4 5 6 6e 6i 7 8 8e 8i 9 10 11 13 14 15 16 11987 21987 31988 41988 51988 61987 71987 81988 91989"},
		{"latin", "1 2 3 4 5 6 7 8 9 10"}, {"l", "1 2 3 4 5 6 9"}, {"csisolatin", "1 2 3 4 5 6 9 arabic cyrillic greek hebrew"},
		{"windows", "874 932 936 949 950 1250 1251 1252 1253 1254 1255 1256 1257 1258 31j"},
		{"cp", "367 437 737 775 819 850 852 855 857 858 860 861 862 863 864 865 866 866u 869 874 932 936 943 949 950 1125 1250 1251 1252 1253 1254 1255 1256 1257 1258 65001"},
		{"ibm", "367 437 737 775 819 850 852 855 857 858 860 861 862 863 864 865 866 869 874 943 1252"},
		{"xcp", "1250 1251 1252 1253 1254 1255 1256 1257 1258"}, {"ms", "932 936 949 950"}, {"xwindows", "874 949 950"}, {"dos", "862 866 874"},
		{"koi8", " r u ru t f"}, {"koi", " 7 8"}, {"cskoi8", "r"}, {"", "macintosh mac macroman xmacroman csmacintosh xmaccyrillic xmacukrainian maccyrillic macgreek macturkish"},
		{"", "big5 big5hkscs cnbig5 xxbig5 csbig5 gbk xgbk gb2312 gb231280 csgb2312 csiso58gb231280 gb18030 chinese euccn xeuccn euctw xeuctw"},
		{"", "eucjp xeucjp cseucpkdfmtjapanese shiftjis sjis xsjis mskanji csshiftjis shiftjisx0213 shiftjis2004 windows31j cswindows31j"},
		{"", "euckr xeuckr cseuckr korean ksc5601 ksc56011987 ksc56011989 csksc56011987 uhc johab"},
		{"", "tis620 viscii tcvn armscii8 georgianps georgianacademy hproman8 roman8 cshproman8 logical visual suneuarabic suneugreek arabic greek greek8 hebrew cyrillic asmo708 ecma114 ecma118 elot928 ptcp154 kz1048 rk1048"},
	} {
		for label := range strings.SplitSeq(each.labels, " ") {
			known[each.before+label] = true
		}
	}
	delete(known, "koi7") // shifts
	return known
}()

// plainLabel is a charset's label as charsets have it.
func plainLabel(v string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'A' <= r && r <= 'Z':
			return r + 'a' - 'A'
		case '0' <= r && r <= '9', 'a' <= r && r <= 'z', r >= 0x80:
			return r
		}
		return -1
	}, v)
}

// readable reports whether every charset that these Content-Types name can be read.
// They are looked at as words: readers differ in how they read a broken type, or two.
func readable(contentTypes []string) bool {
	for _, v := range contentTypes {
		if len(v) < len("charset") || !strings.Contains(strings.ToLower(v), "charset") {
			continue
		}
		for part := range strings.FieldsFuncSeq(v, func(r rune) bool { return r == ';' || r == ',' }) {
			name, label, given := strings.Cut(part, "=")
			if !given || !strings.HasPrefix(strings.ToLower(strings.TrimLeft(name, " \t\"")), "charset") {
				continue
			}
			if strings.Contains(name, "*") { // RFC 2231: charset*=utf-8''label
				label = label[strings.LastIndexByte(label, '\'')+1:]
			}
			if !charsets[plainLabel(label)] {
				return false
			}
		}
	}
	return true
}

// begins reports whether a text that begins with b can be read, as far as it says in
// itself what charset it is in (XML), and whether more of it must be seen to tell.
func begins(b []byte) (ok, more bool) {
	const most = 256
	if bytes.HasPrefix(b, []byte{0x4c, 0x6f, 0xa7, 0x94}) { // <?xm in EBCDIC
		return false, false
	}
	whole := len(b) >= most
	text, declares := strings.CutPrefix(strings.TrimPrefix(string(b[:min(len(b), most)]), "\ufeff"), "<?xml")
	if !declares {
		return true, len(b) > 0 && len(b) < 8 && (strings.HasPrefix("\ufeff<?xml", string(b)) || strings.HasPrefix("<?xml", string(b)) || strings.HasPrefix("\x4c\x6f\xa7\x94", string(b)))
	}
	text, _, closed := strings.Cut(text, "?>")
	_, label, ok := strings.Cut(text, "encoding")
	label = strings.TrimLeft(label, " \t\r\n=")
	if !ok || label == "" || label[0] != '"' && label[0] != '\'' {
		return true, !closed && !whole
	}
	label, _, ended := strings.Cut(label[1:], label[:1])
	if !ended && !closed && !whole {
		return true, true
	}
	return charsets[plainLabel(label)], false
}

// Charsets takes an Accept-Charset off that asks for one that cannot be read.
func Charsets(h http.Header) {
	for _, v := range h["Accept-Charset"] {
		for label := range strings.SplitSeq(v, ",") {
			label, _, _ = strings.Cut(label, ";")
			if label = strings.TrimSpace(label); label != "*" && !charsets[plainLabel(label)] {
				delete(h, "Accept-Charset")
				return
			}
		}
	}
}
