package store_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/odziv/odziv/store"
	"github.com/odziv/odziv/store/storetest"
	"github.com/odziv/odziv/survey"
)

// What stores no send keeps its answer, too.
func TestIdempotencyWithoutSends(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		idem := &survey.Idempotency{Actor: "key_1", Key: "abc", Hash: [32]byte{1, 2}, Compose: func(a []survey.AcceptedSend) (int, []byte) {
			return 202, fmt.Appendf(nil, "%d sends", len(a))
		}}
		out, err := s.Accept(t.Context(), nil, idem)
		must(t, err)
		r, ok, err := s.Replay(t.Context(), "key_1", "abc", t0)
		must(t, err)
		if len(out) != 0 || !ok || r.Status != 202 || string(r.Body) != "0 sends" || r.Hash != idem.Hash {
			t.Errorf("accepted %v, replay %+v, %t", out, r, ok)
		}
		if _, err := s.Accept(t.Context(), nil, idem); !errors.Is(err, survey.ErrIdempotencyTaken) {
			t.Errorf("taken: %v", err)
		}
	})
}
