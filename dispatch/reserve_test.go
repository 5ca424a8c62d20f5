package dispatch_test

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"
	"time"

	"github.com/odziv/odziv/store/storetest"
	"github.com/odziv/odziv/survey"
)

// inviting is the key in Redis of an address that is being invited.
func inviting(address string) string {
	hash := sha256.Sum256([]byte("live " + address))
	return "odziv:inviting:" + hex.EncodeToString(hash[:16])
}

// What a send reserved is free again when it is recorded, and what another holds stays held.
func TestReservations(t *testing.T) {
	t.Parallel()
	g := newRig(t, storetest.Open(t, storetest.SQLite))
	g.cfg.Policy.Fatigue.AfterInvite.Any = 90 * 24 * time.Hour
	keys := []string{inviting(phone), inviting("ana@example.hr"), inviting("ana==")}
	held := func(want int64) func() bool {
		return func() bool {
			n, err := g.redis.Exists(t.Context(), keys...).Result()
			return err == nil && n == want
		}
	}
	if err := g.redis.Set(t.Context(), keys[0], "snd_other", time.Hour).Err(); err != nil {
		t.Fatal(err)
	}
	id := g.accept(nil)
	g.start()
	g.settled("sms", survey.SMS)
	g.until("its other keys are free", held(1))
	g.until("it is put off for a second", func() bool {
		m, attempts := g.send(id)
		if len(attempts) > 0 {
			t.Fatalf("send is %s while another invites the person", m.Status)
		}
		return m.DueAt.Equal(noon().Add(time.Second))
	})
	if got := g.redis.Get(t.Context(), keys[0]).Val(); got != "snd_other" {
		t.Errorf("the key of another has %q", got)
	}
	// The same task again finds what it held before.
	if err := g.redis.Set(t.Context(), keys[0], id, time.Hour).Err(); err != nil {
		t.Fatal(err)
	}
	g.advance(time.Second)
	g.becomes(id, survey.Sent)
	g.until("all keys are free", held(0))
}
