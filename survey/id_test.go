package survey_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/odziv/odziv/survey"
)

func TestMadeAt(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var ids survey.IDSource
		want := time.UnixMilli(rapid.Int64Range(1, 1<<48-1).Draw(t, "ms")).UTC()
		id := ids.New(survey.InboundPrefix, want)
		if got := survey.MadeAt(survey.InboundPrefix, id); !got.Equal(want) {
			t.Fatalf("%s, want %s", got, want)
		}
		if got := survey.MadeAt(survey.SendPrefix, id); !got.IsZero() {
			t.Fatalf("of another noun: %s", got)
		}
	})
	for _, id := range []string{"", "inb_", "inb_1"} {
		if got := survey.MadeAt(survey.InboundPrefix, id); !got.IsZero() {
			t.Errorf("%q was made at %s", id, got)
		}
	}
}
