package rest

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/problem"
	"github.com/attache-proxy/attache/resolver/vault"
)

type DeleteIn struct {
	PathID
	IfMatch
}

// PageQuery are the parameters of every list.
type PageQuery struct {
	After string `query:"after" doc:"The next of the part before; empty for the first."`
	Limit int    `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"How many items at most."`
}

func (p PageQuery) Page() vault.Page { return vault.Page{After: p.After, Limit: p.Limit} }

// Ordered is the page in an order.
func (p PageQuery) Ordered(order string) vault.Page {
	return vault.Page{After: p.After, Limit: p.Limit, Order: vault.Order(order)}
}

// ListBody is a part of a list.
type ListBody[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty" doc:"Send it as after to read on; absent on the last part."`
}

type ListOut[T any] struct{ Body ListBody[T] }

// Listed makes the answer of a part of a list.
func Listed[A, B any](l vault.List[A], err error, f func(A) B) (*ListOut[B], error) {
	if err != nil {
		return nil, err
	}
	out := &ListOut[B]{Body: ListBody[B]{Items: make([]B, 0, len(l.Items)), Next: l.Next}}
	for _, x := range l.Items {
		out.Body.Items = append(out.Body.Items, f(x))
	}
	return out, nil
}

// IfMatch is the header of conditional edits.
type IfMatch struct {
	IfMatch string `header:"If-Match" doc:"The ETag of the version that is to be edited."`
}

// Version is the version that If-Match names; 0 means any.
func (m IfMatch) Version() (int64, error) {
	if m.IfMatch == "" || m.IfMatch == "*" {
		return 0, nil
	}
	n, err := strconv.ParseInt(strings.Trim(m.IfMatch, `"`), 10, 64)
	if err != nil || n < 1 || m.IfMatch != Etag(n) {
		return 0, problem.New(http.StatusPreconditionFailed, "PRECONDITION_FAILED", "If-Match is no ETag of this resource.")
	}
	return n, nil
}

// EditVersion is the version to edit: If-Match's, or the body's.
func (m IfMatch) EditVersion(body int64) (int64, error) {
	v, err := m.Version()
	if v == 0 && err == nil {
		v = body
	}
	return v, err
}

func Etag(version int64) string { return fmt.Sprintf("%q", strconv.FormatInt(version, 10)) }

type PathID struct {
	ID string `path:"id" maxLength:"128"`
}

// OptionalTime makes zero times absent in JSON.
func OptionalTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// Afterwards is a context for what must be done though the caller hung up.
func Afterwards(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
}

// Nothing is the answer of deletions.
type Nothing struct{}

// Revealed is a token on its way to who asked for it, this once.
func Revealed(token secret.Value) *string {
	s := token.Reveal()
	return &s
}
