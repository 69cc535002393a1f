package printable_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/providers/printable"
)

const hostile = "a\x1b[31m\u009b2Jb\u202ec\u2066d\u200fe\u061cf\x7fg\u2028h\u2029i\ufeffj\u0085k\x00l\U000e0041m\u00adn\u200bo"

func TestTextsSteerNothing(t *testing.T) {
	for _, c := range []struct{ in, line, text string }{
		{"plain", "plain", "plain"}, {"Žofie 👩\u200d👩\u200d👧 می\u200cخواهم 東京", "Žofie 👩\u200d👩\u200d👧 می\u200cخواهم 東京", "Žofie 👩\u200d👩\u200d👧 می\u200cخواهم 東京"},
		{hostile, "a[31m2Jbcdefghijklmno", "a[31m2Jbcdefghijklmno"}, {"a\nb\tc\rd", "abcd", "a\nb\tcd"}, {"a\xffb\xc2", "ab", "ab"},
	} {
		if got := printable.Line(c.in); got != c.line {
			t.Errorf("Line(%q) = %q, want %q", c.in, got, c.line)
		}
		if got := printable.Text(c.in); got != c.text {
			t.Errorf("Text(%q) = %q, want %q", c.in, got, c.text)
		}
	}
}

// JSON means the same, and holds nothing that steers.
func TestJSONSteersNothing(t *testing.T) {
	in := map[string]any{hostile: []string{hostile, "Žofie 👩\u200d👧", strings.Repeat("é", 100)}, "n": 1.5}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "\t")
	if err := enc.Encode(in); err != nil {
		t.Fatal(err)
	}
	got := printable.JSON(b.Bytes())
	for _, r := range string(got) {
		if printable.Steers(r) && r != '\n' && r != '\t' {
			t.Errorf("%U is left in %s", r, got)
		}
	}
	var before, after any
	if json.Unmarshal(b.Bytes(), &before) != nil || json.Unmarshal(got, &after) != nil {
		t.Fatalf("no JSON: %s", got)
	}
	x, _ := json.Marshal(before)
	if y, _ := json.Marshal(after); string(x) != string(y) {
		t.Errorf("it means something else: %s", got)
	}
	if plain := []byte(`{"a":"é"}`); &printable.JSON(plain)[0] != &plain[0] {
		t.Error("a text without any is copied")
	}
}

// What nobody sees is written out, and what people write stays.
func TestVisible(t *testing.T) {
	for text, want := range map[string]string{
		"plain, ä, 漢字": "plain, ä, 漢字", "a\u200bb": `a\u{200b}b`, "\ufeffx\u00a0\u202e\u3164\u2800\ufe0f\U000e0041": `\u{feff}x\u{a0}\u{202e}\u{3164}\u{2800}\u{fe0f}\u{e0041}`, "a\nb": `a\u{a}b`,
	} {
		if got := printable.Visible(text); got != want {
			t.Errorf("Visible(%q) = %q, want %q", text, got, want)
		}
	}
	if got := printable.VisibleText("a\r\nb\tc\rd"); got != "a\nb\tc\\u{d}d" {
		t.Errorf("VisibleText = %q", got)
	}
}
