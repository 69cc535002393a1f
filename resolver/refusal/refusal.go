// Package refusal is what agents get instead of a service's answer, and the only place
// where that becomes HTTP.
package refusal

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Refusal is an answer of ours instead of the service's: an RFC 9457 problem
// with a stable code, a sentence that an agent can act on, and the next step.
type Refusal struct {
	// Code is stable; it is also sent as the header Attache-Error.
	Code string
	// Detail says which agent, connector and account, and why. No secret.
	Detail string
	// Next is the one thing to do now.
	Next string
	// ConnectURL is where a person can set it right; may be empty.
	ConnectURL string
	// Accounts are the names to choose from, where the choice is missing.
	Accounts []string
	// Scopes are what the service wants of the token beyond what it has.
	Scopes []string
	// Operation is what was refused, where the grant's rules decided, and Rule is the one
	// that did; empty where none allows it.
	Operation, Rule string
	// Approval is the handle of the question to a person; empty where there is none.
	Approval string
	// Proposal is the smallest rule that would permit it, as it may be proposed; nil where
	// there is none.
	Proposal *Proposal
	// Status overrides the code's status; zero means that of the table.
	Status int
	// RetryAfter is in how many seconds it makes sense to ask again; zero means
	// what the table says of the code, which may be nothing.
	RetryAfter int
	// Err is the cause, for the log. It is never sent.
	Err error
}

// Proposal is a rule, and the grant that it is for.
type Proposal struct {
	Rule      string `json:"rule"`
	Connector string `json:"connector"`
	Account   string `json:"account,omitempty"`
}

func (r *Refusal) Error() string {
	if r.Err != nil && !strings.Contains(r.Detail, r.Err.Error()) {
		return fmt.Sprintf("%s: %s: %v", r.Code, r.Detail, r.Err)
	}
	return r.Code + ": " + r.Detail
}

func (r *Refusal) Unwrap() error { return r.Err }

// Says is its code and its sentence, without the cause.
func (r *Refusal) Says() (code, detail string) { return r.Code, r.Detail }

// Is lets errors.Is compare refusals by code.
func (r *Refusal) Is(target error) bool {
	t, ok := target.(*Refusal)
	return ok && t.Code == r.Code
}

// codes is the only place where our refusals become HTTP.
var codes = map[string]struct {
	status int
	title  string
}{
	"bad_request":                {http.StatusBadRequest, "The request cannot be understood"},
	"method_refused":             {http.StatusNotImplemented, "The method is not passed on"},
	"unknown_agent":              {http.StatusUnauthorized, "The agent is not known"},
	"run_ended":                  {http.StatusUnauthorized, "The run has ended"},
	"in_a_run":                   {http.StatusConflict, "A run opens no other"},
	"launch_key_wrong":           {http.StatusForbidden, "The launch key is another one"},
	"cross_site":                 {http.StatusForbidden, "The request comes from a web page"},
	"unknown_host":               {http.StatusMisdirectedRequest, "The proxy is not known by that name"},
	"misdirected":                {http.StatusMisdirectedRequest, "The request is for another host than its tunnel"},
	"no_connector":               {http.StatusForbidden, "No connector for that host"},
	"unknown_connector":          {http.StatusNotFound, "No such connector"},
	"not_permitted":              {http.StatusForbidden, "The agent may not do this"},
	"confinement_required":       {http.StatusForbidden, "The agent may do this in a confined run alone"},
	"operation_denied":           {http.StatusForbidden, "The grant's rules do not allow this"},
	"operation_unknown":          {http.StatusForbidden, "What the request does is not known"},
	"approval_pending":           {http.StatusForbidden, "A person has to decide on this"},
	"approval_denied":            {http.StatusForbidden, "A person said no to this"},
	"approval_expired":           {http.StatusForbidden, "Nobody has decided on this in time"},
	"approval_used":              {http.StatusForbidden, "The approval was for one request"},
	"approval_limit":             {http.StatusForbidden, "Too many approvals are asked for"},
	"tool_changed":               {http.StatusForbidden, "The tool says something else than it did"},
	"account_ambiguous":          {http.StatusConflict, "Several accounts, and none was chosen"},
	"account_unknown":            {http.StatusNotFound, "No such account"},
	"account_not_connected":      {http.StatusForbidden, "The account is not connected"},
	"account_expired":            {http.StatusForbidden, "The account's authorization has expired"},
	"account_revoked":            {http.StatusForbidden, "The account's authorization was revoked"},
	"account_suspended":          {http.StatusForbidden, "The account is suspended"},
	"account_error":              {http.StatusForbidden, "The account does not work"},
	"insufficient_scope":         {http.StatusForbidden, "The account's authorization does not reach that far"},
	"too_many_requests":          {http.StatusTooManyRequests, "The agent has too much in use"},
	"rate_limited":               {http.StatusTooManyRequests, "The account's limit is reached"},
	"budget_exceeded":            {http.StatusTooManyRequests, "A budget is used up"},
	"budget_unavailable":         {http.StatusServiceUnavailable, "What was used of budgets is not known at the moment"},
	"vault_unavailable":          {http.StatusServiceUnavailable, "The vault cannot be read at the moment"},
	"token_endpoint_unavailable": {http.StatusBadGateway, "No token could be had"},
	"cannot_sign":                {http.StatusBadRequest, "The request cannot be signed"},
	"cannot_presign":             {http.StatusBadRequest, "No URL can be presigned for this"},
	"upstream_denied":            {http.StatusForbidden, "The service's address is refused"},
	"upstream_unreachable":       {http.StatusBadGateway, "The service cannot be reached"},
	"upstream_timeout":           {http.StatusGatewayTimeout, "The service did not answer in time"},
	"echo_unsearchable":          {http.StatusBadGateway, "The answer cannot be searched for the credential"},
	"answer_unsafe":              {http.StatusBadGateway, "The service's answer was held back"},
}

