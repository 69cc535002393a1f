package admin

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/attache-proxy/attache/resolver/vault"
)

// PageQuery are the parameters of every list.
type PageQuery struct {
	After string `query:"after" doc:"The next of the part before; empty for the first."`
	Limit int    `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"How many items at most."`
}

func (p PageQuery) page() vault.Page { return vault.Page{After: p.After, Limit: p.Limit} }

// ListBody is a part of a list.
type ListBody[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty" doc:"Send it as after to read on; absent on the last part."`
}

type listOut[T any] struct{ Body ListBody[T] }

// listed makes the answer of a part of a list.
func listed[A, B any](l vault.List[A], err error, f func(A) B) (*listOut[B], error) {
	if err != nil {
		return nil, err
	}
	out := &listOut[B]{Body: ListBody[B]{Items: make([]B, 0, len(l.Items)), Next: l.Next}}
	for _, x := range l.Items {
		out.Body.Items = append(out.Body.Items, f(x))
	}
	return out, nil
}

// IfMatch is the header of conditional edits.
type IfMatch struct {
	IfMatch string `header:"If-Match" doc:"The ETag of the version that is to be edited."`
}

// version is the version that If-Match names; 0 means any.
func (m IfMatch) version() (int64, error) {
	if m.IfMatch == "" || m.IfMatch == "*" {
		return 0, nil
	}
	n, err := strconv.ParseInt(strings.Trim(m.IfMatch, `"`), 10, 64)
	if err != nil || n < 1 || m.IfMatch != etag(n) {
		return 0, problem(http.StatusPreconditionFailed, "PRECONDITION_FAILED", "If-Match is no ETag of this resource.")
	}
	return n, nil
}

// editVersion is the version to edit: If-Match's, or the body's.
func (m IfMatch) editVersion(body int64) (int64, error) {
	v, err := m.version()
	if v == 0 && err == nil {
		v = body
	}
	return v, err
}

func etag(version int64) string { return fmt.Sprintf("%q", strconv.FormatInt(version, 10)) }

// notModified answers 304 where the answer has the ETag that the caller knows.
type notModified struct {
	http.ResponseWriter
	known string // If-None-Match
	quiet bool
}

func (n *notModified) WriteHeader(status int) {
	if tag := n.Header().Get("ETag"); status == http.StatusOK && tag != "" && matches(n.known, tag) {
		n.quiet = true
		n.Header().Del("Content-Type")
		status = http.StatusNotModified
	}
	n.ResponseWriter.WriteHeader(status)
}

func (n *notModified) Write(b []byte) (int, error) {
	if n.quiet {
		return len(b), nil
	}
	return n.ResponseWriter.Write(b)
}

func (n *notModified) Unwrap() http.ResponseWriter { return n.ResponseWriter }

func matches(list, tag string) bool {
	for known := range strings.SplitSeq(list, ",") {
		if known = strings.TrimPrefix(strings.TrimSpace(known), "W/"); known == tag || known == "*" {
			return true
		}
	}
	return false
}

type PathID struct {
	ID string `path:"id" maxLength:"128"`
}

// optionalTime makes zero times absent in JSON.
func optionalTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// afterwards is a context for what must be done though the caller hung up.
func afterwards(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
}

// nothing is the answer of deletions.
type nothing struct{}
