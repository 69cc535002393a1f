package expr

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/decls"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/attache-proxy/attache/providers/spelling"
)

// program is one compiled and type-checked expression.
type program struct {
	prog     cel.Program
	typ      *cel.Type
	refs     []string // as Template.Refs
	required []string // those of refs that are read without a has() before
	body     bool
	origin   *Origin
	sight    sight
}

// ErrNone says that an expression gave none or null: what it stands for is to
// be left out.
var ErrNone = errors.New("the expression gives no value")

// program compiles the expression src, which starts at the byte offset of
// whole; errors name the place in whole.
func (s *Scope) program(src, whole string, offset int) (*program, error) {
	env, err := s.environment()
	if err != nil {
		return nil, err
	}
	tree, issues := env.Compile(src)
	if issues.Err() != nil {
		return nil, s.diagnose(env, issues.Errors()[0], src, whole, offset)
	}
	p := &program{typ: tree.OutputType()}
	if err := p.analyse(tree.NativeRep(), src, whole, offset); err != nil {
		return nil, err
	}
	p.origin = s.originOf(p.refs, tree.NativeRep())
	p.sight = s.seen(tree.NativeRep().Expr())
	plan, err := newPlan(tree.NativeRep())
	if err != nil {
		return nil, err
	}
	plan.signed = s.signedCalls(tree.NativeRep())
	p.prog, err = env.Program(tree, cel.EvalOptions(cel.OptOptimize), cel.CustomDecoratorV2(plan.meter))
	if err != nil {
		return nil, errorAt(whole, offset, "%v", err)
	}
	return p, nil
}

// addressed are parts of the request that many requests share.
var addressed = []string{"request.scheme", "request.host", "request.hostname"}

// originOf joins what an expression reads with what its let values read.
func (s *Scope) originOf(refs []string, tree *ast.AST) *Origin {
	o := &Origin{Refs: slices.Clone(refs)}
	ast.PreOrderVisit(tree.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.IdentKind {
			return
		}
		name := e.AsIdent()
		root, _, _ := strings.Cut(name, ".")
		o.Request = o.Request || root == "request" && !slices.Contains(addressed, name)
		for _, l := range s.lets {
			if l.name == name {
				o.Refs = append(o.Refs, l.prog.origin.Refs...)
				o.Request = o.Request || l.prog.origin.Request
			}
		}
	}))
	slices.Sort(o.Refs)
	o.Refs = slices.Compact(o.Refs)
	return o
}

// valueMaps are the variables of which only named entries may be read, so that
// it is known at load what an expression needs.
var valueMaps = []string{"fields", "app", "account"}

// analyse finds what the expression refers to.
func (p *program) analyse(tree *ast.AST, src, whole string, offset int) error {
	named := map[int64]bool{} // idents that stand before a name
	optional := map[string]bool{}
	note := func(operand ast.Expr, name string, maybe bool) {
		if operand.Kind() != ast.IdentKind || !slices.Contains(valueMaps, operand.AsIdent()) {
			return
		}
		named[operand.ID()] = true
		full := operand.AsIdent() + "." + name
		p.refs = append(p.refs, full)
		if maybe {
			optional[full] = true
		}
	}
	var bare ast.Expr
	ast.PreOrderVisit(tree.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		switch e.Kind() {
		case ast.SelectKind:
			note(e.AsSelect().Operand(), e.AsSelect().FieldName(), e.AsSelect().IsTestOnly())
		case ast.CallKind:
			c := e.AsCall()
			if len(c.Args()) == 2 && c.Args()[1].Kind() == ast.LiteralKind {
				if name, ok := c.Args()[1].AsLiteral().(types.String); ok {
					switch c.FunctionName() {
					case operators.Index:
						note(c.Args()[0], string(name), false)
					case operators.OptSelect, operators.OptIndex:
						note(c.Args()[0], string(name), true)
					}
				}
			}
		case ast.IdentKind:
			name := e.AsIdent()
			if slices.Contains(valueMaps, name) && !named[e.ID()] && bare == nil {
				bare = e
			}
			if name == "token" {
				p.refs = append(p.refs, name)
			}
			if root, _, _ := strings.Cut(name, "."); root == "request" && name != root {
				p.refs = append(p.refs, name)
			}
			p.body = p.body || variables[name].body
		}
	}))
	slices.Sort(p.refs)
	p.refs = slices.Compact(p.refs)
	for _, name := range p.refs {
		if !optional[name] {
			p.required = append(p.required, name)
		}
	}
	if bare != nil {
		loc := tree.SourceInfo().GetStartLocation(bare.ID())
		return errorAt(whole, offset+offsetOf(src, loc.Line(), loc.Column()), "want a name after %s, such as %[1]s.key", bare.AsIdent())
	}
	return nil
}

