package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/odziv/odziv/store"
	"github.com/odziv/odziv/store/storetest"
)

// Whoever looks for what came in, and finds nothing, does not wait for those who write.
func TestTakeInboundWithoutWriter(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		defer s.Hold(t.Context())()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if ids, err := s.TakeInbound(ctx, t0, t0.Add(time.Minute), 10); err != nil || len(ids) != 0 {
			t.Errorf("took %v: %v", ids, err)
		}
	})
}
