package expr

import (
	"math/bits"
	"regexp"
	"regexp/syntax"
	"strings"
	"sync"
	"unicode/utf8"

	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// cost is what a call of a function costs beside its result.
type cost struct {
	// per is units for each unit of its arguments' weight; zero where it does not
	// go through them.
	per int64
	// fixed is units for each call.
	fixed int64
	// free says that there is nothing to count, not even in the result.
	free bool
	// result says that before has counted the result as well.
	result bool
	// before counts, and refuses, a result or work that outgrows the arguments.
	// Where it is nil a result is at most some six times as long as they are.
	before func(r *run, args []ref.Val) error
}

// costs are by function; one that is not here goes once through its arguments.
var costs = map[string]cost{
	// What looks at nothing but the outside of its arguments.
	operators.Index: {free: true}, operators.OptIndex: {free: true}, operators.OptSelect: {free: true},
	operators.NotStrictlyFalse: {free: true}, operators.LogicalNot: {free: true},
	operators.Negate: {free: true}, operators.Subtract: {free: true}, operators.Multiply: {free: true}, operators.Divide: {free: true}, operators.Modulo: {free: true},
	"size": {free: true}, "or": {free: true}, "orValue": {free: true}, "value": {free: true}, "hasValue": {free: true}, "dyn": {free: true}, "type": {free: true},
	"optional.of": {free: true}, "optional.ofNonZeroValue": {free: true}, "optional.none": {free: true}, "last": {free: true},
	"unix": {free: true}, "unix_ms": {free: true}, "unix_us": {free: true}, "unix_ns": {free: true},

	operators.Add: {before: addition, result: true},
	"replace":     {per: 2, before: replacement},
	"join":        {per: 1, before: joined},
	"format":      {per: 2, before: formatted},
	"split":       {per: 2, before: cut},
	"chunks":      {per: 2, before: cut},
	"lists.range": {before: ranged},
	"flatten":     {per: 2}, "slice": {per: 1}, "distinct": {per: 1, before: distinct},
	"sort": {per: 1, before: sorted}, "@sortByAssociatedKeys": {per: 1, before: sorted},

	// These turn text into a list of characters, of four bytes each.
	"charAt": {per: 8}, "substring": {per: 8}, "reverse": {per: 8}, "lowerAscii": {per: 8}, "upperAscii": {per: 8}, "strings.quote": {per: 8},
	"indexOf": {per: 8, before: search}, "lastIndexOf": {per: 8, before: search},

	"matches": {per: 1, before: once}, "regex.extract": {per: 1, before: once},
	"regex.extractAll": {per: 1, before: everywhere}, "regex.replace": {per: 1, before: everywhere},

	"pairs": {before: parameters}, "params": {before: parameters}, "canonical_query": {per: 4, before: parameters},
	"sort_query": {before: parameters}, "query_without": {per: 4}, "merge_pairs": {per: 4, before: mergedPairs},
	"parse_json": {per: 8, before: parsed}, "json_scalars": {per: 8, before: parsed}, "json_glue": {per: 8, before: glued}, "to_json": {per: 4},
	"xml": {per: 16, before: elements}, "xml_with": {per: 24, before: elements},
	"md5": {per: 2}, "hmac_md5": {per: 2}, "sha1": {per: 2}, "hmac_sha1": {per: 2},

	"rsa_sha1": {per: 2, fixed: unitsPerKey}, "rsa_sha256": {per: 2, fixed: unitsPerKey}, "rsa_sha384": {per: 2, fixed: unitsPerKey}, "rsa_sha512": {per: 2, fixed: unitsPerKey},
	"rsa_pss_sha256": {per: 2, fixed: unitsPerKey}, "rsa_pss_sha512": {per: 2, fixed: unitsPerKey}, "ecdsa_sha256": {per: 2, fixed: unitsPerKey},
	"ecdsa_sha256_raw": {per: 2, fixed: unitsPerKey}, "ecdsa_sha384_raw": {per: 2, fixed: unitsPerKey}, "ed25519": {per: 4, fixed: unitsPerKey},
	"key_fingerprint": {per: 2, fixed: unitsPerKey}, "jwt": {per: 4, fixed: unitsPerKey},
	"public_jwk": {per: 2, fixed: unitsPerKey}, "jwk_thumbprint": {per: 2, fixed: unitsPerKey},
}

// addition of texts costs its result. One of lists adds to the first: a loop
// collects its entries like that.
func addition(r *run, args []ref.Val) error {
	switch a := args[0].(type) {
	case types.String, types.Bytes:
		n := lengthOf(a) + lengthOf(args[1])
		return firstOf(r.text(n), r.spend(n))
	case traits.Lister:
		return firstOf(r.items(entries(a)+entries(args[1])), r.spend(entries(args[1])*unitsPerItem))
	}
	return nil
}

func lengthOf(v ref.Val) int64 {
	switch v := v.(type) {
	case types.String:
		return int64(len(v))
	case types.Bytes:
		return int64(len(v))
	}
	return 0
}

func entries(v ref.Val) int64 {
	if s, ok := v.(traits.Sizer); ok && !isText(v) {
		return int64(s.Size().(types.Int))
	}
	return 0
}

func replacement(r *run, args []ref.Val) error {
	s, old, with := stringOf(args[0]), stringOf(args[1]), stringOf(args[2])
	n := int64(strings.Count(s, old))
	if len(args) == 4 {
		if limit := int64(args[3].(types.Int)); limit >= 0 {
			n = min(n, limit)
		}
	}
	return r.text(int64(len(s)) + n*int64(len(with)-len(old)))
}

func joined(r *run, args []ref.Val) error {
	n := int64(0)
	if len(args) == 2 {
		n = entries(args[0]) * lengthOf(args[1])
	}
	for it := args[0].(traits.Lister).Iterator(); it.HasNext() == types.True; {
		n += lengthOf(it.Next())
	}
	return r.text(n)
}

// longestNumber is how long a number with 100 digits behind its point may be.
const longestNumber = 450

func formatted(r *run, args []ref.Val) error {
	n := lengthOf(args[0]) // of a time: each letter of its pattern gives ten at most
	if list, ok := args[1].(traits.Lister); ok {
		n += longestNumber*int64(strings.Count(stringOf(args[0]), "%")) + 2*weight(list, maxText)
	} else {
		n = 10 * lengthOf(args[1])
	}
	return firstOf(r.text(n), r.spend(n))
}

// cut counts the pieces of split(separator) and chunks(length).
func cut(r *run, args []ref.Val) error {
	s, n := stringOf(args[0]), int64(0)
	switch by := args[1].(type) {
	case types.String:
		n = int64(strings.Count(s, string(by))) + 1
	case types.Int:
		n = int64(len(s))/max(int64(by), 1) + 1
	}
	if len(args) == 3 {
		if limit := int64(args[2].(types.Int)); limit >= 0 {
			n = min(n, limit)
		}
	}
	return firstOf(r.items(n), r.spend(n*2*unitsPerItem))
}

func ranged(r *run, args []ref.Val) error {
	n := int64(args[0].(types.Int))
	return firstOf(r.items(max(n, 0)), r.spend(max(n, 0)*2*unitsPerItem))
}

// distinct compares each entry with every other.
func distinct(r *run, args []ref.Val) error {
	return r.spend(entries(args[0]) * weight(args[0], r.left()) / 4)
}

func sorted(r *run, args []ref.Val) error {
	return r.spend(weight(args[0], r.left()) * int64(bits.Len64(uint64(entries(args[0])))))
}

// search compares at each place.
func search(r *run, args []ref.Val) error {
	return r.spend(lengthOf(args[0]) * lengthOf(args[1]))
}

// parameters counts those of a query or form.
func parameters(r *run, args []ref.Val) error {
	n := int64(strings.Count(stringOf(args[0]), "&")) + 1
	return firstOf(r.items(n), r.spend(n*3*unitsPerValue+4*lengthOf(args[0])))
}

// mergedPairs may join all values to one, each time anew.
func mergedPairs(r *run, args []ref.Val) error {
	w := weight(args[0], maxText+1)
	return firstOf(r.text(w), r.spend(w*int64(bits.Len64(uint64(entries(args[0]))))+entries(args[0])*w/8))
}

// parsed counts the values of a JSON text.
func parsed(r *run, args []ref.Val) error {
	n, _ := jsonValues(stringOf(args[0]))
	return firstOf(r.items(n), r.spend(n*2*unitsPerValue))
}

// glued reads what is inside once more on each level.
func glued(r *run, args []ref.Val) error {
	n, depth := jsonValues(stringOf(args[0]))
	return firstOf(r.items(n), r.spend(n*2*unitsPerValue+depth*8*lengthOf(args[0])))
}

// jsonValues is at least the number of values in a JSON text, and how deep they
// lie at most. The text need not be JSON.
func jsonValues(s string) (n, deepest int64) {
	depth, quoted := int64(0), false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			n++
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		case c == ',':
			n++
		}
	}
	return n + 1, min(deepest, maxJSONDepth+1)
}