// eval runs the program. Its error tells nothing of the values.
func (p *program) eval(v *Vars) (ref.Val, error) {
	val, _, err := p.prog.Eval(v.running())
	if err == nil {
		return val, nil
	}
	if missing, ok := errors.AsType[*MissingError](err); ok {
		return nil, missing
	}
	if v.run.unread != nil {
		return nil, v.run.unread
	}
	for _, name := range p.required {
		if r, ok := parseRef(name); ok && r.value(v) == "" {
			return nil, &MissingError{name}
		}
	}
	if own, ok := errors.AsType[EvalError](err); ok {
		return nil, own
	}
	if strings.HasPrefix(err.Error(), "no such key") {
		return nil, EvalError("the expression reads an entry that is not there; ask with has() first")
	}
	if strings.Contains(err.Error(), "UTF-8") {
		return nil, EvalError("string(…) is given bytes that are no text: write hex(…) or base64(…)")
	}
	return nil, EvalError("the expression fails on this request: a conversion or an index does not fit")
}

// textOf is a result as the text of a template.
func textOf(v ref.Val) (string, error) {
	switch v := v.(type) {
	case types.String:
		return string(v), nil
	case types.Int:
		return strconv.FormatInt(int64(v), 10), nil
	case types.Uint:
		return strconv.FormatUint(uint64(v), 10), nil
	case types.Bool:
		return strconv.FormatBool(bool(v)), nil
	case types.Null:
		return "", ErrNone
	case *types.Optional:
		if !v.HasValue() {
			return "", ErrNone
		}
		return textOf(v.GetValue())
	}
	return "", EvalError("the expression gives a " + typeName(cel.ObjectType(v.Type().TypeName())) + "; want text or a whole number")
}

// checkText refuses types that have no text of their own.
func checkText(t *cel.Type) string {
	switch t.Kind() {
	case types.StringKind, types.IntKind, types.UintKind, types.BoolKind, types.DynKind, types.NullTypeKind:
		return ""
	case types.BytesKind:
		return "want text, got bytes: write hex(…), base64(…) or string(…)"
	case types.TimestampKind:
		return "want text, got a timestamp: write .unix(), .iso(), .http() or .format(…)"
	case types.DoubleKind:
		return "want text or a whole number, got a double: write int(…) or string(…)"
	}
	if t.TypeName() == "optional_type" {
		return checkText(t.Parameters()[0])
	}
	return "want text or a whole number, got " + typeName(t)
}

func typeName(t *cel.Type) string {
	return strings.TrimPrefix(cel.FormatCELType(t), "google.protobuf.")
}

const unknownName = "unknown name "

