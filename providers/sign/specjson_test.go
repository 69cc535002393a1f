package sign_test

import (
	"encoding/json"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/attache-proxy/attache/providers/sign"
)

// TestSpecAsJSON: what is shown of a connector can be read again as what it was.
func TestSpecAsJSON(t *testing.T) {
	for src, want := range map[string]string{
		"bearer": `{"bearer":"{token}"}`,
		"none":   `"none"`,
		"sigv4":  `{"sigv4":{}}`,
		"{sigv4: {service: s3, normalize: false}}": `{"sigv4":{"normalize":false,"service":"s3"}}`,
		"{let: {b: '1', a: b}, remove: {query: [x]}, path: {from: /a, to: /b}, header: {Z: '{a}', A: '{b}'}, basic: {username: u, password: p}}": `{"let":{"b":"1","a":"b"},"remove":{"query":["x"]},"path":[{"from":"/a","to":"/b"}],"header":{"Z":"{a}","A":"{b}"},"basic":{"username":"u","password":"p"}}`,
		"- {query: {a: '1'}}\n- {when: 'true', body: x}": `[{"query":{"a":"1"}},{"when":"true","body":"x"}]`,
	} {
		var s sign.Spec
		if err := yaml.Unmarshal([]byte(src), &s); err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(&s)
		if err != nil || string(got) != want {
			t.Errorf("%s is shown as %s, %v, want %s", src, got, err, want)
		}
		var again sign.Spec
		if err := yaml.Unmarshal(got, &again); err != nil {
			t.Errorf("%s cannot be read again: %v", got, err)
		}
	}
}
