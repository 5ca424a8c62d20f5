package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// A progress tells how far a run is: one line that is drawn again and again on a terminal, a plain line every few
// seconds elsewhere.
type progress struct {
	out      io.Writer
	width    int // columns of the terminal; 0 = none
	now      func() time.Time
	total    int64 // bytes
	begin    int64 // bytes that were done before this run
	before   int   // lines that were done before this run
	started  time.Time
	lastLine time.Time
}

const plainEvery = 5 * time.Second

// newProgress begins at done of total bytes.
func newProgress(out io.Writer, now func() time.Time, total int64, done sendState) *progress {
	p := &progress{out: out, now: now, total: total, begin: done.Offset, before: done.lines(), started: now(), lastLine: now()}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.width = 80
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			p.width = w
		}
	}
	return p
}

// show draws the state.
func (p *progress) show(s sendState) {
	if p.width > 0 {
		_, _ = fmt.Fprintf(p.out, "\r\x1b[K%s", p.bar(s))
		return
	}
	if now := p.now(); now.Sub(p.lastLine) >= plainEvery {
		p.lastLine = now
		_, _ = fmt.Fprintln(p.out, p.text(s))
	}
}

// note writes a line of its own.
func (p *progress) note(text string) {
	if p.width > 0 {
		_, _ = fmt.Fprint(p.out, "\r\x1b[K")
	}
	_, _ = fmt.Fprintln(p.out, text)
}

// end leaves the line of the bar.
func (p *progress) end() {
	if p.width > 0 {
		_, _ = fmt.Fprintln(p.out)
	}
}

func (p *progress) bar(s sendState) string {
	text := p.text(s)
	cells := min(30, p.width-len(text)-4)
	if cells < 5 {
		return text[:min(len(text), max(0, p.width-1))]
	}
	full := int(p.share(s) * float64(cells))
	return "[" + strings.Repeat("#", full) + strings.Repeat("-", cells-full) + "] " + text
}

func (p *progress) share(s sendState) float64 {
	if p.total == 0 {
		return 1
	}
	return min(1, float64(s.Offset)/float64(p.total))
}

func (p *progress) text(s sendState) string {
	took := p.now().Sub(p.started)
	rate, left := 0.0, "?"
	if seconds := took.Seconds(); seconds > 0 {
		rate = float64(s.lines()-p.before) / seconds
	}
	if done := s.Offset - p.begin; done > 0 {
		rest := time.Duration(float64(took) * float64(p.total-s.Offset) / float64(done))
		left = max(0, rest).Round(time.Second).String()
	}
	return fmt.Sprintf("%3.0f %%  %d accepted, %d duplicate, %d refused  %.0f/s  ETA %s",
		100*p.share(s), s.Accepted, s.Duplicate, s.Refused, rate, left)
}
