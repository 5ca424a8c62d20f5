package dispatch_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/odziv/odziv/dispatch"
	"github.com/odziv/odziv/store"
	"github.com/odziv/odziv/store/storetest"
	"github.com/odziv/odziv/survey"
)

// A rival is another process that is faster once: it takes what we were about to.
type rival struct {
	*store.Store
	once sync.Once
}

func (r *rival) Take(ctx context.Context, lane string, refs []survey.Ref, lease time.Time) ([]survey.Ref, error) {
	var err error
	r.once.Do(func() { _, err = r.Store.Take(ctx, lane, refs, lease) })
	if err != nil {
		return nil, err
	}
	return r.Store.Take(ctx, lane, refs, lease)
}

// What a lane was granted is used, though another process was faster with what we saw first.
func TestGrantsAreUsed(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		g := newRig(t, s)
		g.cfg.Feed = &rival{Store: s}
		sms := g.cfg.Senders["sms"]
		sms.Rates = []dispatch.Rate{{N: 5, Per: time.Hour}}
		g.cfg.Senders["sms"] = sms
		for range 20 {
			g.accept(nil)
		}
		g.start()
		g.until("five messages are sent", func() bool { return len(g.sms.deliveries()) == 5 })
	})
}

// Who is held for the night uses up nothing of the day's rate.
func TestNightSparesTheDay(t *testing.T) {
	t.Parallel()
	const day = 20
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		g := newRig(t, s)
		g.cfg.Policy.Window = survey.Window{From: 9 * 60, To: 20 * 60}
		sms := g.cfg.Senders["sms"]
		sms.Rates = []dispatch.Rate{{N: day, Per: 24 * time.Hour}}
		g.cfg.Senders["sms"] = sms
		g.set(noon().Add(-14 * time.Hour)) // 23:00 in Zagreb
		ids := make([]string, 2*day)
		for i := range ids {
			ids[i] = g.accept(person(i))
		}
		g.start()
		for _, id := range ids {
			g.becomes(id, survey.Scheduled)
		}
		g.set(noon())
		g.until("the day's rate is sent", func() bool { return len(g.sms.deliveries()) == day })
		for _, id := range ids { // nor is a turn asked for in vain
			if n := count(g.events(id), "attempt.failed"); n != 0 {
				t.Errorf("%d attempts of %s failed", n, id)
			}
		}
	})
}
