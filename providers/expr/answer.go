package expr

import (
	"errors"
	"fmt"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
)

// answerName is what an Answer calls the answer to a test.
const answerName = "answer"

// Answer is a condition over the answer to a connector's test request. Its
// expression may read answer.status (a whole number), answer.json (the body, or
// null where it is no JSON) and answer.text (the body).
type Answer struct{ condition *Condition }

var answerEnv = sync.OnceValues(func() (*cel.Env, error) {
	env, err := base()
	if err != nil {
		return nil, err
	}
	return env.Extend(cel.Variable(answerName, cel.MapType(cel.StringType, cel.DynType)))
})

// CompileAnswer compiles a condition over an answer. Neither the account nor the
// request can be read in it: a service's verdict does not depend on them.
func CompileAnswer(src string) (*Answer, error) {
	env, err := answerEnv()
	if err != nil {
		return nil, err
	}
	s := &Scope{env: env, lets: []*Let{{answerName, &program{origin: &Origin{}}}}}
	c, err := s.Condition(src)
	if err != nil {
		return nil, err
	}
	if len(c.Refs()) > 0 || c.NeedsBody() {
		return nil, errors.New("only answer.status, answer.json and answer.text are known where an answer is judged")
	}
	return &Answer{c}, nil
}

// Holds reports whether the condition is true of an answer. An expression that
// fails on it, because it reads a member that is not there, is not true.
func (a *Answer) Holds(status int, body []byte) bool {
	doc, err := parseJSON(body)
	if err != nil {
		doc = nil
	}
	v := new(Vars)
	v.running().setLet(answerName, types.DefaultTypeAdapter.NativeToValue(map[string]any{"status": int64(status), "json": doc, "text": string(body)}))
	ok, err := a.condition.Eval(v)
	return ok && err == nil
}

// silent are answers that say nothing of a credential, and such that refuse one in
// the ways that services have.
var silent = []struct {
	status int
	body   string
}{
	{200, ""}, {200, "null"}, {200, "{}"}, {200, "[]"}, {200, "error"}, {200, `""`},
	{200, `{"error":"invalid key","errors":["invalid key"],"message":"invalid key","ok":false,"success":false,"valid":false,"code":401,"status":"error","result":null,"data":null}`},
	{401, `{"error":"invalid key"}`}, {403, ""}, {500, "error"},
}

// CanFail says whether there is an answer of which the condition is not true; one
// that is true of every answer proves nothing.
func (a *Answer) CanFail() error {
	for _, s := range silent {
		if !a.Holds(s.status, []byte(s.body)) {
			return nil
		}
	}
	return fmt.Errorf("the condition is true of every answer, also of an empty one and of a refusal: name what only a right key gets")
}
