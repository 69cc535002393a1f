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
	// Order is one of the orders below; empty means OrderCreated. The audit has one
	// order of its own.
	Order Order
}

// Order is an order of a list.
type Order string

const (
	OrderCreated Order = "created" // the oldest first
	OrderNewest  Order = "-created"
	OrderName    Order = "name"
	OrderNameUp  Order = "-name" // from the last name to the first
)

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

// nameMark begins cursors of lists in the order of names: an id and a name follow.
const nameMark = "2:"

// after is where the part before ended: an id of a kind, and, in the order of names,
// its name.
func (p Page) after(kind string) (id, name string, err error) {
	if p.After == "" {
		return "", "", nil
	}
	mark := cursorMark
	if p.ByName() {
		mark = nameMark
	}
	b, err := base64.RawURLEncoding.DecodeString(p.After)
	id, ok := strings.CutPrefix(string(b), mark)
	if p.ByName() && ok {
		id, name, ok = strings.Cut(id, "\x00")
	}
	if err != nil || !ok || !strings.HasPrefix(id, kind+"_") {
		return "", "", Invalid("after", "is not a cursor of this list; send the next of its last part")
	}
	return id, name, nil
}

// ByName reports whether the page is of a list in the order of names.
func (p Page) ByName() bool { return p.Order == OrderName || p.Order == OrderNameUp }

// Listing is one kind of list.
type Listing[T any] struct {
	Columns, From string
	Key           string // the column that orders the list and is unique
	Kind          string // how its values begin: acc for acc_…
	NewestFirst   bool
	Scan          func(Scanner) (T, error)
	ID            func(T) string // the value of Key
	// Name is the column, and NameOf its value, of lists that can be read by name.
	Name   string
	NameOf func(T) string
}

// Read returns the part of the list that p asks for, out of the rows of w.
func (l Listing[T]) Read(ctx context.Context, q Querier, w *Where, p Page) (List[T], error) {
	if err := l.Begin(w, p); err != nil {
		return List[T]{}, err
	}
	return l.read(ctx, q, w, p)
}

// Begin adds to w that the rows come after the part before.
func (l Listing[T]) Begin(w *Where, p Page) error {
	id, name, err := p.after(l.Kind)
	if err != nil || id == "" {
		return err
	}
	op := " > "
	if l.descends(p) {
		op = " < "
	}
	if p.ByName() {
		w.Add("("+l.Name+", "+l.Key+")"+op+"(?, ?)", name, id)
		return nil
	}
	w.Add(l.Key+op+"?", id)
	return nil
}

func (l Listing[T]) read(ctx context.Context, q Querier, w *Where, p Page) (List[T], error) {
	n := p.limit()
	items, err := Collect(ctx, q, l.Scan, fmt.Sprintf("SELECT %s FROM %s%s ORDER BY %s LIMIT %d", l.Columns, l.From, w, l.order(p, l.Key), n+1), w.Args...)
	if err != nil {
		return List[T]{}, err
	}
	out := List[T]{Items: items}
	if len(items) > n {
		out.Items = items[:n]
		out.Next = l.After(items[n-1], p)
	}
	return out, nil
}

// Search is Read where most rows do not fit and an index holds all that w asks: the
// keys are found along it, and the rows read by them.
func (l Listing[T]) Search(ctx context.Context, q Querier, w *Where, p Page) (List[T], error) {
	if err := l.Begin(w, p); err != nil {
		return List[T]{}, err
	}
	// No index has this order: that of the keys would lead to every row.
	order := l.order(p, l.Key+" || ''")
	keys, err := Collect(ctx, q, Text, fmt.Sprintf("SELECT %s FROM %s%s ORDER BY %s LIMIT %d", l.Key, l.From, w, order, p.limit()+1), w.Args...)
	if err != nil || len(keys) == 0 {
		return List[T]{}, err
	}
	found := &Where{}
	found.OneOf(l.Key, keys)
	return l.read(ctx, q, found, p)
}

func (l Listing[T]) descends(p Page) bool {
	return l.NewestFirst || p.Order == OrderNewest || p.Order == OrderNameUp
}

func (l Listing[T]) order(p Page, key string) string {
	dir := ""
	if l.descends(p) {
		dir = " DESC"
	}
	if p.ByName() {
		return l.Name + dir + ", " + l.Key + dir
	}
	return key + dir
}

// After is the cursor of what comes after an item.
func (l Listing[T]) After(last T, p Page) string {
	text := cursorMark + l.ID(last)
	if p.ByName() {
		text = nameMark + l.ID(last) + "\x00" + l.NameOf(last)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(text))
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
		if l.descends(p) {
			a, b = b, a
		}
		return strings.Compare(l.ID(a), l.ID(b))
	})
	// A row that went from one list to the other meanwhile may stand in both.
	out.Items = slices.CompactFunc(out.Items, func(a, b T) bool { return l.ID(a) == l.ID(b) })
	n := p.limit()
	if more = more || len(out.Items) > n; more {
		out.Items = out.Items[:min(n, len(out.Items))]
		out.Next = l.After(out.Items[len(out.Items)-1], p)
	}
	return out
}