// diagnose makes CEL's first complaint one that says what was expected.
func (s *Scope) diagnose(env *cel.Env, e *common.Error, src, whole string, offset int) error {
	at := offset + offsetOf(src, e.Location.Line(), e.Location.Column())
	msg := e.Message
	if name, ok := between(msg, "undeclared reference to '", "'"); ok {
		return errorAt(whole, at, "%s%s; known here: %s", unknownName, name, s.known(env, name))
	}
	if name, ok := between(msg, "found no matching overload for '", "'"); ok {
		_, got, _ := strings.Cut(msg, "applied to ")
		got = strings.Trim(got, "'")
		if wantsBefore(name) && strings.Contains(got, ".(") {
			return errorAt(whole, at, "there is no such function behind a value: %s stands before what it works on, %s(…)", name, name)
		}
		if as, ok := written[name]; ok {
			return errorAt(whole, at, "%s: got %s, want two of one type", as, got)
		}
		return errorAt(whole, at, "%s: got %s, want %s", operatorName(name), got, wanted(env.Functions()[name]))
	}
	if strings.Contains(msg, "type 'request' does not support field selection") {
		return errorAt(whole, at, "unknown part of request; known: %s", strings.Join(variablesOf("request."), ", "))
	}
	if syntax, ok := strings.CutPrefix(msg, "Syntax error: "); ok {
		return errorAt(whole, at, "syntax: %s", syntax)
	}
	return errorAt(whole, at, "%s", msg)
}

// wantsBefore reports whether a function of ours stands before what it works on.
func wantsBefore(name string) bool {
	for _, subject := range library {
		for _, f := range subject {
			if f.name == name && !f.member {
				return true
			}
		}
	}
	return false
}

// far is how many letters make another word of one.
const far = 3

// known lists what a misspelt name could have meant.
func (s *Scope) known(env *cel.Env, name string) string {
	names := slices.Collect(maps.Keys(variables))
	for _, l := range s.lets {
		names = append(names, l.name)
	}
	for _, subject := range library {
		for _, f := range subject {
			if !f.member {
				names = append(names, f.name+"()")
			}
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	near := slices.Clone(names)
	slices.SortStableFunc(near, func(a, b string) int {
		return cmp.Compare(spelling.Distance(name, strings.TrimSuffix(a, "()"), far), spelling.Distance(name, strings.TrimSuffix(b, "()"), far))
	})
	if d := spelling.Distance(name, strings.TrimSuffix(near[0], "()"), far); d < far && d < len(name) {
		return near[0] + " (did you mean that?) and others"
	}
	names = slices.DeleteFunc(names, func(n string) bool { return strings.HasSuffix(n, "()") })
	return strings.Join(names, ", ") + " and functions"
}

// wanted lists the argument types that f takes.
func wanted(f *decls.FunctionDecl) string {
	if f == nil {
		return "other types"
	}
	var sets []string
	for _, o := range f.OverloadDecls() {
		var ts []string
		for _, t := range o.ArgTypes() {
			ts = append(ts, typeName(t))
		}
		sets = append(sets, "("+strings.Join(ts, ", ")+")")
	}
	slices.Sort(sets)
	sets = slices.Compact(sets)
	if len(sets) > 6 {
		sets = append(sets[:6], "…")
	}
	return strings.Join(sets, " or ")
}

func operatorName(name string) string {
	if op, ok := operators.FindReverse(name); ok && op != "" {
		return op
	}
	return name + "()"
}

// variablesOf lists the variables that start with prefix.
func variablesOf(prefix string) []string {
	var names []string
	for name := range variables {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func between(s, before, after string) (string, bool) {
	_, rest, ok := strings.Cut(s, before)
	if !ok {
		return "", false
	}
	found, _, ok := strings.Cut(rest, after)
	return found, ok
}

// offsetOf is the byte offset of a line (from 1) and a column (from 0, in
// characters) of src.
func offsetOf(src string, line, column int) int {
	offset := 0
	for range line - 1 {
		n := strings.IndexByte(src[offset:], '\n')
		if n < 0 {
			return len(src)
		}
		offset += n + 1
	}
	for i := range src[offset:] {
		if column == 0 {
			return offset + i
		}
		column--
	}
	return len(src)
}