// --- regular expressions ------------------------------------------------------

const (
	maxPattern      = 1 << 10 // bytes
	maxProgram      = 5000    // steps of a compiled pattern
	unitsPerProgram = 64      // to compile one step
	unitsPerMatch   = 4       // one step at one byte
)

// once is a pattern that goes through the text one time.
func once(r *run, args []ref.Val) error {
	p, err := r.pattern(args[1])
	if err != nil {
		return err
	}
	return r.spend(p.steps*unitsPerProgram + p.steps*unitsPerMatch*(lengthOf(args[0])+1))
}

// everywhere is a pattern that begins again behind each place that it matches,
// and may look at all the rest each time.
func everywhere(r *run, args []ref.Val) error {
	p, err := r.pattern(args[1])
	if err != nil {
		return err
	}
	s := stringOf(args[0])
	pass := p.steps*unitsPerMatch*int64(len(s)+1) + 2*unitsPerItem
	if err := r.spend(p.steps*unitsPerProgram + pass); err != nil {
		return err
	}
	// As many matches as may be paid for, and one more.
	most := min(r.left()/pass, int64(utf8.RuneCountInString(s))+1)
	matches := int64(len(p.re.FindAllStringIndex(s, int(most)+1)))
	if err := r.spend(matches * 2 * pass); err != nil {
		return err
	}
	if len(args) < 3 {
		return r.items(matches)
	}
	with := stringOf(args[2])
	return r.text(int64(len(s))*int64(1+strings.Count(with, `\`)) + matches*int64(len(with)))
}

// pattern is a compiled regular expression.
type pattern struct {
	re    *regexp.Regexp
	steps int64
}

// patterns are kept by their source, since a connector's are constant. It is
// emptied when it is full.
var patterns = struct {
	sync.Mutex
	known map[string]pattern
}{known: map[string]pattern{}}

func (r *run) pattern(v ref.Val) (pattern, error) {
	src := stringOf(v)
	if len(src) > maxPattern {
		return pattern{}, r.refuse("its regular expression is longer than 1 KiB")
	}
	patterns.Lock()
	defer patterns.Unlock()
	if p, ok := patterns.known[src]; ok {
		return p, nil
	}
	if err := r.spend(int64(len(src)) * unitsPerProgram); err != nil {
		return pattern{}, err
	}
	tree, err := syntax.Parse(src, syntax.Perl)
	if err != nil {
		return pattern{}, EvalError("the text is no regular expression")
	}
	p := pattern{steps: steps(tree)}
	if p.steps > maxProgram {
		return pattern{}, r.refuse("its regular expression repeats too much")
	}
	if p.re, err = regexp.Compile(src); err != nil {
		return pattern{}, EvalError("the text is no regular expression")
	}
	if len(patterns.known) >= 256 {
		clear(patterns.known)
	}
	patterns.known[src] = p
	return p, nil
}

// steps is how many steps a pattern has when its repeats are written out.
func steps(re *syntax.Regexp) int64 {
	n := int64(1)
	switch re.Op {
	case syntax.OpLiteral:
		n = int64(len(re.Rune))
	case syntax.OpCharClass:
		n = int64(len(re.Rune))/8 + 1
	}
	for _, sub := range re.Sub {
		n += steps(sub)
	}
	if re.Op == syntax.OpRepeat {
		n *= int64(max(re.Min, re.Max, 1))
	}
	return min(n, maxProgram+1)
}
