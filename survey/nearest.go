package survey

import (
	"strings"
	"unicode/utf8"
)

// Nearest gives the known word that word was probably meant to be, "" when none is near. Case does not count, and one letter of three may be
// wrong, but no more than four.
func Nearest(word string, known []string) string {
	if len(word) > 64 { // nobody types that
		return ""
	}
	best, least := "", max(1, min(4, utf8.RuneCountInString(word)/3))+1
	for _, k := range known {
		if d := distance(word, k, least); d < least {
			best, least = k, d
		}
	}
	return best
}

// distance is how many letters to insert, delete, change or swap with their neighbour between a and b (optimal string alignment); counting
// ends at most.
func distance(a, b string, most int) int {
	x, y := []rune(strings.ToLower(a)), []rune(strings.ToLower(b))
	if len(x)-len(y) >= most || len(y)-len(x) >= most {
		return most
	}
	before, last, row := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := range x {
		row[0] = i + 1
		for j := range y {
			cost := 1
			if x[i] == y[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && x[i] == y[j-1] && x[i-1] == y[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(y)]
}
