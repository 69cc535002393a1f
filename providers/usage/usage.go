// Package usage reads how many tokens a language model read and wrote, where a connector
// says that answers tell it: in JSON, in streams of events, in headers. It reads while the
// answer passes, keeps little, and believes what stands at the declared paths alone.
package usage

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/attache-proxy/attache/providers/strictyaml"
)

// UsageDef says where answers tell how many tokens were used. A path is keys of JSON
// objects, with dots between; of those with | between them the largest counts, and what several entries
// say is added.
type UsageDef struct {
	// Paths are those of the requests that use tokens; absent: every one that is not reading.
	Paths []string `yaml:"paths"`
	// Input and Output are paths in the answer, or in the data of its events.
	Input  []string `yaml:"input"`
	Output []string `yaml:"output"`
	// Model is the path of the model's name, in the answer; in a request it is model.
	Model string `yaml:"model"`
	// Limit is the path in the request of how many tokens it wants at most.
	Limit string `yaml:"limit"`
	// Headers are the answer's headers that say it: input and output.
	Headers HeadersDef `yaml:"headers"`
}

// HeadersDef are names of headers.
type HeadersDef struct {
	// Input and Output are headers with a number of tokens.
	Input  string `yaml:"input"`
	Output string `yaml:"output"`
}

// IsZero reports that nothing is said.
func (d *UsageDef) IsZero() bool {
	return d.Paths == nil && d.Input == nil && d.Output == nil && d.Model == "" && d.Limit == "" && d.Headers == (HeadersDef{})
}

// UnmarshalYAML refuses unknown keys.
func (d *UsageDef) UnmarshalYAML(n *yaml.Node) error {
	type plain UsageDef
	return strictyaml.Decode(n, (*plain)(d))
}

// Spec is a compiled UsageDef.
type Spec struct {
	answer, request *node
	in, out         int // how many sums there are, the input's first
	headers         HeadersDef
}

// node is a key of a path.
type node struct {
	below map[string]*node
	ends  bool
	sum   int // in which a number at this path counts
	model bool
}

// New compiles a definition; nil where it has nothing.
func New(d *UsageDef) (*Spec, error) {
	if d.Input == nil && d.Output == nil && d.Headers == (HeadersDef{}) {
		if d.Paths != nil || d.Model != "" || d.Limit != "" {
			return nil, fmt.Errorf("usage wants input and output: the paths in the answer at which the numbers of tokens stand")
		}
		return nil, nil
	}
	if len(d.Input)+len(d.Output) > maxSums {
		return nil, fmt.Errorf("usage has %d entries, at most %d", len(d.Input)+len(d.Output), maxSums)
	}
	s := &Spec{answer: new(node), request: new(node), in: len(d.Input), out: len(d.Output), headers: d.Headers}
	for i, list := range slices.Concat(d.Input, d.Output) {
		if err := s.answer.add(list, node{ends: true, sum: i}); err != nil {
			return nil, err
		}
	}
	if d.Model != "" {
		if err := s.answer.add(d.Model, node{ends: true, model: true}); err != nil {
			return nil, err
		}
	}
	if err := s.request.add("model", node{ends: true, model: true}); err != nil {
		return nil, err
	}
	if d.Limit != "" {
		if err := s.request.add(d.Limit, node{ends: true}); err != nil {
			return nil, err
		}
	}
	return s, s.request.add(answers, node{ends: true, sum: 1})
}

// maxDepth bounds paths.
const maxDepth = 8

func (n *node) add(list string, leaf node) error {
	for path := range strings.SplitSeq(list, "|") {
		keys, at := strings.Split(path, "."), n
		if len(keys) > maxDepth || slices.ContainsFunc(keys, func(k string) bool { return k == "" || len(k) > maxText || strings.ContainsAny(k, " \"\\*[]") }) {
			return fmt.Errorf("usage: %q is no path; want keys with dots between: usage.prompt_tokens", path)
		}
		for _, k := range keys {
			if at.below == nil {
				at.below = map[string]*node{}
			}
			if at.below[k] == nil {
				at.below[k] = new(node)
			}
			at = at.below[k]
		}
		if at.ends {
			return fmt.Errorf("usage: the path %q stands twice", path)
		}
		at.ends, at.sum, at.model = true, leaf.sum, leaf.model
	}
	return nil
}

// Tokens are what was found out.
type Tokens struct {
	Model   string
	In, Out int64
	// Estimated says that the service did not say all of it.
	Estimated bool
}

const (
	// MaxTokens bounds what a service may say of one answer.
	MaxTokens = 10_000_000
	// maxAside bounds what is set aside for one request, whatever it asks for.
	maxAside = 1 << 17
	// aside is set aside where it does not say how much it wants.
	aside = 4096
	// bytesPerToken is what an estimate goes by.
	bytesPerToken = 4
)

// Asked is what a request of a length may come to; body is what is known of it, in JSON,
// or nil.
func (s *Spec) Asked(body []byte, length int64) Tokens {
	t := Tokens{In: estimate(length), Out: aside}
	if length < 0 {
		t.In = aside
	}
	r := scanner{root: s.request, sums: make([]int64, 2)}
	for _, b := range body {
		r.feed(b)
	}
	if t.Model = r.model; r.said[0] && r.sums[0] > 0 {
		t.Out = min(r.sums[0], maxAside)
	}
	if r.said[1] && r.sums[1] > 1 {
		t.Out *= min(r.sums[1], maxAnswers)
	}
	t.In = min(t.In, maxAside)
	return t
}

// answers is how many answers a request wants, as services name it, each of which may be
// as long as the limit; maxAnswers bounds what is set aside for them.
const (
	answers    = "n|best_of|candidate_count|num_generations|generationConfig.candidateCount"
	maxAnswers = 128
)

// MostOfFiles is how many bytes of a form with files count where an answer does not say
// its tokens. What an agent calls a form may be something else, so it is not nothing.
const MostOfFiles = maxAside * bytesPerToken

// Files reports a form with files.
func Files(h http.Header) bool {
	return strings.HasPrefix(strings.ToLower(strings.TrimSpace(h.Get("Content-Type"))), "multipart/")
}

// ModelOf is the model that a path names: behind /model/ or /models/, without the method
// that some write behind a colon. Empty where there is none.
func ModelOf(path string) string {
	for _, before := range []string{"/models/", "/model/"} {
		_, rest, ok := strings.Cut(path, before)
		if !ok {
			continue
		}
		name, _, _ := strings.Cut(rest, "/")
		if decoded, err := url.PathUnescape(name); err == nil {
			name = decoded
		}
		if i := strings.LastIndexByte(name, ':'); i >= 0 && i+1 < len(name) && (name[i+1] < '0' || name[i+1] > '9') {
			name = name[:i]
		}
		return name[:min(len(name), maxText)]
	}
	return ""
}

// estimate is about how many tokens so many bytes are.
func estimate(bytes int64) int64 {
	return min((max(bytes, 0)+bytesPerToken-1)/bytesPerToken, MaxTokens)
}
