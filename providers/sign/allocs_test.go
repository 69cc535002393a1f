package sign_test

import "testing"

// maxSimpleAllocs is what a signer without an expression may cost; nearly every
// request has one.
const maxSimpleAllocs = 3

func TestSimpleAllocs(t *testing.T) {
	for name, src := range map[string]string{
		"bearer": "bearer",
		"basic":  `{basic: {username: "{fields.user}", password: "{fields.password}"}}`,
		"header": `{header: {X-Api-Key: "{fields.password}"}}`,
		"query":  `{query: {key: "{fields.password}"}}`,
	} {
		s, in := mustSigner(t, src), input("user", "somebody", "password", "a-password-0123456789")
		r := request(t, "GET", "/v1/things?page=2", "")
		query := r.URL.RawQuery
		n := testing.AllocsPerRun(100, func() {
			r.URL.RawQuery = query
			if err := s.Sign(r, in); err != nil {
				t.Fatal(err)
			}
		})
		if n > maxSimpleAllocs {
			t.Errorf("%s costs %.0f allocations, want at most %d", name, n, maxSimpleAllocs)
		}
	}
}
