package store_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/odziv/odziv/store"
	"github.com/odziv/odziv/store/storetest"
	"github.com/odziv/odziv/survey"
)

func newPlace(key string, n int) survey.Place {
	return survey.Place{Trigger: "after", Mode: survey.Live, Per: "Zagreb-1", Day: "2026-11-20", Key: key, N: n}
}

func TestReserve(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		reserve := func(p ...survey.Place) []bool {
			t.Helper()
			free, err := s.Free(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			granted, err := s.Reserve(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			if len(p) == 1 && free[0] != granted[0] {
				t.Errorf("%+v: Free said %t, Reserve %t", p, free, granted)
			}
			return granted
		}
		changed := func(change func(*survey.Place)) survey.Place {
			p := newPlace("o9 con_9", 2)
			change(&p)
			return p
		}
		steps := []struct {
			name  string
			place survey.Place
			want  bool
		}{
			{"first", newPlace("o1 con_1", 2), true},
			{"again", newPlace("o1 con_1", 2), true},
			{"second", newPlace("o2 con_2", 2), true},
			{"third", newPlace("o3 con_3", 2), false},
			{"a refused one again, with a larger cap", newPlace("o3 con_3", 9), false},
			{"another location", changed(func(p *survey.Place) { p.Per = "Split" }), true},
			{"who has a place keeps it, whatever the day", changed(func(p *survey.Place) { p.Per = "Zagreb-1" }), true},
			{"another day", changed(func(p *survey.Place) { p.Key, p.Day = "o10 con_1", "2026-11-21" }), true},
			{"another rule", changed(func(p *survey.Place) { p.Trigger = "other" }), true},
			{"test", changed(func(p *survey.Place) { p.Mode = survey.Test }), true},
			{"still full", newPlace("o11 con_1", 2), false},
		}
		for _, st := range steps {
			if got := reserve(st.place); got[0] != st.want {
				t.Errorf("%s: %t; want %t", st.name, got[0], st.want)
			}
		}
		day := changed(func(p *survey.Place) { p.Day = "2026-11-25" })
		var many []survey.Place
		for i := range 4 {
			day.Key = fmt.Sprint("m", i)
			many = append(many, day)
		}
		if diff := cmp.Diff([]bool{true, true, false, false}, reserve(many...)); diff != "" {
			t.Error(diff)
		}
	})
}

// By whom a cap counts may be a person: it is kept as a hash, under which every process counts alike, after another start too.
func TestReserveKeepsNoValue(t *testing.T) {
	t.Parallel()
	for _, name := range storetest.Names(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := storetest.Config(t, name)
			for i, want := range []bool{true, true, false} {
				s := storetest.OpenConfig(t, cfg)
				p := newPlace(fmt.Sprint("o", i), 2)
				p.Per = "Ana Kovač"
				free, err := s.Free(t.Context(), []survey.Place{p})
				must(t, err)
				granted, err := s.Reserve(t.Context(), []survey.Place{p})
				must(t, err)
				if free[0] != want || granted[0] != want {
					t.Errorf("place %d: free %t, granted %t; want %t", i+1, free[0], granted[0], want)
				}
			}
			if left := scan(t, cfg, name, "Ana", "Kova"); len(left) > 0 {
				t.Errorf("kept: %v", left)
			}
		})
	}
}

// Many processes at once never exceed a cap.
func TestReserveTogether(t *testing.T) {
	t.Parallel()
	for _, name := range storetest.Names(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := storetest.Config(t, name)
			stores := []*store.Store{storetest.OpenConfig(t, cfg)}
			if name == storetest.Postgres {
				stores = append(stores, storetest.OpenConfig(t, cfg))
			}
			var mu sync.Mutex
			granted := 0
			var group errgroup.Group
			for i := range 40 {
				group.Go(func() error {
					ok, err := stores[i%len(stores)].Reserve(t.Context(), []survey.Place{newPlace(fmt.Sprint("o", i), 7)})
					mu.Lock()
					defer mu.Unlock()
					if err == nil && ok[0] {
						granted++
					}
					return err
				})
			}
			if err := group.Wait(); err != nil {
				t.Fatal(err)
			}
			if granted != 7 {
				t.Errorf("%d of 7 places were granted", granted)
			}
		})
	}
}

func TestShopEvents(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		for range 2 {
			if err := s.SawShopEvent(t.Context(), "main", "e1"); err != nil {
				t.Fatal(err)
			}
		}
		for _, tt := range []struct {
			shop, key string
			want      bool
		}{{"main", "e1", true}, {"main", "e2", false}, {"other", "e1", false}} {
			if seen, err := s.ShopEventSeen(t.Context(), tt.shop, tt.key); err != nil || seen != tt.want {
				t.Errorf("%s %s: %t, %v", tt.shop, tt.key, seen, err)
			}
		}
		if _, err := s.Reserve(t.Context(), []survey.Place{newPlace("o1", 1)}); err != nil {
			t.Fatal(err)
		}
		if err := s.ForgetTriggers(t.Context(), time.Now().AddDate(1, 0, 0)); err != nil {
			t.Fatal(err)
		}
		if seen, err := s.ShopEventSeen(t.Context(), "main", "e1"); err != nil || seen {
			t.Errorf("after it was forgotten: %t, %v", seen, err)
		}
		if free, err := s.Free(t.Context(), []survey.Place{newPlace("o2", 1)}); err != nil || !free[0] {
			t.Errorf("after the day was forgotten: %v, %v", free, err)
		}
	})
}
