// Package spelling guesses which word was meant.
package spelling

import "strings"

// Near is the name that somebody may have meant by a word: it begins so, or is two
// letters away at most. Empty where none is like it.
func Near(word string, names []string) string {
	word = strings.ToLower(word)
	best, nearest := 3, ""
	for _, name := range names {
		d := distance(word, name)
		if len(word) > 1 && strings.HasPrefix(name, word) {
			d = min(d, 1)
		}
		if d < best {
			best, nearest = d, name
		}
	}
	return nearest
}

// distance is Levenshtein's: how many letters to add, leave out or change.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0] // of the row above, one to the left
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			before, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, before+cost)
		}
	}
	return row[len(b)]
}
