package store_test

import (
	"testing"

	"github.com/odziv/odziv/store/storetest"
	"github.com/odziv/odziv/survey"
)

// BenchmarkCancelMany cancels sends that nobody has tried, as after the stop of a campaign.
func BenchmarkCancelMany(b *testing.B) {
	for _, name := range storetest.Names(b) {
		b.Run(name, func(b *testing.B) {
			s := storetest.Open(b, name)
			n, done := 0, 0
			m := meter{b: b, from: cpu(b)}
			for b.Loop() {
				m.stop()
				sends := make([]survey.Send, 20000)
				for i := range sends {
					sends[i] = newSend(n)
					n++
				}
				if _, err := s.Accept(b.Context(), sends, nil); err != nil {
					b.Fatal(err)
				}
				m.start()
				cancelled, more, err := s.CancelMany(b.Context(), survey.CancelFilter{Mode: survey.Live, Survey: "nps-after-purchase"}, "key_9", long)
				if err != nil || more {
					b.Fatal(more, err)
				}
				done += int(cancelled)
			}
			m.stop()
			if done != n {
				b.Errorf("%d of %d cancelled", done, n)
			}
			m.report(n)
		})
	}
}
