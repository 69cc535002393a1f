package expr

import (
	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// In conditions over what is given, a comparison of values of different types is an error:
// it is not known what a service makes of "true" where true was meant, or of a list with
// one text in the place of the text. With a literal null everything compares.

// strict are the operators of CEL as they are written, and what they become.
var strict = []cel.Macro{
	cel.GlobalMacro(operators.Equals, 2, func(h cel.MacroExprFactory, _ ast.Expr, args []ast.Expr) (ast.Expr, *common.Error) {
		if isNull(args[0]) || isNull(args[1]) {
			return nil, nil // as it is
		}
		return h.NewCall(sameName, args...), nil
	}),
	cel.GlobalMacro(operators.NotEquals, 2, func(h cel.MacroExprFactory, _ ast.Expr, args []ast.Expr) (ast.Expr, *common.Error) {
		if isNull(args[0]) || isNull(args[1]) {
			return nil, nil
		}
		return h.NewCall(operators.LogicalNot, h.NewCall(sameName, args...)), nil
	}),
	cel.GlobalMacro(operators.In, 2, func(h cel.MacroExprFactory, _ ast.Expr, args []ast.Expr) (ast.Expr, *common.Error) {
		return h.NewCall(withinName, args...), nil
	}),
}

const sameName, withinName = "@same", "@within"

// written is how they are written.
var written = map[string]string{sameName: "==", withinName: "in"}

func isNull(e ast.Expr) bool { return e.Kind() == ast.LiteralKind && e.AsLiteral() == types.NullValue }

func same() cel.EnvOption {
	a := cel.TypeParamType("A")
	return cel.Function(sameName, cel.Overload("same_values", []*cel.Type{a, a}, cel.BoolType, cel.BinaryBinding(equal)))
}

func within() cel.EnvOption {
	a, b := cel.TypeParamType("A"), cel.TypeParamType("B")
	return cel.Function(withinName,
		cel.Overload("within_list", []*cel.Type{a, cel.ListType(a)}, cel.BoolType, cel.BinaryBinding(isWithin)),
		cel.Overload("within_map", []*cel.Type{a, cel.MapType(a, b)}, cel.BoolType, cel.BinaryBinding(isWithin)))
}

// equal is whether two values of one type are the same; numbers are of one type.
func equal(l, r ref.Val) ref.Val {
	if class(l) != class(r) {
		return types.NewErr("values of different types are compared")
	}
	a, isList := l.(traits.Lister)
	b, _ := r.(traits.Lister)
	if !isList {
		return types.Equal(l, r)
	}
	if a.Size() != b.Size() {
		return types.False
	}
	for i := types.Int(0); i < a.Size().(types.Int); i++ {
		if is := equal(a.Get(i), b.Get(i)); is != types.True {
			return is
		}
	}
	return types.True
}

// isWithin is whether a value is one of a list's, or a name of a map's.
func isWithin(value, all ref.Val) ref.Val {
	list, ok := all.(traits.Lister)
	if !ok {
		m, ok := all.(traits.Mapper)
		if !ok || class(value) != class(types.String("")) {
			return types.NewErr("values of different types are compared")
		}
		return m.Contains(value)
	}
	for i := types.Int(0); i < list.Size().(types.Int); i++ {
		if is := equal(value, list.Get(i)); is != types.False {
			return is
		}
	}
	return types.False
}

func class(v ref.Val) string {
	switch v.(type) {
	case types.Int, types.Uint, types.Double:
		return "number"
	case traits.Lister:
		return "list"
	case traits.Mapper:
		return "map"
	}
	return v.Type().TypeName()
}