// Codes are all codes of refusals, in order.
func Codes() []string { return slices.Sorted(maps.Keys(codes)) }

// retryAfter is how many seconds it makes sense to wait, by code.
var retryAfter = map[string]int{"vault_unavailable": 5, "budget_unavailable": 5}

// HTTPStatus is the status that the refusal is sent with.
func (r *Refusal) HTTPStatus() int {
	if r.Status != 0 {
		return r.Status
	}
	if c, ok := codes[r.Code]; ok {
		return c.status
	}
	return http.StatusBadGateway
}

// laterHelps are codes whose cause may be gone soon.
var laterHelps = []string{"too_many_requests", "rate_limited", "vault_unavailable", "budget_unavailable", "token_endpoint_unavailable", "upstream_unreachable", "upstream_timeout"}

// mayHelpLater reports that the same request may succeed later.
func (r *Refusal) mayHelpLater() bool { return slices.Contains(laterHelps, r.Code) }

// problem is the body of RFC 9457 with our extension members, and with those in which
// SDKs look for what they show.
type problem struct {
	Type       string   `json:"type"`
	Title      string   `json:"title"`
	Status     int      `json:"status"`
	Code       string   `json:"code"`
	Detail     string   `json:"detail"`
	Next       string   `json:"next,omitempty"`
	ConnectURL string   `json:"connect_url,omitempty"`
	Accounts   []string `json:"accounts,omitempty"`
	Scopes     []string `json:"scopes,omitempty"`
	Operation  string   `json:"operation,omitempty"`
	Rule       string   `json:"rule,omitempty"`
	Approval   string   `json:"approval,omitempty"`
	// Proposal may be filed as it is, with a reason.
	Proposal *Proposal `json:"proposal,omitempty"`

	JSONRPC string `json:"jsonrpc,omitempty"`
	Message string `json:"message"`
	Error   *said  `json:"error"`
	Errors  []said `json:"errors"`
}

func (r *Refusal) problem(status int) problem {
	text := r.message()
	return problem{
		Type:  "https://attache.dev/errors/" + r.Code,
		Title: codes[r.Code].title, Status: status, Code: r.Code,
		Detail: r.Detail, Next: r.Next, ConnectURL: r.ConnectURL, Accounts: r.Accounts, Scopes: r.Scopes, Operation: r.Operation, Rule: r.Rule, Approval: r.Approval, Proposal: r.Proposal,
		Message: text, Error: &said{Message: text, Type: "attache_refusal", Code: r.Code},
		Errors: []said{{Message: text, Extensions: map[string]string{"code": r.Code}}},
	}
}

// Answer answers a request with the refusal, in the form that its client shows.
func (r *Refusal) Answer(w http.ResponseWriter, req *http.Request) {
	status := r.HTTPStatus()
	h := w.Header()
	if after := cmp.Or(r.RetryAfter, retryAfter[r.Code]); after > 0 {
		h.Set("Retry-After", strconv.Itoa(after))
	}
	if !r.mayHelpLater() {
		h.Set("X-Should-Retry", "false") // the SDKs of OpenAI, Anthropic and others heed it
	}
	h.Set(HeaderError, r.Code)
	h.Set("Cache-Control", "no-store")
	for _, s := range shapes {
		if s.asks(req) {
			s.write(w, req, r, status)
			return
		}
	}
	writeJSON(w, "application/problem+json", status, r.problem(status))
}

// As finds the refusal in an error.
func As(err error) (*Refusal, bool) {
	if err == nil {
		return nil, false
	}
	var r *Refusal
	ok := errors.As(err, &r)
	return r, ok
}

// proposed is the rule that may be proposed; empty where there is none.
func (r *Refusal) proposed() string {
	if r.Proposal == nil {
		return ""
	}
	return r.Proposal.Rule
}
