package expr

import (
	"sync"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/functions"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/interpreter"
)

// CEL has a limit of costs too, but it looks at a call when it is done: by then
// one replace() inside another has made gigabytes. So the calls and the loops of
// a program are replaced by such as count first. What else a program can do is
// bounded by the length of its source.

// runName is the name by which a step finds the run it belongs to. No
// expression can name it.
const runName = "@run"

// plan is how a program's steps are counted.
type plan struct {
	bindings map[string]*functions.Overload
	signed   map[int64]signedCall
	loops    map[int64]int64 // how many nodes a loop evaluates for each entry, by the id of its range
}

func newPlan(tree *ast.AST) (plan, error) {
	known, err := bindings()
	p := plan{bindings: known, loops: map[int64]int64{}}
	ast.PreOrderVisit(tree.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() == ast.ComprehensionKind {
			loop := e.AsComprehension()
			p.loops[loop.IterRange().ID()] = nodes(loop.LoopCondition()) + nodes(loop.LoopStep())
		}
	}))
	return p, err
}

func nodes(e ast.Expr) (n int64) {
	ast.PreOrderVisit(e, ast.NewExprVisitor(func(ast.Expr) { n++ }))
	return n
}

// meter replaces a step by one that counts.
func (p plan) meter(step interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
	if call, ok := step.(interpreter.InterpretableCall); ok {
		step = p.call(call)
	}
	n, ok := p.loops[step.ID()]
	if !ok {
		return step, nil
	}
	if attr, ok := step.(interpreter.InterpretableAttribute); ok {
		return &attributeRange{attr, n}, nil
	}
	return &loopRange{step, n}, nil
}

// call returns the counting form of c, or c where nothing needs to be counted.
func (p plan) call(c interpreter.InterpretableCall) interpreter.InterpretableV2 {
	name, args := c.Function(), c.Args()
	m := &metered{InterpretableV2: c, args: args}
	switch name {
	case operators.Equals:
		m.impl = &functions.Overload{Binary: types.Equal}
	case operators.NotEquals:
		m.impl = &functions.Overload{Binary: func(a, b ref.Val) ref.Val { return types.Bool(types.Equal(a, b) != types.True) }}
	case operators.In:
		if _, constant := args[1].(interpreter.InterpretableConst); constant {
			return c // a look-up
		}
	}
	if m.impl == nil {
		m.impl = p.bindings[c.OverloadID()]
	}
	if m.impl == nil {
		m.impl = p.bindings[name]
	}
	var known bool
	if m.cost, known = costs[name]; !known {
		m.cost = cost{per: 1}
	}
	if m.cost.free || m.impl == nil || m.impl.NonStrict || len(args) == 0 {
		return c
	}
	if known, ok := p.signed[c.ID()]; ok {
		m.signed = &known
	}
	return m
}

// bindings are the functions by name and by overload.
var bindings = sync.OnceValues(func() (map[string]*functions.Overload, error) {
	env, err := base()
	if err != nil {
		return nil, err
	}
	all := map[string]*functions.Overload{}
	for _, f := range env.Functions() {
		overloads, err := f.Bindings()
		if err != nil {
			return nil, err
		}
		for _, o := range overloads {
			all[o.Operator] = o
		}
	}
	return all, nil
})

// metered is a call that counts what it will cost.
type metered struct {
	interpreter.InterpretableV2 // the call itself, for its id
	args                        []interpreter.InterpretableV2
	impl                        *functions.Overload
	cost                        cost
	signed                      *signedCall // nil for calls that sign or digest nothing
}

// Eval implements interpreter.Interpretable.
func (m *metered) Eval(vars interpreter.Activation) ref.Val { return m.Exec(interpreter.AsFrame(vars)) }

// Exec implements interpreter.InterpretableV2.
func (m *metered) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	r := runOf(frame)
	if r == nil {
		return fail("the expression is evaluated outside a request")
	}
	if r.over != nil {
		return types.WrapErr(r.over)
	}
	args := make([]ref.Val, len(m.args))
	for i, arg := range m.args {
		if args[i] = arg.Exec(frame); types.IsUnknownOrError(args[i]) {
			return args[i]
		}
	}
	if err := m.count(r, args); err != nil {
		return types.WrapErr(err)
	}
	if m.signed != nil && r.v.Explain != nil {
		m.signed.tell(r.v, args)
	}
	out := m.apply(args)
	if types.IsError(out) {
		return types.LabelErrNode(m.ID(), out)
	}
	if m.cost.result {
		return out
	}
	if err := r.result(out); err != nil {
		return types.WrapErr(err)
	}
	return out
}

func (m *metered) count(r *run, args []ref.Val) error {
	units := m.cost.fixed
	if m.cost.per > 0 {
		for _, a := range args {
			units += m.cost.per * weight(a, r.left())
		}
	}
	if err := r.spend(units); err != nil || m.cost.before == nil {
		return err
	}
	return m.cost.before(r, args)
}

func (m *metered) apply(args []ref.Val) ref.Val {
	o := m.impl
	if o.OperandTrait != 0 && !args[0].Type().HasTrait(o.OperandTrait) {
		return fail("the expression fails on this request: a conversion or an index does not fit")
	}
	switch {
	case o.Unary != nil && len(args) == 1:
		return o.Unary(args[0])
	case o.Binary != nil && len(args) == 2:
		return o.Binary(args[0], args[1])
	case o.Function != nil:
		return o.Function(args...)
	}
	return fail("the expression fails on this request: a conversion or an index does not fit")
}

// runOf is the run of a step.
func runOf(frame *interpreter.ExecutionFrame) *run {
	found, _ := frame.ResolveName(runName)
	r, _ := found.(*run)
	return r
}

// loopRange is what a loop goes through; it counts the loop's steps before the
// first of them.
type loopRange struct {
	interpreter.InterpretableV2
	nodes int64
}

// Eval implements interpreter.Interpretable.
func (l *loopRange) Eval(vars interpreter.Activation) ref.Val {
	return l.Exec(interpreter.AsFrame(vars))
}

// Exec implements interpreter.InterpretableV2.
func (l *loopRange) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	return countLoop(frame, l.InterpretableV2, l.nodes)
}

// attributeRange is a loopRange that names a variable or an entry of one.
type attributeRange struct {
	interpreter.InterpretableAttribute
	nodes int64
}

// Eval implements interpreter.Interpretable.
func (l *attributeRange) Eval(vars interpreter.Activation) ref.Val {
	return l.Exec(interpreter.AsFrame(vars))
}

// Exec implements interpreter.InterpretableV2.
func (l *attributeRange) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	return countLoop(frame, l.InterpretableAttribute, l.nodes)
}

func countLoop(frame *interpreter.ExecutionFrame, list interpreter.InterpretableV2, nodes int64) ref.Val {
	r := runOf(frame)
	if r != nil && r.over != nil {
		return types.WrapErr(r.over)
	}
	over := list.Exec(frame)
	sized, ok := over.(traits.Sizer)
	if !ok || r == nil {
		return over // an error, or no list: the loop says so
	}
	n := int64(sized.Size().(types.Int))
	if err := firstOf(r.items(n), r.spend(n*nodes*unitsPerStep)); err != nil {
		return types.WrapErr(err)
	}
	return over
}
