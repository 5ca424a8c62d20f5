package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/odziv/odziv/survey"
)

const (
	selectPlace = `SELECT granted FROM trigger_places WHERE same_key = $1 AND trigger_id = $2 AND mode = $3`

	insertPlace = `
INSERT INTO trigger_places (trigger_id, mode, same_key, per, day, granted, at) VALUES ($1, $2, $3, $4, $5, TRUE, $6)
ON CONFLICT (same_key, trigger_id, mode) DO NOTHING`

	refusePlace = `UPDATE trigger_places SET granted = FALSE WHERE same_key = $1 AND trigger_id = $2 AND mode = $3`

	selectDay = `SELECT taken FROM trigger_days WHERE day = $1 AND trigger_id = $2 AND per = $3 AND mode = $4`

	// One statement counts and decides: of two processes that want the last place, one waits for the other and gets none.
	takePlace = `
INSERT INTO trigger_days (trigger_id, mode, per, day, taken) VALUES ($1, $2, $3, $4, 1)
ON CONFLICT (day, trigger_id, per, mode) DO UPDATE SET taken = trigger_days.taken + 1 WHERE trigger_days.taken < $5`

	selectShopEvent = `SELECT at FROM shop_events WHERE shop = $1 AND same_key = $2`
	insertShopEvent = `INSERT INTO shop_events (shop, same_key, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`

	forgetPlaces     = `DELETE FROM trigger_places WHERE at < $1`
	forgetDays       = `DELETE FROM trigger_days WHERE day < $1`
	forgetShopEvents = `DELETE FROM shop_events WHERE at < $1`
)

// Reserve takes places of daily caps, and tells for each whether there was one. Whoever asked before gets the answer
// of then. A place that is never used stays taken: a crash may waste one, and the cap is never exceeded.
func (s *Store) Reserve(ctx context.Context, places []survey.Place) (granted []bool, err error) {
	if len(places) == 0 {
		return nil, nil
	}
	err = s.other(ctx, func(ctx context.Context, t *tx) error {
		granted = make([]bool, len(places))
		for i, p := range places {
			if granted[i], err = s.reserve(ctx, t, p); err != nil {
				return fmt.Errorf("reserve place of trigger %s: %w", p.Trigger, err)
			}
		}
		return nil
	})
	return granted, err
}

func (s *Store) reserve(ctx context.Context, t *tx, p survey.Place) (granted bool, err error) {
	n, err := t.exec(ctx, insertPlace, p.Trigger, string(p.Mode), p.Key, s.per(p), p.Day, micros(s.now()))
	if err != nil {
		return false, err
	}
	if n == 0 {
		err = one(ctx, t, selectPlace, []any{p.Key, p.Trigger, string(p.Mode)}, &granted)
		return granted, err
	}
	if n, err = t.exec(ctx, takePlace, p.Trigger, string(p.Mode), s.per(p), p.Day, int64(p.N)); err != nil || n > 0 {
		return n > 0, err
	}
	_, err = t.exec(ctx, refusePlace, p.Key, p.Trigger, string(p.Mode))
	return false, err
}

// per is by what a cap counts, as it is kept: the value may be of a person, and nobody would find it to erase it.
func (s *Store) per(p survey.Place) string {
	if p.Per == "" {
		return ""
	}
	return s.hashed(clean(p.Per))
}

// Free tells for each place whether Reserve would grant it now, and takes none.
func (s *Store) Free(ctx context.Context, places []survey.Place) ([]bool, error) {
	free := make([]bool, len(places))
	for i, p := range places {
		err := s.reader.row(ctx, selectPlace, []any{p.Key, p.Trigger, string(p.Mode)}, &free[i])
		if err == nil {
			continue
		}
		var taken int64
		if errors.Is(err, survey.ErrNotFound) {
			err = s.reader.row(ctx, selectDay, []any{p.Day, p.Trigger, s.per(p), string(p.Mode)}, &taken)
		}
		if err != nil && !errors.Is(err, survey.ErrNotFound) {
			return nil, fmt.Errorf("look up place of trigger %s: %w", p.Trigger, err)
		}
		free[i] = taken < int64(p.N)
	}
	return free, nil
}

// ShopEventSeen tells whether an event of a shop was taken in.
func (s *Store) ShopEventSeen(ctx context.Context, shop, key string) (bool, error) {
	var at int64
	err := s.reader.row(ctx, selectShopEvent, []any{shop, key}, &at)
	if errors.Is(err, survey.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// SawShopEvent records that an event of a shop was taken in. It is called after its sends are stored: what is not
// recorded comes again, and makes no second send.
func (s *Store) SawShopEvent(ctx context.Context, shop, key string) error {
	return s.other(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, insertShopEvent, shop, key, micros(s.now()))
		return err
	})
}

// ForgetTriggers removes what rules and shops need of the time before: no shop repeats itself for so long.
func (s *Store) ForgetTriggers(ctx context.Context, before time.Time) error {
	return s.other(ctx, func(ctx context.Context, t *tx) error {
		_, places := t.exec(ctx, forgetPlaces, micros(before))
		_, days := t.exec(ctx, forgetDays, before.UTC().Format(time.DateOnly))
		_, events := t.exec(ctx, forgetShopEvents, micros(before))
		return errors.Join(places, days, events)
	})
}
