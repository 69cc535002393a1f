package explain

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/attache-proxy/attache/caddymodule/admin/audit"
	"github.com/attache-proxy/attache/caddymodule/admin/rest"
	"github.com/attache-proxy/attache/caddymodule/admin/signin"
	"github.com/attache-proxy/attache/providers/operations"
	"github.com/attache-proxy/attache/resolver/problem"
	"github.com/attache-proxy/attache/resolver/record"
	"github.com/attache-proxy/attache/resolver/rule"
	"github.com/attache-proxy/attache/resolver/vault"
)

// How far back is looked where nothing else is asked for.
const (
	suggestSince = 7 * 24 * time.Hour
	replaySince  = 30 * 24 * time.Hour
	// maxShown is how many verdicts an answer has.
	maxShown = 500
)

// MountLearned registers what is made of what an agent did.
func MountLearned(s *rest.Server, c Config) {
	e := learner{c}
	rest.Register(s, rest.Operation{ID: "suggest-rules", Method: http.MethodGet, Path: "/agents/{id}/suggestions", Role: vault.RoleViewer, Noun: "AGENT", Summary: "Suggest the smallest rules that cover what an agent did",
		Detail: "Of the calls in the audit that worked, for each account. Nothing is changed: a suggestion becomes the operations of a grant when somebody puts it there."}, e.suggest)
	rest.Register(s, rest.Operation{ID: "replay-rules", Method: http.MethodPost, Path: "/agents/{id}/replay", Role: vault.RoleViewer, Noun: "AGENT", Summary: "Try rules on what an agent did",
		Detail: "Says of the calls in the audit which of them the rules would have refused, and which they would have permitted. Nothing is sent or changed. Where the audit does not have what a request did, only a rule for everything or for its path permits it."}, e.replay)
}

type learner struct{ c Config }

type suggestIn struct {
	rest.PathID
	AccountID string    `query:"account_id" doc:"Only this account; absent: all."`
	Since     time.Time `query:"since" doc:"From when on; absent: seven days."`
}

// Suggestion is rules for one account.
type Suggestion struct {
	Connector string   `json:"connector"`
	AccountID string   `json:"account_id"`
	Calls     int64    `json:"calls" doc:"How many are covered or told of in notes."`
	Rules     []string `json:"operations" doc:"As the operations of a grant."`
	Notes     []string `json:"notes,omitempty" doc:"What no rule was made of, and why."`
}

type suggestOut struct {
	Body struct {
		Since       time.Time    `json:"since"`
		Whole       bool         `json:"whole" doc:"Whether all calls were looked at; those that are alike count as one, and there may be too many different ones."`
		Suggestions []Suggestion `json:"suggestions"`
	}
}

func (e learner) suggest(ctx context.Context, c *signin.Caller, in *suggestIn) (*suggestOut, error) {
	out := new(suggestOut)
	out.Body.Since = since(in.Since, suggestSince)
	deeds, whole, err := e.deeds(ctx, c, vault.AuditFilter{AgentID: in.ID, AccountID: in.AccountID, From: out.Body.Since})
	if err != nil {
		return nil, err
	}
	out.Body.Whole, out.Body.Suggestions = whole, []Suggestion{}
	of := map[[2]string][]record.Call{}
	for _, d := range deeds {
		if d.AccountID != "" {
			key := [2]string{d.Connector, d.AccountID}
			of[key] = append(of[key], e.call(d))
		}
	}
	if err := e.asked(ctx, c, vault.ApprovalFilter{AgentID: in.ID, AccountID: in.AccountID}, out.Body.Since, of); err != nil {
		return nil, err
	}
	for key, calls := range of {
		made := record.Suggest(calls)
		s := Suggestion{Connector: key[0], AccountID: audit.Whose("acc_", key[1]), Rules: made.Rules, Notes: made.Notes}
		for _, one := range calls {
			if one.Code == "" && one.Worked {
				s.Calls += one.Count
			}
		}
		if len(s.Rules)+len(s.Notes) > 0 {
			s.Rules = append([]string{}, s.Rules...)
			out.Body.Suggestions = append(out.Body.Suggestions, s)
		}
	}
	slices.SortFunc(out.Body.Suggestions, func(a, b Suggestion) int {
		return cmp.Or(cmp.Compare(a.Connector, b.Connector), cmp.Compare(a.AccountID, b.AccountID))
	})
	return out, nil
}

// asked adds, by connector and account, what people were asked about: of a call that went
// through after a yes the audit does not say so. The newest 2 000 questions count.
func (e learner) asked(ctx context.Context, c *signin.Caller, f vault.ApprovalFilter, since time.Time, of map[[2]string][]record.Call) error {
	p := vault.Page{Limit: 500}
	for range 4 {
		l, err := c.Approvals(ctx, f, p)
		if err != nil {
			return err
		}
		for i := range l.Items {
			a := &l.Items[i]
			key := [2]string{a.Connector, a.AccountID}
			if of[key] == nil || a.RequestedAt.Before(since) {
				continue
			}
			at, err := url.Parse(a.URL)
			if err != nil {
				return err
			}
			of[key] = append(of[key], record.Call{Also: e.sameAs(a.Connector), Operation: a.Operation, Effect: a.Effect, Resource: a.Resource, Method: a.Method, Path: at.EscapedPath(), Code: record.Asked, Count: 1})
		}
		if p.After = l.Next; p.After == "" {
			return nil
		}
	}
	return nil
}

