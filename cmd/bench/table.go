package main

import (
	"cmp"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// table is the document.
func (b *bench) table() string {
	var t strings.Builder
	fmt.Fprintf(&t, "# Benchmarks\n\nMade by `make bench` on %s: %s, %d cores, %s %s/%s. Load generator, provider stubs, gateway and servers share the machine; "+
		"%d rounds of %s, medians. Limits were measured in the same run, and those of accepting in the same round: the ratio is the median of theirs.\n\n", time.Now().Format("2006-01-02"), processor(), runtime.NumCPU(),
		runtime.Version(), runtime.GOOS, runtime.GOARCH, b.rounds, b.seconds)
	t.WriteString("| work | measured | limit of this run | ratio | goal | |\n| --- | ---: | ---: | ---: | --- | --- |\n")
	for _, r := range b.rows {
		limit, ratio := "", ""
		if r.limit > 0 {
			limit, ratio = fmt.Sprintf("%s: %.0f", r.of, r.limit), fmt.Sprintf("%.2f", cmp.Or(r.ratio, r.got/r.limit))
		}
		met := "met"
		switch {
		case r.goal == "":
			met = ""
		case !r.met:
			met = "**missed**"
		}
		work := r.work
		if r.note != "" {
			work += " (" + r.note + ")"
		}
		fmt.Fprintf(&t, "| %s | %.0f %s | %s | %s | %s | %s |\n", work, r.got, r.unit, limit, ratio, r.goal, met)
	}
	return t.String()
}

// processor is the name of the machine's, where the system tells it.
func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(name), ":"))
		}
	}
	return "unknown processor"
}
