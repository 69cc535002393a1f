package budget

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/attache-proxy/attache/providers/operations"
	"github.com/attache-proxy/attache/providers/spelling"
)

const (
	// MostLines is how many lines an owner may have, and MostText how long one may be.
	MostLines = 50
	MostText  = 300
	// most bounds amounts, so that no sum of them overflows.
	most = 1 << 52
)

// New compiles the lines of an owner; nil where there is none.
func New(of Owner, lines []string) (*Plan, error) {
	if len(lines) == 0 {
		return nil, nil
	}
	if len(lines) > MostLines {
		return nil, fmt.Errorf("there are %d budgets and prices, at most %d", len(lines), MostLines)
	}
	p := &Plan{of: of, lines: lines}
	for i, line := range lines {
		if err := p.add(of, line); err != nil {
			return nil, fmt.Errorf("budget %d, %.200q: %w", i+1, line, err)
		}
	}
	return p, nil
}

// Of is New, with Nothing for lines that cannot be read: of a later release.
func Of(of Owner, lines []string) *Plan {
	p, err := New(of, lines)
	if err != nil {
		return Nothing(of)
	}
	return p
}

// Check compiles lines of nobody, to find what is wrong with them.
func Check(lines []string) error {
	_, err := New(Owner{}, lines)
	return err
}

// Nothing is a plan under which nothing passes: what becomes of lines that cannot be read.
func Nothing(of Owner) *Plan {
	return &Plan{of: of, limits: []limit{{text: "a budget that this release cannot read", most: -1, per: Month, counter: of.Kind + "/" + of.ID + "|unread"}}}
}

func (p *Plan) add(of Owner, line string) error {
	if len(line) > MostText {
		return fmt.Errorf("it is longer than %d bytes", MostText)
	}
	if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return errors.New("it has a line break or another control character")
	}
	words := strings.Fields(line)
	switch {
	case len(words) == 0:
		return errors.New("it is empty; want a budget or a price: budget 1000 requests per day")
	case words[0] == "price":
		c, err := parsePrice(words[1:])
		p.prices = append(p.prices, c)
		return err
	case words[0] == "budget":
		words = words[1:]
	case !strings.ContainsAny(words[0][:1], "0123456789"):
		near := spelling.Near(words[0], []string{"budget", "price"})
		if near == "" {
			near = "budget 1000 requests per day"
		}
		return fmt.Errorf("it begins with %q; did you mean %s?", words[0], near)
	}
	l, err := parseLimit(words)
	if err != nil {
		return err
	}
	l.counter = of.Kind + "/" + of.ID + "|" + l.name() + "|" + l.per.String()
	if slices.ContainsFunc(p.limits, func(other limit) bool { return other.counter == l.counter }) {
		return fmt.Errorf("there is another budget of %s per %s", l.name(), l.per)
	}
	p.limits = append(p.limits, l)
	return nil
}

// name is what the limit is of, in the words of a line.
func (l *limit) name() string {
	switch l.what {
	case byEffect:
		return l.effect.String()
	case money:
		return l.currency
	}
	return names[l.what]
}

var names = map[what]string{requests: "requests", bytesUp: "bytes up", bytesDown: "bytes down", changes: "write", tokensIn: "input tokens", tokensOut: "output tokens", tokens: "tokens"}

// units are what amounts can be of, besides money.
var units = []string{"requests", "bytes up", "bytes down", "tokens", "input tokens", "output tokens", "read", "write", "delete", "admin", "money"}

// parseLimit reads AMOUNT WHAT per WINDOW.
func parseLimit(words []string) (l limit, err error) {
	per := slices.Index(words, "per")
	if per < 2 || per != len(words)-2 {
		return l, errors.New("want an amount, of what, and a window: budget 1000 requests per day")
	}
	if l.per, err = parseWindow(words[per+1]); err != nil {
		return l, err
	}
	l.text = strings.Join(words, " ")
	unit := strings.Join(words[1:per], " ")
	if isCurrency(unit) {
		l.what, l.currency = money, unit
		l.most, err = micros(words[0])
		return l, err
	}
	if l.what, l.effect, err = parseUnit(unit); err != nil {
		return l, err
	}
	if l.what == bytesUp || l.what == bytesDown {
		n, err := humanize.ParseBytes(words[0])
		if err != nil || n > most {
			return l, fmt.Errorf("%q is no amount of bytes; want a number, or a size such as 2GiB", words[0])
		}
		l.most = int64(n)
		return l, nil
	}
	l.most, err = strconv.ParseInt(strings.ReplaceAll(words[0], "_", ""), 10, 64)
	if err != nil || l.most < 0 || l.most > most {
		return l, fmt.Errorf("%q is no amount; want a whole number from 0 to %d", words[0], int64(most))
	}
	return l, nil
}

