// Package budget is how much agents, accounts and grants may use in a minute, an hour, a
// day or a month of the calendar (UTC): requests, bytes, operations by their effect, tokens
// of language models, and money at prices that the operator names.
//
//	budget 1000 requests per day
//	budget 20 delete per hour
//	budget 2GiB bytes down per day
//	budget 2000000 tokens per day
//	budget 25 USD per month
//	price  input 3 output 15 per million tokens claude-*
//	price  0.01 per issues/create
//
// A request is counted by every budget that it falls under, or by none. Plans are what was
// written, compiled; a Store counts; a Spend is one request's.
package budget

import (
	"fmt"
	"strconv"
	"time"

	"github.com/attache-proxy/attache/providers/operations"
)

// what a budget is of.
type what uint8

const (
	requests what = iota
	bytesUp
	bytesDown
	byEffect // operations of an effect
	changes  // operations that do more than reading
	tokensIn
	tokensOut
	tokens
	money
)

// estimated reports what is known only when the answer is over: a request is let pass while
// anything of the budget is left, and what it may come to is set aside meanwhile.
func (w what) estimated() bool { return w >= tokensIn }

// Plan is the budgets and prices of one owner: an agent, an account or a grant. It does not
// change. A nil Plan has none.
type Plan struct {
	of     Owner
	lines  []string
	limits []limit
	prices []price
}

// limit is one budget.
type limit struct {
	text     string // "1000 requests per day"
	what     what
	effect   operations.Effect
	currency string
	most     int64 // money in millionths
	per      Window
	counter  string // by what it is counted
}

// price is what something costs, in millionths of a unit of money.
type price struct {
	currency  string // empty: of any budget's
	glob      string // of models or operations
	operation bool
	each      int64 // of an operation
	// in and out are per million tokens.
	in, out int64
}

// Lines are what the plan was made of.
func (p *Plan) Lines() []string {
	if p == nil {
		return nil
	}
	return p.lines
}

// Owner is whose a plan is: the kind, agent, account or grant, its id, how people call it, and
// the organisation, where that is not the default one.
type Owner struct{ Kind, ID, Name, Organisation string }

// Owner is whose the plan is.
func (p *Plan) Owner() Owner { return p.of }

func (o Owner) String() string { return o.Kind + " " + o.Name }

// ByOperation reports that it must be known what requests do.
func (p *Plan) ByOperation() bool {
	if p == nil {
		return false
	}
	for i := range p.limits {
		if p.limits[i].what == byEffect || p.limits[i].what == changes {
			return true
		}
	}
	for i := range p.prices {
		if p.prices[i].operation {
			return true
		}
	}
	return false
}

// State is how a budget stands.
type State struct {
	// Line is the budget as it was written, without the word budget.
	Line string
	// Used and Most are requests, bytes, operations, tokens or millionths of the currency.
	Used, Most int64
	Currency   string
	// Until is when it begins anew.
	Until time.Time
}

// Amount writes how much something is, in the budget's unit.
func (s State) Amount(n int64) string { return amount(s.Currency, n) }

func amount(currency string, n int64) string {
	if currency == "" {
		return strconv.FormatInt(n, 10)
	}
	whole, part := n/million, n%million
	if part == 0 {
		return fmt.Sprintf("%d %s", whole, currency)
	}
	text := fmt.Sprintf("%d.%06d", whole, part)
	for len(text) > 0 && text[len(text)-1] == '0' && text[len(text)-3] != '.' {
		text = text[:len(text)-1]
	}
	return text + " " + currency
}

const million = 1_000_000
