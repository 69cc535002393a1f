// Package problem is an error for people and programs: a status, a stable code,
// a sentence (RFC 9457). The REST API, the pages and the turns of connecting
// share it.
package problem

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/attache-proxy/attache/providers/printable"
	"github.com/attache-proxy/attache/resolver/vault"
)

// Problem is every error of the API (RFC 9457). Code is stable; Detail is a
// sentence for people. It never echoes a value of the request, which may be secret.
type Problem struct {
	Type   string       `json:"type" doc:"Names the code as a URI." example:"https://attache.dev/errors/ACCOUNT_NOT_FOUND"`
	Title  string       `json:"title" doc:"What the status means." example:"Not Found"`
	Status int          `json:"status" doc:"The HTTP status." example:"404"`
	Code   string       `json:"code" doc:"Stable, for programs." example:"ACCOUNT_NOT_FOUND"`
	Detail string       `json:"detail" doc:"What happened, for people." example:"There is no such account here."`
	Errors []FieldError `json:"errors,omitempty" doc:"Where the request is wrong."`
}

// FieldError is one mistake in a request.
type FieldError struct {
	Location string `json:"location" doc:"Where it stands." example:"body.name"`
	Message  string `json:"message" doc:"What is wrong." example:"must not be empty"`
}

func (p *Problem) Error() string { return p.Code + ": " + p.Detail }

func (p *Problem) GetStatus() int { return p.Status }

// ContentType is RFC 9457's.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// New makes a problem. detail is a whole sentence.
func New(status int, code, detail string) *Problem {
	return &Problem{Type: "https://attache.dev/errors/" + code, Title: http.StatusText(status), Status: status, Code: code, Detail: detail}
}

// At adds where the mistake stands.
func (p *Problem) At(location, message string) *Problem {
	p.Errors = append(p.Errors, FieldError{location, message})
	return p
}

// Write answers with a problem.
func Write(w http.ResponseWriter, p *Problem) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	body, _ := json.Marshal(p)
	_, _ = w.Write(append(printable.JSON(body), '\n'))
}

// codes is the only place where errors of the vault become HTTP. A % in a code
// is the noun of the operation.
var codes = []struct {
	err    error
	status int
	code   string
	detail string
}{
	{vault.ErrNotFound, http.StatusNotFound, "%_NOT_FOUND", "There is no such %s here."},
	{vault.ErrExists, http.StatusConflict, "%_EXISTS", "There is one of that name already. Choose another name, or edit that one."},
	{vault.ErrInUse, http.StatusConflict, "%_IN_USE", "Accounts were connected through this %s. Switch it off instead, or delete them first."},
	{vault.ErrHeld, http.StatusForbidden, "INVALID_PERMISSIONS", "Accounts or OAuth clients of this connector have secrets, which would go elsewhere by this. That needs the role admin."},
	{vault.ErrConflict, http.StatusConflict, "VERSION_CONFLICT", "It was edited in the meantime. Read it again, then repeat the edit with its new version."},
	{vault.ErrNotAllowed, http.StatusConflict, "INVALID_STATE", ""},
	{vault.ErrOrganisation, http.StatusForbidden, "ORGANISATION_MISMATCH", "An agent uses only accounts of its own organisation, and a token edits only its own."},
	{vault.ErrUsed, http.StatusConflict, "ALREADY_USED", "This works once, and was used."},
	{vault.ErrExpired, http.StatusGone, "EXPIRED", "This is over."},
	{vault.ErrUnavailable, http.StatusServiceUnavailable, "VAULT_UNAVAILABLE", "The vault's database cannot be used now. Nothing was changed; try again."},
}

// refusal is a refusal of the resolver, whose package stands above this one.
type refusal interface {
	error
	HTTPStatus() int
	Says() (code, detail string)
}

// Of makes a problem of any error. noun is what the request was about, in
// capitals: ACCOUNT makes ACCOUNT_NOT_FOUND. What nobody foresaw goes to the log,
// and nowhere else.
func Of(err error, noun string, log *slog.Logger) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	if ref, ok := errors.AsType[refusal](err); ok {
		code, detail := ref.Says()
		return New(ref.HTTPStatus(), strings.ToUpper(code), Sentence(detail))
	}
	if bad, ok := errors.AsType[*vault.InvalidError](err); ok {
		place := "body."
		if bad.Field == "after" {
			place = "query."
		}
		return New(http.StatusUnprocessableEntity, "INVALID_INPUT", bad.Field+" "+bad.Msg+".").At(place+bad.Field, bad.Msg)
	}
	for _, m := range codes {
		if !errors.Is(err, m.err) {
			continue
		}
		detail := m.detail
		if detail == "" {
			detail = Sentence(err.Error())
		} else if strings.Contains(detail, "%s") {
			detail = fmt.Sprintf(detail, strings.ToLower(strings.ReplaceAll(noun, "_", " ")))
		}
		if m.err == vault.ErrExists && noun == "GRANT" {
			detail = "The agent has a grant for this account already. Edit that one."
		}
		return New(m.status, strings.Replace(m.code, "%", noun, 1), detail)
	}
	log.Error("answering a request", "error", err)
	return New(http.StatusInternalServerError, "INTERNAL", "Something went wrong here; the log has the cause.")
}

// Sentence begins s with a capital and ends it with a full stop.
func Sentence(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + strings.TrimSuffix(s[1:], ".") + "."
}
