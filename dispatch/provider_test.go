package dispatch

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/odziv/odziv/channels"
	"github.com/odziv/odziv/survey"
)

// A counter is a driver that takes everything.
type counter struct{ calls int }

func (c *counter) Send(context.Context, channels.Message) (channels.Receipt, error) {
	c.calls++
	return channels.Receipt{ProviderID: "p"}, nil
}

// Law 10: a turn that comes when the send is over is given back.
func TestTurnAfterTheEnd(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		name string
		send survey.Send
		code string
	}{
		{"in time", survey.Send{Kind: survey.Invitation, ExpiresAt: noon.Add(time.Microsecond)}, ""},
		{"late", survey.Send{Kind: survey.Invitation, ExpiresAt: noon}, "late"},
		{"a late reminder", survey.Send{Kind: survey.Reminder, ExpiresAt: noon}, "late"},
		{"an answer to a late reply", survey.Send{Kind: survey.FollowupPromoter, ExpiresAt: noon.Add(-time.Hour)}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rdb := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
			t.Cleanup(func() { _ = rdb.Close() })
			log, now := slog.New(slog.DiscardHandler), func() time.Time { return noon }
			d := &Dispatcher{cfg: Config{Now: now, Log: log, Lease: time.Minute}, pace: newPacer(rdb, nil), health: newHealth(rdb, now, nil, log)}
			via := new(counter)
			sender := Sender{Name: "sms", Via: via, Rates: []Rate{{N: 1, Per: time.Hour}}}
			r := d.paced(t.Context(), sender, channels.Message{}, &survey.State{Send: tt.send}, 0)
			if r.Code != tt.code || (r.Fault == survey.FaultNotSent) != (tt.code != "") || (via.calls == 0) != (tt.code != "") {
				t.Errorf("%+v, %d calls; want code %q", r, via.calls, tt.code)
			}
			if n := rdb.ZCard(t.Context(), laneKey("sms", turnCount)+":turns").Val(); tt.code != "" && n != 0 {
				t.Errorf("%d turns are kept", n)
			}
		})
	}
}
