// Package spelling guesses which word was meant.
package spelling

import (
	"slices"
	"strings"
)

// Near is the name that somebody may have meant by a word: it begins so, or is two
// letters away at most. Empty where none is like it.
func Near(word string, names []string) string {
	word = strings.ToLower(word)
	best, nearest := 3, ""
	for _, name := range names {
		d := Distance(word, name, best)
		if len(word) > 1 && strings.HasPrefix(name, word) {
			d = min(d, 1)
		}
		if d < best {
			best, nearest = d, name
		}
	}
	return nearest
}

// Distance is how many letters were left out, put in, changed, or changed places
// with their neighbour between two words; beyond most it is any larger number.
func Distance(a, b string, most int) int {
	x, y := []rune(a), []rune(b)
	if len(x)-len(y) > most || len(y)-len(x) > most {
		return most + 1
	}
	var before, last []int
	now := make([]int, len(y)+1)
	for j := range now {
		now[j] = j
	}
	for i := 1; i <= len(x); i++ {
		before, last, now = last, now, make([]int, len(y)+1)
		now[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			now[j] = min(last[j]+1, now[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				now[j] = min(now[j], before[j-2]+1)
			}
		}
		if slices.Min(now) > most {
			return most + 1
		}
	}
	return now[len(y)]
}
