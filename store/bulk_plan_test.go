package store

import (
	"strings"
	"testing"

	"github.com/odziv/odziv/survey"
)

// The list of dead letters reads its own index, not all sends; what waits in a lane is read by the index of what is due.
func TestBulkGoesByIndex(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	letters := letterWhere(survey.LetterFilter{Mode: survey.Live, Reason: survey.ReasonAttempts})
	waiting := pendingWhere(survey.CancelFilter{Mode: survey.Live, Survey: "nps"}, laneQueue{"sms", "2 nps"})
	tests := []struct {
		name, text string
		args       []any
		index      string
	}{
		{"letters", `SELECT sends.id` + letterTables + letters.text.String() + ` ORDER BY sends.id DESC LIMIT 50`, letters.args, "sends_letters"},
		{"pending", selectPending + waiting.text.String() + ` ORDER BY due_at LIMIT 50`, waiting.args, "sends_due"},
		{"oldest", selectOldestDue, []any{"sms", "2 nps"}, "sends_due"},
		{"count", countLane, []any{"sms", 10}, "sends_due"},
	}
	for _, tt := range tests {
		var plan []string
		rows, err := s.db.QueryContext(t.Context(), `EXPLAIN QUERY PLAN `+tt.text, tt.args...)
		err = each(rows, err, func(row scanner) error {
			var id, parent, unused int
			var detail string
			err := row.Scan(&id, &parent, &unused, &detail)
			plan = append(plan, detail)
			return err
		})
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if all := strings.Join(plan, "\n"); !strings.Contains(all, tt.index) || strings.Contains(all, "SCAN sends\n") || strings.Contains(all, "TEMP B-TREE") {
			t.Errorf("%s goes without %s:\n%s", tt.name, tt.index, all)
		}
	}
}
