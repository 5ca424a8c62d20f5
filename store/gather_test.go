package store_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/odziv/odziv/store"
)

// Callers whose answers came together ask again together: the next group waits for them, and for nobody else.
func TestGather(t *testing.T) {
	t.Parallel()
	const linger = 500 * time.Microsecond
	soon, late := 100*time.Microsecond, time.Second
	tests := []struct {
		name   string
		last   int
		linger time.Duration
		ended  bool
		after  []time.Duration
		want   int
		took   time.Duration
	}{
		{"alone before", 1, linger, false, []time.Duration{soon}, 1, 0},
		{"few before", 3, linger, false, []time.Duration{soon, soon}, 1, 0},
		{"as many again", 4, linger, false, []time.Duration{soon, soon, soon, soon}, 4, 3 * soon},
		{"fewer this time", 64, linger, false, []time.Duration{soon, soon, late}, 3, linger},
		{"nobody again", 64, linger, false, nil, 1, linger},
		{"ended meanwhile", 64, linger, true, []time.Duration{soon}, 2, soon},
		{"no wait", 64, 0, false, []time.Duration{soon}, 1, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				jobs, took, last := store.Gathered(tt.last, tt.linger, tt.ended, tt.after...)
				if jobs != tt.want || took != tt.took || last != jobs {
					t.Errorf("%d jobs after %s, %d remembered; want %d after %s", jobs, took, last, tt.want, tt.took)
				}
			})
		})
	}
}
