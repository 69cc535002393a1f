package expr

import (
	"fmt"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// What one request may cost, in all its expressions together. A unit is a byte
// that is gone through or made, about a nanosecond. Everything is counted before
// it is done, so that the bounds hold for what a connector's author, the owner
// of an account and an agent choose together.
const (
	// maxUnits bounds the evaluations of one request: tens of milliseconds, and
	// some 8 MiB. A body adds to it, since it must be hashed and joined.
	maxUnits      = 8 << 20
	unitsPerByte  = 16 // of the body
	maxText       = 1 << 20
	textPerByte   = 4 // of the body: all of it percent-encoded, and something more
	maxItems      = 1 << 16
	unitsPerItem  = 16      // an entry of a list
	unitsPerValue = 64      // a list by itself; a map is three of it
	unitsPerStep  = 32      // a node that a loop evaluates
	unitsPerKey   = 2 << 20 // a signature with a private key: milliseconds
)

// refuse ends the request's evaluations: a loop goes on after an error, and an
// || swallows one.
func (r *run) refuse(why string) error {
	if r.over == nil {
		r.over = EvalError("the expression costs too much for this request: " + why)
	}
	return r.over
}

// spend counts units before they are used.
func (r *run) spend(units int64) error {
	if r.spent += units; r.over != nil || r.left() < 0 {
		return r.refuse("it goes through too much text")
	}
	return nil
}

// fits refuses a template's text that outgrows what one text may have.
func (v *Vars) fits(n int) error {
	if n <= maxText {
		return nil
	}
	return v.running().text(int64(n))
}

// text refuses a text of n bytes before it is made.
func (r *run) text(n int64) error {
	if limit := maxText + textPerByte*r.bodySize(); n < 0 || n > limit {
		return r.refuse(fmt.Sprintf("it makes a text of more than %d bytes", limit))
	}
	return nil
}

// items refuses a list or map of n entries before it is made.
func (r *run) items(n int64) error {
	if n < 0 || n > maxItems {
		return r.refuse(fmt.Sprintf("it makes a list of more than %d entries", maxItems))
	}
	return nil
}

func (r *run) bodySize() int64 {
	if r.v.Body == nil {
		return 0
	}
	return r.v.Body.Size()
}

// left is how many units may still be spent.
func (r *run) left() int64 { return maxUnits + unitsPerByte*r.bodySize() - r.spent }

// weight is what going through v costs. What stands in a list twice is counted
// twice, since it is gone through twice: lists that hold each other may be of
// any size without taking any room. It stops at limit.
func weight(v ref.Val, limit int64) int64 {
	switch v := v.(type) {
	case types.String:
		return int64(len(v))
	case types.Bytes:
		return int64(len(v))
	case traits.Mapper:
		return 2*unitsPerValue + weightOf(v, func(key ref.Val, left int64) int64 {
			return unitsPerItem + weight(key, left) + weight(v.Get(key), left)
		}, limit)
	case traits.Lister:
		return weightOf(v, weight, limit)
	case *types.Optional:
		if v.HasValue() {
			return weight(v.GetValue(), limit)
		}
	}
	return 1
}

func weightOf(v traits.Iterable, of func(ref.Val, int64) int64, limit int64) int64 {
	sum := int64(unitsPerValue)
	for it := v.Iterator(); sum <= limit && it.HasNext() == types.True; {
		sum += unitsPerItem + of(it.Next(), limit-sum)
	}
	return sum
}

// result counts a value that was made, whose parts were counted when they were made.
func (r *run) result(v ref.Val) error {
	switch v := v.(type) {
	case types.String:
		return firstOf(r.text(int64(len(v))), r.spend(int64(len(v))))
	case types.Bytes:
		return firstOf(r.text(int64(len(v))), r.spend(int64(len(v))))
	case traits.Lister:
		n := int64(v.Size().(types.Int))
		return firstOf(r.items(n), r.spend(unitsPerValue+n*unitsPerItem))
	case traits.Mapper:
		n := int64(v.Size().(types.Int))
		return firstOf(r.items(n), r.spend(3*unitsPerValue+n*2*unitsPerItem))
	}
	return nil
}

// firstOf is the first error.
func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
