package expr

import (
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/env"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/stdlib"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/ext"
)

// Sources of a connector are short; these bounds keep a mistake from costing
// more than an error message.
const (
	maxSource   = 4 << 10  // characters of one expression
	maxTemplate = 64 << 10 // bytes of text and expressions together
	maxDepth    = 64       // of nesting
)

// function is one entry of the library. An overload is made for each way to
// read its text parameters as string or bytes.
type function struct {
	name   string
	params []*cel.Type
	result *cel.Type
	doc    string // one line: what it gives
	call   func(args []ref.Val) ref.Val
	// member makes the first parameter the receiver: now.unix().
	member bool
}

// text is a parameter that may be a string or bytes. It never reaches CEL.
var text = cel.OpaqueType("text")

// library is every function beside CEL's own, by subject.
var library = [][]function{hashes, encodings, queries, times, jsons, xmls, keys, jwks, tokens, requests}

// base is the environment without let values. It is made once, and only when a
// connector needs CEL at all.
var base = sync.OnceValues(func() (*cel.Env, error) {
	opts := []cel.EnvOption{
		cel.StdLib(cel.StdLibSubset(env.NewLibrarySubset().AddExcludedFunctions(env.NewFunction(operators.Add)))),
		plus(),
		ext.Strings(),
		ext.Lists(ext.ListsMaxRangeSize(maxItems)),
		cel.OptionalTypes(),
		ext.Regex(),
		cel.ParserExpressionSizeLimit(maxSource),
		cel.ParserRecursionLimit(maxDepth),
	}
	for name, v := range variables {
		opts = append(opts, cel.Variable(name, v.typ))
	}
	for _, subject := range library {
		for _, f := range subject {
			opts = append(opts, f.option())
		}
	}
	return cel.NewCustomEnv(opts...)
})

// option declares f with all its overloads.
func (f function) option() cel.EnvOption {
	sets := [][]*cel.Type{nil}
	for _, p := range f.params {
		kinds := []*cel.Type{p}
		if p == text {
			kinds = []*cel.Type{cel.StringType, cel.BytesType}
		}
		var next [][]*cel.Type
		for _, set := range sets {
			for _, k := range kinds {
				next = append(next, append(append([]*cel.Type{}, set...), k))
			}
		}
		sets = next
	}
	var overloads []cel.FunctionOpt
	for _, set := range sets {
		id := f.name
		for _, t := range set {
			id += "_" + strings.NewReplacer("(", "_", ")", "", ", ", "_", ".", "_").Replace(t.String())
		}
		declare := cel.Overload
		if f.member {
			declare = cel.MemberOverload
		}
		overloads = append(overloads, declare(id, set, f.result, f.binding()))
	}
	return cel.Function(f.name, overloads...)
}

func (f function) binding() cel.OverloadOpt {
	switch len(f.params) {
	case 1:
		return cel.UnaryBinding(func(a ref.Val) ref.Val { return f.call([]ref.Val{a}) })
	case 2:
		return cel.BinaryBinding(func(a, b ref.Val) ref.Val { return f.call([]ref.Val{a, b}) })
	}
	return cel.FunctionBinding(func(args ...ref.Val) ref.Val { return f.call(args) })
}

// plus is CEL's + that also joins a string and bytes to bytes, since vendors
// write "timestamp + method + path + body" and the body is bytes.
func plus() cel.EnvOption {
	var opts []cel.FunctionOpt
	for _, f := range stdlib.Functions() {
		if f.Name() != operators.Add {
			continue
		}
		for _, o := range f.OverloadDecls() {
			opts = append(opts, cel.Overload(o.ID(), o.ArgTypes(), o.ResultType()))
		}
	}
	opts = append(opts,
		cel.Overload("add_string_bytes", []*cel.Type{cel.StringType, cel.BytesType}, cel.BytesType),
		cel.Overload("add_bytes_string", []*cel.Type{cel.BytesType, cel.StringType}, cel.BytesType),
		cel.SingletonBinaryBinding(func(a, b ref.Val) ref.Val {
			_, aBytes := a.(types.Bytes)
			_, bBytes := b.(types.Bytes)
			if aBytes != bBytes && isText(a) && isText(b) {
				x, y := bytesOf(a), bytesOf(b)
				return types.Bytes(append(append(make([]byte, 0, len(x)+len(y)), x...), y...))
			}
			return a.(traits.Adder).Add(b)
		}, traits.AdderType))
	return cel.Function(operators.Add, opts...)
}

func isText(v ref.Val) bool {
	switch v.(type) {
	case types.String, types.Bytes:
		return true
	}
	return false
}

// bytesOf is the bytes of a text argument.
func bytesOf(v ref.Val) []byte {
	switch v := v.(type) {
	case types.String:
		return []byte(v)
	case types.Bytes:
		return v
	}
	return nil
}

// stringOf is a text argument as a string; its bytes need not be UTF-8.
func stringOf(v ref.Val) string {
	switch v := v.(type) {
	case types.String:
		return string(v)
	case types.Bytes:
		return string(v)
	}
	return ""
}

// stringsOf is a list argument of strings.
func stringsOf(v ref.Val) []string {
	l, ok := v.(traits.Lister)
	if !ok {
		return nil
	}
	var out []string
	for it := l.Iterator(); it.HasNext() == types.True; {
		out = append(out, stringOf(it.Next()))
	}
	return out
}

// EvalError is a failure of a function of ours; its text never holds a value.
type EvalError string

func (e EvalError) Error() string { return string(e) }

// fail makes an error value that CEL hands on.
func fail(msg string) ref.Val { return types.WrapErr(EvalError(msg)) }
