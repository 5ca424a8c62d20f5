package survey_test

import (
	"strings"
	"testing"

	"github.com/odziv/odziv/survey"
)

func TestNearest(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, word, want string }{
		{"swapped neighbours", "cooldwon", "cooldown"},
		{"capitals of the word", "WINDOW", "window"},
		{"capitals of the known", "sr-cyr", "sr-Cyrl"},
		{"a letter is missing", "tst", "test"},
		{"a letter too many", "touchpoints", "touchpoint"},
		{"a letter of more bytes", "tešt", "test"},
		{"of two the nearer", "nps-after-supprt", "nps-after-support"},
		{"two of four letters wrong", "text", "test"},
		{"another word", "something", ""},
		{"short, and nothing like it", "xy", ""},
		{"nothing", "", ""},
		{"far too long", strings.Repeat("test", 20), ""},
	}
	known := []string{"cooldown", "window", "test", "touchpoint", "sr-Cyrl", "nps-after-purchase", "nps-after-support", strings.Repeat("test", 20)}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := survey.Nearest(tt.word, known); got != tt.want {
				t.Errorf("Nearest(%q) = %q, want %q", tt.word, got, tt.want)
			}
		})
	}
	if got := survey.Nearest("tezt", []string{"taste", "test", "text"}); got != "test" {
		t.Errorf("of equals the first is taken: %q", got)
	}
}
