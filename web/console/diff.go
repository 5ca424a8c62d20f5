package console

import (
	"regexp"
	"slices"
	"strings"
)

// A piece is a run of words that was kept, added or removed.
type piece struct {
	Op   string // "", "add" or "del"
	Text string
}

// maxDiff bounds the table of a comparison; longer texts are shown whole, before and after.
const maxDiff = 1 << 20

// diff compares word by word.
func diff(before, after string) []piece {
	a, b := splitWords(before), splitWords(after)
	if len(a)*len(b) > maxDiff {
		return join([]piece{{"del", before}, {"add", after}})
	}
	// longest[i][j] is the length of the longest common subsequence of a[i:] and b[j:].
	longest := make([][]int32, len(a)+1)
	for i := range longest {
		longest[i] = make([]int32, len(b)+1)
	}
	for i, x := range slices.Backward(a) {
		for j, y := range slices.Backward(b) {
			if x == y {
				longest[i][j] = longest[i+1][j+1] + 1
			} else {
				longest[i][j] = max(longest[i+1][j], longest[i][j+1])
			}
		}
	}
	var out []piece
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		switch {
		case a[i] == b[j]:
			out = append(out, piece{"", a[i]})
			i, j = i+1, j+1
		case longest[i+1][j] >= longest[i][j+1]:
			out = append(out, piece{"del", a[i]})
			i++
		default:
			out = append(out, piece{"add", b[j]})
			j++
		}
	}
	out = append(out, piece{"del", strings.Join(a[i:], "")}, piece{"add", strings.Join(b[j:], "")})
	return join(out)
}

// join makes one piece of neighbours of the same kind.
func join(pieces []piece) []piece {
	var out []piece
	for _, p := range pieces {
		switch {
		case p.Text == "":
		case len(out) > 0 && out[len(out)-1].Op == p.Op:
			out[len(out)-1].Text += p.Text
		default:
			out = append(out, p)
		}
	}
	return out
}

var diffToken = regexp.MustCompile(`(?s)\{\{.*?\}\}|\{%.*?%\}|[\p{L}\p{N}\p{M}]+|\s+|.`)

// splitWords cuts between words, and keeps a piece of Liquid whole; joined again it is the same text.
func splitWords(s string) []string { return diffToken.FindAllString(s, -1) }
