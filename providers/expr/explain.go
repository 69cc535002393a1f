package expr

import (
	"encoding/hex"
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// Step is something that was computed on the way to a signature, for people who look
// for a mistake. Its texts may hold secrets, and so may Key: who shows them takes
// those out.
type Step struct {
	// What it is: "let", the name of a function that signs or digests, or what a
	// signer by name calls it, such as "canonical request".
	What string
	// Name is that of a let value.
	Name string
	Text string
	// Key is that of a function that signs; KeyRefs are what it is made of.
	Key     []byte
	KeyRefs []string
	// Opaque are references whose values stand in Text in another form than their
	// own, so that they cannot be found there.
	Opaque []string
}

// digests are functions from whose results nobody reads what they were made of, with
// the place of the text among their arguments; -1 where the only one is a key.
var digests = func() map[string]int {
	all := map[string]int{"jwk_thumbprint": -1, "public_jwk": -1}
	for _, f := range hashes {
		all[f.name] = len(f.params) - 1
	}
	for _, f := range keys {
		if all[f.name] = len(f.params) - 1; len(f.params) == 1 {
			all[f.name] = -1
		}
	}
	return all
}()

// sight is what can be seen of references in a value.
type sight struct {
	// exposed can be read out of it, opaque out of it in another form than their own.
	exposed, opaque []string
}

func (a sight) join(b sight) sight {
	return sight{append(a.exposed[:len(a.exposed):len(a.exposed)], b.exposed...), append(a.opaque[:len(a.opaque):len(a.opaque)], b.opaque...)}
}

// hidden is for a value that a function made of others.
func (a sight) hidden() sight { return sight{a.exposed, a.exposed} }

// seen finds what of the references can be seen in the value of e. What is put
// together stays as it is; any other function may turn it into something else.
func (s *Scope) seen(e ast.Expr) (out sight) {
	children := func(all ...ast.Expr) (out sight) {
		for _, c := range all {
			out = out.join(s.seen(c))
		}
		return out
	}
	switch e.Kind() {
	case ast.IdentKind:
		name := e.AsIdent()
		if name == "token" {
			return sight{exposed: []string{name}}
		}
		if i := slices.IndexFunc(s.lets, func(l *Let) bool { return l.name == name }); i >= 0 {
			return s.lets[i].prog.sight
		}
		return sight{}
	case ast.SelectKind:
		sel := e.AsSelect()
		if sel.IsTestOnly() {
			return sight{}
		}
		if name, ok := entryOf(sel.Operand(), sel.FieldName()); ok {
			return sight{exposed: []string{name}}
		}
		return s.seen(sel.Operand()).hidden()
	case ast.CallKind:
		c := e.AsCall()
		args := c.Args()
		if c.IsMemberFunction() {
			args = append([]ast.Expr{c.Target()}, args...)
		}
		switch name := c.FunctionName(); name {
		case operators.Index, operators.OptIndex, operators.OptSelect:
			if text, ok := literalText(args[1]); ok {
				if name, ok := entryOf(args[0], text); ok {
					return sight{exposed: []string{name}}
				}
			}
		case operators.Add, "join", "orValue", "string", "bytes":
			return children(args...)
		case operators.Conditional:
			return children(args[1:]...)
		default:
			if _, ok := digests[name]; ok || name == "size" {
				return sight{}
			}
		}
		return children(args...).hidden()
	case ast.ListKind:
		return children(e.AsList().Elements()...)
	case ast.ComprehensionKind:
		loop := e.AsComprehension()
		return children(loop.IterRange(), loop.AccuInit(), loop.LoopStep(), loop.Result()).hidden()
	case ast.MapKind:
		for _, entry := range e.AsMap().Entries() {
			out = out.join(s.seen(entry.AsMapEntry().Value()))
		}
		return out.hidden()
	}
	return sight{}
}

func literalText(e ast.Expr) (string, bool) {
	if e.Kind() != ast.LiteralKind {
		return "", false
	}
	text, ok := e.AsLiteral().(types.String)
	return string(text), ok
}

// entryOf is fields.NAME and the like.
func entryOf(operand ast.Expr, name string) (string, bool) {
	if operand.Kind() != ast.IdentKind || !slices.Contains(valueMaps, operand.AsIdent()) {
		return "", false
	}
	return operand.AsIdent() + "." + name, true
}

// signedCall is what is known of a call that signs or digests.
type signedCall struct {
	name    string
	keyRefs []string
	opaque  []string
}

// signedCalls are those of an expression, by the id of the call.
func (s *Scope) signedCalls(tree *ast.AST) map[int64]signedCall {
	var calls map[int64]signedCall
	ast.PreOrderVisit(tree.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.CallKind {
			return
		}
		c := e.AsCall()
		at, ok := digests[c.FunctionName()]
		if !ok || at < 0 || len(c.Args()) != at+1 {
			return
		}
		known := signedCall{name: c.FunctionName(), opaque: s.seen(c.Args()[at]).opaque}
		if at > 0 {
			known.keyRefs = s.seen(c.Args()[0]).exposed
		}
		if calls == nil {
			calls = map[int64]signedCall{}
		}
		calls[e.ID()] = known
	}))
	return calls
}

// tell explains a call.
func (c *signedCall) tell(v *Vars, args []ref.Val) {
	st := Step{What: c.name, Text: stringOf(args[len(args)-1]), Opaque: c.opaque, KeyRefs: c.keyRefs}
	if len(args) > 1 {
		st.Key = bytesOf(args[0])
	}
	v.Explain(st)
}

// tell explains a let value. Bytes are shown as hex, lists and the like as CEL's type.
func (l *Let) tell(v *Vars, val ref.Val) {
	st := Step{What: "let", Name: l.name, Opaque: l.prog.sight.opaque}
	switch val := val.(type) {
	case types.Bytes:
		st.Text = "0x" + hex.EncodeToString(val)
	default:
		text, err := textOf(val)
		if err != nil {
			var b strings.Builder
			if writeJSON(&b, val, 0) != nil {
				b.Reset()
				b.WriteString("(" + val.Type().TypeName() + ")")
			}
			text = b.String()
		}
		st.Text = text
	}
	v.Explain(st)
}
