package channeltest

import (
	"strings"
	"testing"

	"github.com/odziv/odziv/survey"
)

// The provider that is played and the program count alike, each by its own.
func TestSegments(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		want       int
	}{
		{"one of seven bits", strings.Repeat("a", 160), 1},
		{"two of seven bits", strings.Repeat("a", 161), 2},
		{"two full ones", strings.Repeat("a", 306), 2},
		{"three of seven bits", strings.Repeat("a", 307), 3},
		{"extension", strings.Repeat("€", 80), 1},
		{"extension does not fit", strings.Repeat("€", 80) + "a", 2},
		{"extension is not divided", strings.Repeat("a", 152) + strings.Repeat("€", 77), 3},
		{"one of UCS-2", strings.Repeat("č", 70), 1},
		{"two of UCS-2", strings.Repeat("č", 71), 2},
		{"one letter makes all wide", strings.Repeat("a", 70) + "č", 2},
		{"emoji", strings.Repeat("😀", 35), 1},
		{"emoji does not fit", strings.Repeat("😀", 36), 2},
		{"emoji is not divided", strings.Repeat("😀", 67), 3},
		{"grave is no letter of it", strings.Repeat("`", 71), 2},
		{"line ends", strings.Repeat("\r\n", 80), 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got, ours := segments(tt.text), survey.Segments(tt.text).Count; got != tt.want || ours != tt.want {
				t.Errorf("the provider counts %d, the program %d; want %d", got, ours, tt.want)
			}
		})
	}
}

// Of every character of the alphabets in use the two agree in which alphabet it is.
func TestSegmentsOfEachCharacter(t *testing.T) {
	t.Parallel()
	for r := rune(1); r < 0x3000; r++ {
		for _, n := range []int{70, 80, 160} { // the most that fits of two units in UCS-2, of two septets, of one
			text := strings.Repeat(string(r), n)
			if got, ours := segments(text), survey.Segments(text).Count; got != ours {
				t.Errorf("%d of %U: the provider counts %d, the program %d", n, r, got, ours)
			}
		}
	}
}
