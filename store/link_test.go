package store

import "testing"

func TestUnnumbered(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, want string }{
		{"none", `COMMIT`, `COMMIT`},
		{"in order", `a = $1 AND b = $2`, `a = ? AND b = ?`},
		{"more than nine", `$1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11`, `?,?,?,?,?,?,?,?,?,?,?`},
		{"out of order", `a = $2 AND b = $1`, `a = $2 AND b = $1`},
		{"twice", `a = $1 AND b = $1`, `a = $1 AND b = $1`},
		{"not from one", `a = $10`, `a = $10`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := unnumbered(tt.text); got != tt.want {
				t.Errorf("unnumbered(%q) = %q, want %q", tt.text, got, tt.want)
			}
		})
	}
}
