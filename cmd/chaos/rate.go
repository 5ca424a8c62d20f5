package main

import (
	"fmt"
	"slices"
	"time"
)

// A window is the fullest stretch of one length.
type window struct {
	n       int
	allowed int // more than the rate when Redis forgot in it
	start   time.Time
	late    time.Duration // how long the machine stood still around it, where that excuses up to a quarter more
}

// The gateway's turns are exact as long as a request comes to its provider within a second of its turn; it makes sure itself that no more
// than half of that is over when it calls.
const (
	edge    = 100 * time.Millisecond // after a forgetful moment messages of before it still arrive
	noticed = 50 * time.Millisecond  // a machine that stands still for less changes nothing
)

// fullest looks at every window of a length that begins with an arrival, which the fullest one does. It gives those that hold more than
// n, and n once more for each time that Redis forgot in them; worst is the fullest of all.
func fullest(arrivals []time.Time, n int, per time.Duration, upsets []span, stalls []stall) (worst window, over []window) {
	slices.SortFunc(arrivals, time.Time.Compare)
	end := 0
	for i, start := range arrivals {
		for end < len(arrivals) && arrivals[end].Before(start.Add(per)) {
			end++
		}
		w := window{n: end - i, allowed: n, start: start}
		for _, u := range upsets {
			if u.from.Before(start.Add(per)) && u.to.Add(edge).After(start) {
				w.allowed += n
			}
		}
		if w.n > worst.n {
			worst = w
		}
		if w.n <= w.allowed {
			continue
		}
		if w.n <= w.allowed+max(1, n/4) {
			w.late = stood(stalls, start, per)
		}
		over = append(over, w)
	}
	return worst, over
}

// stood is the longest time that the machine stood still in a window or in the half second before: what was held up arrives in it.
func stood(stalls []stall, start time.Time, per time.Duration) (longest time.Duration) {
	for _, s := range stalls {
		if s.late > noticed && s.at.After(start.Add(-time.Second/2)) && s.at.Add(-s.late).Before(start.Add(per)) {
			longest = max(longest, s.late)
		}
	}
	return longest
}

// rates holds what a provider saw against the windows of its sender.
func (w *world) rates(name string, arrivals []time.Time, n int, per time.Duration) verdict {
	worst, over := fullest(arrivals, n, per, w.upsets, w.stalls)
	v := verdict{name: fmt.Sprintf("%s: never more than %d in %s", name, n, per), note: fmt.Sprintf("at most %d", worst.n)}
	if worst.allowed > n {
		v.note += fmt.Sprintf(" in one in which Redis forgot: %d are allowed there", worst.allowed)
	}
	excused, most := 0, time.Duration(0)
	for _, o := range over {
		if o.late > 0 {
			excused, most = excused+1, max(most, o.late)
			continue
		}
		v.evidence = append(v.evidence, fmt.Sprintf("%d requests, %d allowed, from %s", o.n, o.allowed, o.start.Format("15:04:05.000")))
	}
	if excused > 0 {
		v.note += fmt.Sprintf("; %d windows over it where this machine stood still, for up to %s", excused, most.Round(time.Millisecond))
	}
	return v
}