func since(given time.Time, otherwise time.Duration) time.Time {
	if given.IsZero() {
		return time.Now().Add(-otherwise).UTC().Truncate(time.Second)
	}
	return given
}

func (e learner) deeds(ctx context.Context, c *signin.Caller, f vault.AuditFilter) ([]vault.Deed, bool, error) {
	if err := e.c.Sees(ctx, c, f.AgentID); err != nil {
		return nil, false, err
	}
	return c.Deeds(ctx, f)
}

// call is a deed as rules see it.
func (e learner) call(d vault.Deed) record.Call {
	return record.Call{Also: e.sameAs(d.Connector), Operation: d.Operation, Effect: d.Effect, Resource: d.Resource, Method: d.Method, Path: d.Path, Upgraded: d.Upgraded, Worked: d.Worked, Code: d.Code, Count: d.Count}
}

// sameAs finds the name that a connector's table has for what another protocol names.
func (e learner) sameAs(connector string) func(name string) string {
	if e.c.Connector == nil {
		return nil
	}
	con, ok := e.c.Connector(connector)
	if !ok {
		return nil
	}
	return con.SameAs
}

type replayIn struct {
	rest.PathID
	Body struct {
		Operations []string  `json:"operations" minItems:"1" maxItems:"100" doc:"The rules, as the operations of a grant." example:"[\"allow read\"]"`
		Connector  string    `json:"connector" minLength:"1" maxLength:"256" doc:"Whose calls." example:"github"`
		AccountID  string    `json:"account_id,omitempty" doc:"Only this account; absent: all of the connector."`
		Since      time.Time `json:"since,omitempty" doc:"From when on; absent: thirty days."`
	}
}

// Verdict is what rules would have made of calls that are alike.
type Verdict struct {
	Does       string `json:"does" doc:"What they did, for people."`
	Method     string `json:"method,omitempty"`
	Path       string `json:"path,omitempty"`
	Calls      int64  `json:"calls"`
	Verdict    string `json:"verdict" enum:"permitted,asked,refused"`
	Changed    bool   `json:"changed" doc:"It was the other way."`
	Hangs      bool   `json:"hangs,omitempty" doc:"It hangs on a condition (when) on what was in the calls, which is not recorded: the stricter is told."`
	Rule       string `json:"rule,omitempty" doc:"Which decides; absent: none matches."`
	RuleNumber int    `json:"rule_number,omitempty"`
}

type replayOut struct {
	Body struct {
		Since     time.Time `json:"since"`
		Whole     bool      `json:"whole" doc:"Whether all calls were looked at."`
		Permitted int64     `json:"permitted" doc:"Calls that the rules permit."`
		Asked     int64     `json:"asked" doc:"Calls of which they ask a person."`
		Refused   int64     `json:"refused" doc:"Calls that they refuse."`
		Lost      int64     `json:"lost" doc:"Of those refused, calls that were sent."`
		Gained    int64     `json:"gained" doc:"Of those permitted, calls that were refused."`
		Verdicts  []Verdict `json:"verdicts" doc:"Those that change first; at most 500."`
	}
}

func (e learner) replay(ctx context.Context, c *signin.Caller, in *replayIn) (*replayOut, error) {
	rules, err := rule.New(in.Body.Operations, e.table(c, in.Body.Connector))
	if err != nil {
		return nil, problem.New(http.StatusUnprocessableEntity, "INVALID_INPUT", problem.Sentence(err.Error())).At("body.operations", err.Error())
	}
	out := new(replayOut)
	b := &out.Body
	b.Since, b.Verdicts = since(in.Body.Since, replaySince), []Verdict{}
	deeds, whole, err := e.deeds(ctx, c, vault.AuditFilter{AgentID: in.ID, AccountID: in.Body.AccountID, Connector: in.Body.Connector, From: b.Since})
	if err != nil {
		return nil, err
	}
	b.Whole = whole
	calls := make([]record.Call, len(deeds))
	for i, d := range deeds {
		calls[i] = e.call(d)
	}
	for _, v := range record.Replay(rules, calls) {
		shown := Verdict{Does: v.Label, Method: v.Method, Path: v.Path, Calls: v.Count, Verdict: "refused", Changed: v.Changed, Hangs: v.Hangs, Rule: v.Rule, RuleNumber: v.Number}
		switch {
		case v.Allowed:
			shown.Verdict = "permitted"
			b.Permitted += v.Count
		case v.Asked:
			shown.Verdict = "asked"
			b.Asked += v.Count
		default:
			b.Refused += v.Count
		}
		switch {
		case v.Changed && v.Allowed:
			b.Gained += v.Count
		case v.Changed && !v.Asked:
			b.Lost += v.Count
		}
		if len(b.Verdicts) < maxShown {
			b.Verdicts = append(b.Verdicts, shown)
		}
	}
	return out, nil
}

// table is the connector's; nil where it has none or is not known, and for who sees one
// organisation alone: the connector may be another's, and a mistake names what is in it.
func (e learner) table(c *signin.Caller, key string) operations.Table {
	if e.c.Connector == nil || e.c.Operations == nil || c.Organisation() != vault.All {
		return nil
	}
	con, ok := e.c.Connector(key)
	if !ok {
		return nil
	}
	return e.c.Operations(con)
}
