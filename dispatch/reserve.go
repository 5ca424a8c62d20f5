package dispatch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/odziv/odziv/survey"
)

// Sends to one person that are due at one moment would all find that nobody has invited that person yet. So each reserves its
// recipient until its invitation is recorded, and the others look again.

// reservation gives the keys that a send holds in Redis while it invites; none when no cooldown is held against it.
func (d *Dispatcher) reservation(s *survey.State) []string {
	send := &s.Send
	waived := send.Mode == survey.Test && !d.cfg.Policy.TestToo
	if d.cfg.Policy.Cooldown == 0 || waived || send.Kind != survey.Invitation || send.Step > 0 || len(s.Attempts) > 0 {
		return nil
	}
	var keys []string
	for _, a := range []string{send.Recipient.Email, send.Recipient.Phone, send.Recipient.ViberID} {
		if a != "" {
			hash := sha256.Sum256([]byte(string(send.Mode) + " " + a)) // Redis need not know people
			keys = append(keys, "odziv:inviting:"+hex.EncodeToString(hash[:16]))
		}
	}
	return keys
}

// reserve splits states into those that may go on, and those whose recipient another send is inviting right now. Invited is when
// each was last invited, by send: whom the cooldown stops anyway reserves nothing.
func (d *Dispatcher) reserve(ctx context.Context, states []survey.State, invited map[string]time.Time) (free, busy []survey.State, err error) {
	holders := make([][]*redis.StringCmd, len(states))
	_, err = d.cfg.Redis.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i := range states {
			id := states[i].Send.ID
			if d.cfg.Now().Before(invited[id].Add(d.cfg.Policy.Cooldown)) {
				continue
			}
			for _, key := range d.reservation(&states[i]) {
				p.SetNX(ctx, key, id, 2*d.cfg.Lease)
				holders[i] = append(holders[i], p.Get(ctx, key))
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) { // Nil: given back between the two
		return nil, nil, fmt.Errorf("reserve recipients: %w", err)
	}
	for i := range states {
		id, held := states[i].Send.ID, 0
		for _, holder := range holders[i] {
			if holder.Val() == id {
				held++
			}
		}
		if held == len(holders[i]) {
			free = append(free, states[i])
			continue
		}
		if held > 0 { // and another holds the rest: neither may wait for the other
			d.release(ctx, &states[i])
		}
		busy = append(busy, states[i])
	}
	return free, busy, nil
}

// release gives a reservation back: what it waited for is recorded, or will not be.
func (d *Dispatcher) release(ctx context.Context, s *survey.State) {
	keys := d.reservation(s)
	if len(keys) == 0 {
		return
	}
	holders := make([]*redis.StringCmd, len(keys))
	_, err := d.cfg.Redis.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, key := range keys {
			holders[i] = p.Get(ctx, key)
		}
		return nil
	})
	if err == nil || errors.Is(err, redis.Nil) {
		_, err = d.cfg.Redis.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i, key := range keys {
				if holders[i].Val() == s.Send.ID {
					p.Del(ctx, key)
				}
			}
			return nil
		})
	}
	if err != nil && ctx.Err() == nil {
		d.cfg.Log.WarnContext(ctx, "recipient stays reserved for a while", "send_id", s.Send.ID, "error", err)
	}
}
