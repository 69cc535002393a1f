package scrub

import (
	"strings"
	"testing"
)

// TestSameValues: a credential read as Latin-1, in the other case, or with accents
// apart is the credential.
func TestSameValues(t *testing.T) {
	const accented, digits, uuid, mixed = `aZ9ékQ7mW3xL8"pT2<vR5`, "0f3a9c71d4e85b26af19", "0f3a9c71-d4e8-5b26-af19-77c2e1b04d6a", `aZ9 q%41w+kQ7"mW3xL8`
	for _, c := range []struct{ needle, text string }{
		{accented, `aZ9Ã©kQ7mW3xL8"pT2<vR5`}, {accented, `{"k":"aZ9\u00c3\u00a9kQ7mW3xL8\"pT2<vR5"}`}, {accented, `aZ9&#195;&#169;kQ7mW3xL8&quot;pT2&lt;vR5`},
		{accented, "aZ9\xe9kQ7mW3xL8\"pT2<vR5"}, {accented, "aZ9e\u0301kQ7mW3xL8\"pT2<vR5"}, {accented, `aZ9\u00e9kQ7mW3xL8\"pT2<vR5`},
		{digits, strings.ToUpper(digits)}, {strings.ToUpper(digits), digits},
		{uuid, strings.ToUpper(uuid)}, {uuid, "{" + strings.ToUpper(uuid) + "}"}, {uuid, strings.ReplaceAll(uuid, "-", "")}, {uuid, strings.ToUpper(strings.ReplaceAll(uuid, "-", ""))},
		{mixed, `aZ9 q%41w+kQ7\"mW3xL8`}, {mixed, `aZ9 q%41w+kQ7&quot;mW3xL8`}, {mixed, `aZ9+q%2541w%2BkQ7%22mW3xL8`}, {mixed, `aZ9%20q%2541w%2BkQ7%22mW3xL8`},
	} {
		out := []byte("before " + c.text + " after")
		if New([]Needle{{Value: c.needle}}).whole(out, true); !strings.Contains(string(out), "**********") || strings.Contains(string(out), "mW3x") {
			t.Errorf("%q in %q became %q", c.needle, c.text, out)
		}
	}
}