func parseUnit(unit string) (what, operations.Effect, error) {
	for w, name := range names {
		if unit == name {
			return w, operations.Unknown, nil
		}
	}
	switch unit {
	case "bytes":
		return 0, 0, errors.New("want bytes up, which agents send, or bytes down, which they get")
	case "request", "token":
		return 0, 0, fmt.Errorf("did you mean %ss?", unit)
	}
	if e, err := operations.ParseEffect(unit); err == nil && e != operations.Unknown {
		return byEffect, e, nil
	}
	if isCurrency(strings.ToUpper(unit)) && spelling.Near(unit, units) == "" {
		return 0, 0, fmt.Errorf("%q is nothing that there are budgets of; for money write %s in capitals", unit, strings.ToUpper(unit))
	}
	if near := spelling.Near(unit, units); near != "" {
		return 0, 0, fmt.Errorf("%q is nothing that there are budgets of; did you mean %s?", unit, near)
	}
	return 0, 0, fmt.Errorf("%q is nothing that there are budgets of; there are: %s, and a currency such as USD", unit, strings.Join(units, ", "))
}

// isCurrency reports three capitals (ISO 4217).
func isCurrency(word string) bool {
	return len(word) == 3 && !strings.ContainsFunc(word, func(r rune) bool { return r < 'A' || r > 'Z' })
}

// micros reads an amount of money, to millionths.
func micros(word string) (int64, error) {
	bad := fmt.Errorf("%q is no amount of money; want a number with at most six decimals, such as 25 or 0.003", word)
	if word == "" || strings.ContainsFunc(word, func(r rune) bool { return (r < '0' || r > '9') && r != '.' }) || len(word) > 20 {
		return 0, bad
	}
	r, ok := new(big.Rat).SetString(word)
	if !ok {
		return 0, bad
	}
	if r.Mul(r, big.NewRat(million, 1)); !r.IsInt() || !r.Num().IsInt64() || r.Num().Int64() > most {
		return 0, bad
	}
	return r.Num().Int64(), nil
}

const priceForms = "want price input 3 output 15 per million tokens [MODEL], or price 0.01 per OPERATION"

// parsePrice reads either form; a currency may stand before per.
func parsePrice(words []string) (c price, err error) {
	per := slices.Index(words, "per")
	if per < 1 || per == len(words)-1 {
		return c, errors.New(priceForms)
	}
	amounts, of := words[:per], words[per+1:]
	if last := amounts[len(amounts)-1]; isCurrency(last) {
		c.currency, amounts = last, amounts[:len(amounts)-1]
	}
	if len(amounts) == 1 {
		c.operation, c.glob = true, strings.Join(of, " ")
		if c.glob == "million tokens" {
			return c, errors.New("say what goes in and what comes out: price input 3 output 15 per million tokens")
		}
		c.each, err = micros(amounts[0])
		return c, err
	}
	if len(of) < 2 || len(of) > 3 || of[0] != "million" || of[1] != "tokens" {
		return c, errors.New(priceForms)
	}
	if c.glob = "*"; len(of) == 3 {
		c.glob = of[2]
	}
	seen := map[string]bool{}
	for i := 0; i < len(amounts); i += 2 {
		into := map[string]*int64{"input": &c.in, "output": &c.out}[amounts[i]]
		if into == nil || i+1 == len(amounts) || seen[amounts[i]] {
			return c, errors.New(priceForms)
		}
		seen[amounts[i]] = true
		if *into, err = micros(amounts[i+1]); err != nil {
			return c, err
		}
	}
	return c, nil
}
