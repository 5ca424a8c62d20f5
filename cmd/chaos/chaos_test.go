package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// The short form keeps every promise on both stores.
func TestChaosShort(t *testing.T) {
	t.Parallel()
	if testing.Short() && os.Getenv("CI") == "" {
		t.Skip("it takes most of a minute")
	}
	_, redis := exec.LookPath("redis-server")
	if _, postgres := postgresBin(); (redis != nil || postgres != nil) && os.Getenv("CI") == "" {
		t.Skip("no redis-server or no PostgreSQL to start")
	}
	var out strings.Builder
	broken, err := run(t.Context(), setup{seed: uint64(time.Now().UnixNano()), short: true, stores: []string{sqliteStore, postgresStore}}, &out)
	if err != nil || broken > 0 {
		t.Errorf("%d promises are broken, %v\n%s", broken, err, out.String())
	}
}

// Every bug finds its line in the sources as they are.
func TestBugsApply(t *testing.T) {
	t.Parallel()
	root, err := moduleDir(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range bugNames() {
		if _, err := overlay(root, name, t.TempDir()); err != nil {
			t.Error(err)
		}
	}
	if _, err := overlay(root, "nothing", t.TempDir()); err == nil {
		t.Error("a bug that is none: no error")
	}
}

func TestFullest(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	at := func(ms ...int) (out []time.Time) {
		for _, n := range ms {
			out = append(out, start.Add(time.Duration(n)*time.Millisecond))
		}
		return out
	}
	flush := []span{{from: at(1100)[0], to: at(1100)[0]}}
	tests := []struct {
		name     string
		arrivals []time.Time
		upsets   []span
		stalls   []stall
		worst    int
		over     int // windows
		excused  int // of them
	}{
		{name: "nothing"},
		{name: "a window after the other", arrivals: at(0, 10, 1000, 1010), worst: 2},
		{name: "across the border of two", arrivals: at(0, 900, 990, 1001), worst: 3, over: 2},
		{name: "in any order", arrivals: at(1001, 990, 0, 900), worst: 3, over: 2},
		{name: "Redis forgot", arrivals: at(900, 950, 1200, 1300), upsets: flush, worst: 4},
		{name: "Redis forgot, and still too many", arrivals: at(900, 950, 1190, 1300, 1400), upsets: flush, worst: 5, over: 1},
		{name: "Redis forgot elsewhere", arrivals: at(5000, 5100, 5200), upsets: flush, worst: 3, over: 1},
		{name: "the machine stood still", arrivals: at(0, 10, 930), stalls: []stall{{at(50)[0], 80 * time.Millisecond}}, worst: 3, over: 1, excused: 1},
		{name: "so short that it does not matter", arrivals: at(0, 10, 990), stalls: []stall{{at(50)[0], 50 * time.Millisecond}}, worst: 3, over: 1},
		{name: "short ones do not add up", arrivals: at(0, 10, 900), stalls: []stall{{at(50)[0], 40 * time.Millisecond}, {at(300)[0], 40 * time.Millisecond}}, worst: 3, over: 1},
		{name: "before it", arrivals: at(1000, 1010, 1990), stalls: []stall{{at(490)[0], 80 * time.Millisecond}}, worst: 3, over: 1},
		{name: "a quarter at most", arrivals: at(0, 10, 700, 710), stalls: []stall{{at(50)[0], time.Second}}, worst: 4, over: 2, excused: 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			worst, over := fullest(tt.arrivals, 2, time.Second, tt.upsets, tt.stalls)
			excused := 0
			for _, w := range over {
				if w.late > 0 {
					excused++
				}
			}
			if worst.n != tt.worst || len(over) != tt.over || excused != tt.excused {
				t.Errorf("fullest = %d, %d over, %d excused; want %d, %d, %d", worst.n, len(over), excused, tt.worst, tt.over, tt.excused)
			}
		})
	}
}
