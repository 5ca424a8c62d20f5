package survey

import "testing"

func TestHolds(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, raw, address string
		want               bool
	}{
		{"plain", "from: ana@example.hr text", "ana@example.hr", true},
		{"in other letters", "from: <Ana@Example.HR>", "ana@example.hr", true},
		{"at the end of a sentence", "it was ana@example.hr.", "ana@example.hr", true},
		{"in a form", "from=%3Cana%40example.hr%3E", "ana@example.hr", true},
		{"after a blank of a form", "text=of+ana%40example.hr&x", "ana@example.hr", true},
		{"in JSON", `{"from":"\u003cana@example.hr\u003e","text":"a\nana@example.hr"}`, "ana@example.hr", true},
		{"after an end of line", `{"text":"a\nana@example.hr"}`, "ana@example.hr", true},
		{"second of two", "ana@example.hr, na@example.hr", "na@example.hr", true},
		{"part of a longer name", "from: ana@example.hr", "na@example.hr", false},
		{"part of a longer name in a form", "from=x%2Bana%40example.hr", "ana@example.hr", false},
		{"part of a tagged name", "from: x+ana@example.hr", "ana@example.hr", false},
		{"part of a longer host", "from: ana@example.hr.ba", "ana@example.hr", false},
		{"phone in a form", "From=%2B385911234567&x", "+385911234567", true},
		{"phone without its plus", `{"from":"385911234567"}`, "+385911234567", true},
		{"phone with 00", "00385911234567", "+385911234567", true},
		{"phone after a coded blank", "text=%20385911234567", "+385911234567", true},
		{"part of a longer phone", "From=%2B385911234567", "+38591123456", false},
		{"end of a longer phone", "from 1385911234567", "+385911234567", false},
		{"Viber id", `{"id":"vib-ana=="}`, "vib-ana==", true},
		{"too short", "From e at", "e", false},
		{"empty", "x", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := Holds([]byte(tt.raw), []string{tt.address}); got != tt.want {
				t.Errorf("%s in %q: %t", tt.address, tt.raw, got)
			}
		})
	}
}
