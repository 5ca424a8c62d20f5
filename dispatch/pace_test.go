package dispatch

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"
)

// No window of any length, wherever it begins, ever holds more than its rate allows; and what a naive model would grant is granted.
func TestLaw05RatesAreExact(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	rdb := redis.NewClient(&redis.Options{Addr: server.Addr()})
	t.Cleanup(func() { _ = rdb.Close() })
	lane := 0
	rapid.Check(t, func(t *rapid.T) {
		lane++
		p := &pacer{rdb: rdb}
		rates := []Rate{{N: rapid.IntRange(1, 20).Draw(t, "n"), Per: time.Second}}
		if rapid.Bool().Draw(t, "two") {
			rates = append(rates, Rate{N: rapid.IntRange(1, 60).Draw(t, "m"), Per: time.Minute})
		}
		now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
		type granted struct {
			at time.Time
			n  int
		}
		var log []granted
		for i := range rapid.IntRange(1, 30).Draw(t, "calls") {
			now = now.Add(time.Duration(rapid.IntRange(0, 1500).Draw(t, "ms")) * time.Millisecond)
			server.SetTime(now)
			want := rapid.IntRange(1, 30).Draw(t, "want")
			// What may be granted is what a window of exactly that length has room for; what must be, what one longer by two parts and the slack has.
			most, least := want, want
			for _, r := range rates {
				exact, longer := 0, 0
				for _, g := range log {
					if g.at.After(now.Add(-r.Per)) {
						exact += g.n
					}
					if g.at.After(now.Add(-r.Per - slack - 2*(r.Per+slack)/buckets)) {
						longer += g.n
					}
				}
				most, least = min(most, r.N-exact), min(least, r.N-longer)
			}
			got, wait, err := p.grant(context.Background(), fmt.Sprint("lane", lane), rates, want)
			if err != nil {
				t.Fatal(err)
			}
			if got > most || got < least {
				t.Fatalf("call %d at %s: granted %d of %d, want %d to %d", i, now, got, want, least, most)
			}
			if got < want && (wait <= 0 || wait > time.Minute+time.Minute/buckets+slack+time.Second) {
				t.Fatalf("granted %d of %d, and to ask again in %s", got, want, wait)
			}
			if got > 0 {
				log = append(log, granted{now, got})
			}
		}
	})
}

func TestGrantWithoutRates(t *testing.T) {
	t.Parallel()
	if n, _, err := (&pacer{}).grant(t.Context(), "lane", nil, 7); n != 7 || err != nil {
		t.Errorf("granted %d, %v; want 7", n, err)
	}
}

func TestBackoffGrowsAndHasAnEnd(t *testing.T) {
	t.Parallel()
	for tries := range 64 {
		if b := backoff(tries); b < time.Second || b > time.Hour+time.Second {
			t.Errorf("after %d tries %s", tries, b)
		}
	}
}
