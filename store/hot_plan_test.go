package store_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/odziv/odziv/store"
	"github.com/odziv/odziv/store/storetest"
	"github.com/odziv/odziv/survey"
)

// badPlan tells what of a plan reads a whole table, index or lane. "" = nothing.
func badPlan(name, plan string) string {
	if name == "lanes" { // the first one, and no more of it is read
		plan = strings.Replace(plan, "SCAN sends USING COVERING INDEX sends_due", "", 1)
	}
	// SQLite: a table or an index is read from its beginning, whatever it is called there. What is scanned else has some rows.
	if found := regexp.MustCompile(`SCAN (sends|s|attempts|contacts|roots|identities|threads|suppressions|inbox|idempotency)\b.*|AUTOMATIC.*|.*inbox USING INDEX sqlite_autoindex_inbox_1 \(id<.*`).
		FindString(plan); found != "" {
		return found
	}
	if found := regexp.MustCompile(`Seq Scan.*|Bitmap.*|Hash Join.*|Merge Join.*|Gather.*|-> +Aggregate.*|.*inbox_pkey on inbox .*\n +Index Cond: \(id < .*`).FindString(plan); found != "" {
		return found
	}
	// PostgreSQL: what is believed to be empty is read without a condition. Of a whole table it knows the size, so that a small one may be.
	lines := strings.Split(plan, "\n")
	for i, line := range lines {
		if regexp.MustCompile(`Scan using (sends_due|inbox_due)`).MatchString(line) && !strings.Contains(lines[i+1], "Index Cond") &&
			(name != "lanes" || !strings.Contains(lines[i-1], "Limit")) {
			return line
		}
	}
	return ""
}

// What is done for every message goes by an index, a row or a group at a time, also when many more rows have come since the database counted
// them: none of it may read all of a table or a lane.
func TestHotStatementsGoByIndex(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		check := func(when string) {
			t.Helper()
			plans, err := s.HotPlans(t.Context())
			must(t, err)
			for name, plan := range plans {
				if bad := badPlan(name, plan); bad != "" {
					t.Errorf("%s, %s: %q in\n%s", when, name, bad, plan)
				}
			}
		}
		check("empty")
		many := func(from, to int, lane string) {
			sends := make([]survey.Send, 0, to-from)
			for i := from; i < to; i++ {
				m := newSend(i)
				if m.Lane = lane; lane == "" {
					m.Status = survey.Cancelled
				}
				sends = append(sends, m)
			}
			accept(t, s, sends...)
			var read []string
			for i := from; i < to; i += 10 {
				in := survey.Inbound{ID: fmt.Sprintf("in_%06d", i), Sender: "sms", Mode: survey.Live, Key: fmt.Sprint(i), At: t0}
				_, err := s.PutInbound(t.Context(), in)
				must(t, err)
				read = append(read, in.ID)
			}
			if lane == "" {
				must(t, s.DoneInbound(t.Context(), read, "ok"))
			}
		}
		many(0, 20, "")
		must(t, s.Counted(t.Context()))
		check("few")
		many(20, 2000, "")
		must(t, s.Counted(t.Context()))
		check("many, and nothing waits")
		many(2000, 4000, "bot")
		check("many wait, and nothing is known of them")
		must(t, s.Counted(t.Context()))
		check("many wait")
	})
}
