package operation

import (
	"encoding/json"
	"errors"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/attache-proxy/attache/resolver/rule/condition"
)

// given is what the arguments of a GraphQL document are made of (GraphQL, October 2021,
// section 6.1.2 and 6.4.1).
type given struct {
	variables map[string]json.RawMessage
	defaults  map[string]*ast.Value
	why       string
}

const whyVariables = "its variables are no object with each name once"

func newGiven(op *ast.OperationDefinition, variables jsontext.Value) *given {
	g := &given{defaults: map[string]*ast.Value{}}
	for _, v := range op.VariableDefinitions {
		if _, twice := g.defaults[v.Variable]; twice {
			g.why = "it declares a variable twice"
		}
		g.defaults[v.Variable] = v.DefaultValue
	}
	if len(variables) > 0 && (!whole(variables) || json.Unmarshal(variables, &g.variables) != nil) {
		g.why = whyVariables
	}
	return g
}

// arguments are those of a field, with the values of variables in their places.
func (g *given) arguments(f *ast.Field) *condition.Document {
	if g.why != "" {
		return &condition.Document{Why: g.why}
	}
	out := map[string]any{}
	for _, a := range f.Arguments {
		if _, twice := out[a.Name]; twice {
			return &condition.Document{Why: "a field has an argument twice"}
		}
		v, is, err := g.value(a.Value)
		if err != nil {
			return &condition.Document{Why: err.Error()}
		}
		if is {
			out[a.Name] = v
		}
	}
	text, err := json.Marshal(out)
	if err != nil || len(text) > MaxBody {
		return &condition.Document{Why: "its arguments are too long"}
	}
	return &condition.Document{JSON: text}
}

// value is a literal, or what a variable stands for; is is false for one that is not given.
func (g *given) value(v *ast.Value) (out any, is bool, err error) {
	switch v.Kind {
	case ast.Variable:
		otherwise, declared := g.defaults[v.Raw]
		raw, set := g.variables[v.Raw]
		switch {
		case !declared:
			return nil, false, errors.New("it uses a variable that is not declared")
		case set:
			return raw, true, nil
		case otherwise == nil:
			return nil, false, nil
		case otherwise.Kind == ast.Variable:
			return nil, false, errors.New("a variable's default is a variable")
		}
		return g.value(otherwise)
	case ast.IntValue, ast.FloatValue:
		if !json.Valid([]byte(v.Raw)) {
			return nil, false, errors.New("it has a number that cannot be read")
		}
		return json.RawMessage(v.Raw), true, nil
	case ast.StringValue, ast.BlockValue, ast.EnumValue:
		return v.Raw, true, nil
	case ast.BooleanValue:
		b, err := strconv.ParseBool(v.Raw)
		return b, true, err
	case ast.NullValue:
		return nil, true, nil
	case ast.ListValue:
		list := []any{}
		for _, c := range v.Children {
			item, is, err := g.value(c.Value)
			if err != nil {
				return nil, false, err
			}
			if !is {
				item = nil
			}
			list = append(list, item)
		}
		return list, true, nil
	case ast.ObjectValue:
		return g.object(v)
	}
	return nil, false, errors.New("it has a value that cannot be read")
}

func (g *given) object(v *ast.Value) (any, bool, error) {
	out := map[string]any{}
	for _, c := range v.Children {
		if _, twice := out[c.Name]; twice {
			return nil, false, errors.New("an object has a field twice")
		}
		item, is, err := g.value(c.Value)
		if err != nil {
			return nil, false, err
		}
		if is {
			out[c.Name] = item
		}
	}
	return out, true, nil
}
