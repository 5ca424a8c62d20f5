package templates

import (
	"github.com/odziv/odziv/survey"
)

// An SMSSize is what a text costs as an SMS.
type SMSSize struct {
	Segments int
	UCS2     bool // false: GSM-7
	Units    int  // septets, or UTF-16 code units when UCS2
	Left     int  // units that still fit in the last segment
}

// SizeOf counts segments as networks do.
func SizeOf(s string) SMSSize {
	p := survey.Segments(s)
	return SMSSize{Segments: p.Count, UCS2: p.Encoding == survey.UCS2, Units: p.Units, Left: p.Left}
}

// UCS2Chars lists the characters for which a text cannot be GSM-7, each once.
func UCS2Chars(s string) []rune { return survey.Segments(s).Forcing }

// FoldSMS applies a locale's fold to a rendered SMS. Stripping is done only when it makes the message cheaper: what
// fits into as many segments is spelled as its author spelled it. Links stay as they are.
func FoldSMS(s string, plan Fold) string {
	spelled := FoldNone
	if plan == FoldLatin || plan == FoldLatinStrip {
		spelled = FoldLatin
	}
	s = survey.Fold(s, string(spelled))
	if plan == spelled || plan == "" {
		return s
	}
	if stripped := survey.Fold(s, string(plan)); survey.Segments(stripped).Count < survey.Segments(s).Count {
		return stripped
	}
	return s
}
