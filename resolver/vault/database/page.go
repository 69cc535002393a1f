package database

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
)

const (
	defaultPage = 50
	maxPage     = 500
)

// Page asks for a part of a list.
type Page struct {
	// After is the Next of the part before; empty for the first.
	After string
	// Limit is how many items at most; 0 means 50, more than 500 means 500.
	Limit int
}

// List is a part of a list. Next is empty when this is the last part.
//
// Lists are in the order of creation (the audit: newest first) and read on from
// where the last part ended, so that rows which come and go between two parts
// make no other row appear twice or be left out.
type List[T any] struct {
	Items []T
	Next  string
}

func (p Page) limit() int {
	switch {
	case p.Limit <= 0:
		return defaultPage
	case p.Limit > maxPage:
		return maxPage
	}
	return p.Limit
}

// cursorMark makes a cursor recognisable, so that an id is not taken for one.
const cursorMark = "1:"

// after is the id that the part before ended with, of a kind.
func (p Page) after(kind string) (string, error) {
	if p.After == "" {
		return "", nil
	}
	b, err := base64.RawURLEncoding.DecodeString(p.After)
	id, ok := strings.CutPrefix(string(b), cursorMark)
	if err != nil || !ok || !strings.HasPrefix(id, kind+"_") {
		return "", Invalid("after", "is not a cursor of this list; send the next of its last part")
	}
	return id, nil
}

func cursor(id string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(cursorMark + id))
}

// Listing is one kind of list.
type Listing[T any] struct {
	Columns, From string
	Key           string // the column that orders the list and is unique
	Kind          string // how its values begin: acc for acc_…
	NewestFirst   bool
	Scan          func(Scanner) (T, error)
	ID            func(T) string // the value of Key
}

// Read returns the part of the list that p asks for, out of the rows of w.
func (l Listing[T]) Read(ctx context.Context, q Querier, w *Where, p Page) (List[T], error) {
	after, err := p.after(l.Kind)
	if err != nil {
		return List[T]{}, err
	}
	op, order := " > ?", ""
	if l.NewestFirst {
		op, order = " < ?", " DESC"
	}
	if after != "" {
		w.Add(l.Key+op, after)
	}
	n := p.limit()
	text := fmt.Sprintf("SELECT %s FROM %s%s ORDER BY %s%s LIMIT %d", l.Columns, l.From, w, l.Key, order, n+1)
	items, err := Collect(ctx, q, l.Scan, text, w.Args...)
	if err != nil {
		return List[T]{}, err
	}
	out := List[T]{Items: items}
	if len(items) > n {
		out.Items = items[:n]
		out.Next = cursor(l.ID(items[n-1]))
	}
	return out, nil
}

// Join makes one part of the parts of several lists that have no row in common
// and were asked for the same page.
func (l Listing[T]) Join(lists []List[T], p Page) List[T] {
	if len(lists) == 1 {
		return lists[0]
	}
	var out List[T]
	more := false
	for _, one := range lists {
		out.Items = append(out.Items, one.Items...)
		more = more || one.Next != ""
	}
	slices.SortFunc(out.Items, func(a, b T) int {
		if l.NewestFirst {
			a, b = b, a
		}
		return strings.Compare(l.ID(a), l.ID(b))
	})
	// A row that went from one list to the other meanwhile may stand in both.
	out.Items = slices.CompactFunc(out.Items, func(a, b T) bool { return l.ID(a) == l.ID(b) })
	n := p.limit()
	if more = more || len(out.Items) > n; more {
		out.Items = out.Items[:min(n, len(out.Items))]
		out.Next = cursor(l.ID(out.Items[len(out.Items)-1]))
	}
	return out
}
