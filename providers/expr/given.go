package expr

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/env"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/ext"
)

// Given is a language of conditions over values that its user gives, and over nothing
// else: no credential, no clock and nothing random is known in it. It is safe for
// concurrent use.
type Given struct {
	names map[string]*cel.Type
	env   func() (*cel.Env, error)
}

// Type is that of a value that is given.
type Type = cel.Type

// The types of what is given.
var (
	Text    = cel.StringType
	Texts   = cel.MapType(cel.StringType, cel.StringType)
	Unknown = cel.DynType // whatever a document holds
)

// NewGiven is the language in which these names are known. What they take is made when
// the first condition is compiled.
func NewGiven(names map[string]*cel.Type) *Given {
	return &Given{names, sync.OnceValues(func() (*cel.Env, error) {
		opts := []cel.EnvOption{
			cel.StdLib(cel.StdLibSubset(env.NewLibrarySubset().AddExcludedFunctions(env.NewFunction(operators.Add)))),
			plus(),
			same(), within(),
			cel.Macros(append(cel.StandardMacros, strict...)...),
			ext.Strings(),
			ext.Lists(ext.ListsMaxRangeSize(maxItems)),
			cel.OptionalTypes(),
			cel.CrossTypeNumericComparisons(true),
			cel.ParserExpressionSizeLimit(maxSource),
			cel.ParserRecursionLimit(maxDepth),
		}
		for name, t := range names {
			opts = append(opts, cel.Variable(name, t))
		}
		return cel.NewCustomEnv(opts...)
	})}
}

// GivenCondition is a condition in such a language.
type GivenCondition struct {
	prog *program
	// Names are what it reads of what is given, and Words every name of a member that
	// stands in it. Whole are those of Names of which it takes more than members that it
	// names: all of them, or one by a name that it computes.
	Names, Words, Whole []string
}

// Condition compiles src, which is true or false. Its error is an *Error, with line and
// column in src.
func (g *Given) Condition(src string) (*GivenCondition, error) {
	env, err := g.env()
	if err != nil {
		return nil, err
	}
	s := &Scope{env: env}
	tree, issues := env.Compile(src)
	if issues.Err() != nil {
		first := issues.Errors()[0]
		if name, ok := between(first.Message, "undeclared reference to '", "'"); ok {
			at := offsetOf(src, first.Location.Line(), first.Location.Column())
			return nil, errorAt(src, at, "%s%s; known here: %s", unknownName, name, strings.Join(slices.Sorted(maps.Keys(g.names)), ", "))
		}
		return nil, s.diagnose(env, first, src, src, 0)
	}
	prog, err := s.program(src, src, 0)
	if err != nil {
		return nil, err
	}
	if !prog.typ.IsExactType(cel.BoolType) {
		return nil, &Error{1, 1, "want true or false, got " + typeName(prog.typ)}
	}
	c := &GivenCondition{prog: prog}
	c.read(tree.NativeRep(), g)
	return c, nil
}

// read finds what the condition is about.
func (c *GivenCondition) read(tree *ast.AST, g *Given) {
	names, words, whole, member := map[string]bool{}, map[string]bool{}, map[string]bool{}, map[int64]bool{}
	ast.PreOrderVisit(tree.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		switch e.Kind() {
		case ast.IdentKind:
			if _, given := g.names[e.AsIdent()]; given {
				names[e.AsIdent()] = true
				whole[e.AsIdent()] = whole[e.AsIdent()] || !member[e.ID()]
			}
		case ast.SelectKind:
			words[e.AsSelect().FieldName()] = true
			member[e.AsSelect().Operand().ID()] = true
		case ast.CallKind:
			if args := e.AsCall().Args(); len(args) == 2 && args[1].Kind() == ast.LiteralKind {
				switch e.AsCall().FunctionName() {
				case operators.Index, operators.OptIndex, operators.OptSelect:
					member[args[0].ID()] = true
				}
			}
		case ast.LiteralKind:
			if text, ok := e.AsLiteral().(types.String); ok {
				words[string(text)] = true
			}
		}
	}))
	maps.DeleteFunc(whole, func(_ string, is bool) bool { return !is })
	c.Names, c.Words, c.Whole = slices.Sorted(maps.Keys(names)), slices.Sorted(maps.Keys(words)), slices.Sorted(maps.Keys(whole))
}

// Holds evaluates the condition. Read gives a value by its name; its error, and every
// other, means that it is not known whether the condition holds. It tells nothing of the
// values.
func (c *GivenCondition) Holds(read func(name string) (any, error)) (bool, error) {
	v := new(Vars)
	r := v.running()
	for _, name := range c.Names {
		value, err := read(name)
		if err != nil {
			return false, err
		}
		r.setLet(name, types.DefaultTypeAdapter.NativeToValue(value))
	}
	val, err := c.prog.eval(v)
	if err != nil {
		return false, err
	}
	return val == ref.Val(types.True), nil
}
