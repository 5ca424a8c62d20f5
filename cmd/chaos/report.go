package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// A verdict is what became of one promise. It is kept when there is no evidence against it.
type verdict struct {
	name     string
	note     string
	evidence []string
}

// A report is the table of one store.
type report struct {
	store    string
	took     time.Duration
	rows     [][2]string
	verdicts []verdict
}

func (r *report) row(name, format string, args ...any) {
	r.rows = append(r.rows, [2]string{name, fmt.Sprintf(format, args...)})
}

// broken counts the promises that were not kept.
func (r *report) broken() (n int) {
	for _, v := range r.verdicts {
		if len(v.evidence) > 0 {
			n++
		}
	}
	return n
}

// shown is how much evidence of one verdict is printed.
const shown = 12

func (r *report) print(out io.Writer) {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s, %s\n", strings.ToUpper(r.store), r.took.Round(time.Second))
	for _, row := range r.rows {
		fmt.Fprintf(&b, "  %-34s %s\n", row[0], row[1])
	}
	for _, v := range r.verdicts {
		word, note := "pass", v.note
		if len(v.evidence) > 0 {
			word = "FAIL"
			note = strings.TrimPrefix(fmt.Sprintf("%s; %d against it", v.note, len(v.evidence)), "; ")
		}
		if note != "" {
			note = "  (" + note + ")"
		}
		fmt.Fprintf(&b, "  %s  %s%s\n", word, v.name, note)
		for _, e := range v.evidence[:min(len(v.evidence), shown)] {
			fmt.Fprintf(&b, "          %s\n", e)
		}
	}
	_, _ = io.WriteString(out, b.String())
}

// tally counts words.
type tally map[string]int

func (t tally) String() string {
	parts := make([]string, 0, len(t))
	for _, k := range slices.Sorted(maps.Keys(t)) {
		parts = append(parts, fmt.Sprintf("%s %d", k, t[k]))
	}
	return strings.Join(parts, " · ")
}

func (t tally) sum() (n int) {
	for _, v := range t {
		n += v
	}
	return n
}

// lines lets two runs write at once.
type lines struct {
	mu sync.Mutex
	to io.Writer // guarded by mu
}

// Write writes.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.to.Write(p)
}
