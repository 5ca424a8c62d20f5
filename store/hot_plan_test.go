package store_test

import (
	"regexp"
	"testing"

	"github.com/odziv/odziv/store"
	"github.com/odziv/odziv/store/storetest"
	"github.com/odziv/odziv/survey"
)

// What is done for every message goes by an index, a row or a group at a time, also when many more rows have come since the database counted them:
// none of it may read all of a table or a lane.
func TestHotStatementsGoByIndex(t *testing.T) {
	t.Parallel()
	reads := regexp.MustCompile(`Seq Scan|Bitmap|Hash Join|Merge Join|Gather|-> +Aggregate|SCAN (sends|attempts|contacts|identities|threads|suppressions)\n|AUTOMATIC|autoindex_inbox|inbox_pkey`)
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		check := func(when string) {
			t.Helper()
			plans, err := s.HotPlans(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for name, plan := range plans {
				if found := reads.FindString(plan); found != "" {
					t.Errorf("%s, %s: %q in\n%s", when, name, found, plan)
				}
			}
		}
		check("empty")
		many := func(from, to int) {
			sends := make([]survey.Send, 0, to-from)
			for i := from; i < to; i++ {
				sends = append(sends, newSend(i))
			}
			accept(t, s, sends...)
		}
		many(0, 20)
		if err := s.Counted(t.Context()); err != nil {
			t.Fatal(err)
		}
		check("few")
		many(20, 3000)
		check("many, and few are known of")
		if err := s.Counted(t.Context()); err != nil {
			t.Fatal(err)
		}
		check("many")
	})
}
