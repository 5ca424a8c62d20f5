package dispatch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/odziv/odziv/survey"
)

// Sends to one person that are due at one moment would all find that nobody has invited that person yet. So each reserves its
// recipient, at every address that is known of them, until its invitation is recorded, and the others look again.

// A reservation is the keys that a send holds in Redis while it invites; it has none when nothing of others is held against it.
type reservation struct {
	keys  []string
	until time.Time // when Redis forgets them by itself, at the earliest
	held  int
}

// keysOf gives the keys that a send to a person has to hold.
func keysOf(send *survey.Send, person []string) []string {
	keys := append(make([]string, 0, 1+len(person)), "odziv:inviting:"+send.ContactID) // a hash
	for _, a := range person {
		hash := sha256.Sum256([]byte(string(send.Mode) + " " + a)) // Redis need not know people
		keys = append(keys, "odziv:inviting:"+hex.EncodeToString(hash[:16]))
	}
	return keys
}

// A batch is what one task delivers.
type batch struct {
	states []survey.State
	facts  map[string]survey.Facts
	read   time.Time              // when the facts were
	held   map[string]reservation // by send
}

// reserve splits states into those that may go on, and those whose recipient another send is inviting right now. Whom the
// policy stops anyway waits for nobody.
//
// The facts are read after the keys are held: what was reserved cannot change any more.
func (d *Dispatcher) reserve(ctx context.Context, states []survey.State) (free batch, busy []survey.State, err error) {
	persons, err := d.cfg.Sends.Persons(ctx, states)
	if err != nil {
		return batch{}, nil, fmt.Errorf("persons: %w", err)
	}
	all, err := d.hold(ctx, states, persons)
	if err != nil {
		return batch{}, nil, fmt.Errorf("reserve recipients: %w", err)
	}
	free.held, free.read = make(map[string]reservation, len(all)), d.cfg.Now()
	if free.facts, err = d.cfg.Sends.Facts(ctx, states, persons); err != nil {
		d.returns.add(all...)
		return batch{}, nil, fmt.Errorf("facts: %w", err)
	}
	for i := range states {
		r := all[i]
		id := states[i].Send.ID
		if r.held == len(r.keys) {
			free.states, free.held[id] = append(free.states, states[i]), r
			continue
		}
		d.returns.add(r) // another holds the rest: neither may wait for the other
		decision := survey.Decide(&states[i], free.facts[id], d.cfg.Policy, d.cfg.Now())
		if tired := decision.Reason == survey.ReasonCooldown || decision.Reason == survey.ReasonLimit; tired && decision.Verdict != survey.Swap {
			free.states = append(free.states, states[i])
			continue
		}
		busy = append(busy, states[i])
	}
	return free, busy, nil
}

// hold takes what is free of the keys of states, all in one round trip; a second one asks who has those that are not.
// A reservation that is not whole has the keys that were held in front.
func (d *Dispatcher) hold(ctx context.Context, states []survey.State, persons map[string][]string) ([]reservation, error) {
	all := make([]reservation, len(states))
	taken := make([][]*redis.BoolCmd, len(states))
	life, now := 2*d.cfg.Lease, time.Now() // Redis knows no other clock
	wanted := 0
	for i := range states {
		all[i].until = now.Add(life)
		if d.cfg.Policy.Tires(&states[i]) {
			all[i].keys = keysOf(&states[i].Send, persons[states[i].Send.ID])
		}
		wanted += len(all[i].keys)
	}
	if wanted == 0 {
		return all, nil
	}
	_, err := d.cfg.Redis.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i := range states {
			for _, key := range all[i].keys {
				taken[i] = append(taken[i], p.SetNX(ctx, key, states[i].Send.ID, life))
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var refused []int
	for i := range all {
		if slices.ContainsFunc(taken[i], func(c *redis.BoolCmd) bool { return !c.Val() }) {
			all[i].sort(func(k int) bool { return taken[i][k].Val() })
			refused = append(refused, i)
			continue
		}
		all[i].held = len(all[i].keys)
	}
	return all, d.again(ctx, states, all, refused)
}

// again finds the keys that a send holds from before: its task may run twice.
func (d *Dispatcher) again(ctx context.Context, states []survey.State, all []reservation, refused []int) error {
	if len(refused) == 0 {
		return nil
	}
	holders := make(map[string]*redis.StringCmd, len(refused))
	_, err := d.cfg.Redis.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, i := range refused {
			for _, key := range all[i].keys[all[i].held:] {
				holders[key] = p.Get(ctx, key)
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) { // Nil: given back between the two
		return err
	}
	_, err = d.cfg.Redis.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, i := range refused {
			r, held := &all[i], all[i].held
			r.sort(func(k int) bool { return k < held || holders[r.keys[k]].Val() == states[i].Send.ID })
			for _, key := range r.keys[held:r.held] {
				p.Expire(ctx, key, 2*d.cfg.Lease)
			}
		}
		return nil
	})
	return err
}

// sort puts the keys that are held in front. mine is asked for each, by its place before.
func (r *reservation) sort(mine func(i int) bool) {
	var held, rest []string
	for i, key := range r.keys {
		if mine(i) {
			held = append(held, key)
		} else {
			rest = append(rest, key)
		}
	}
	r.keys, r.held = slices.Concat(held, rest), len(held)
}

// returnAfter is how long keys that are given back wait for others: they go to Redis together.
const returnAfter = 3 * time.Millisecond

// returns gives reservations back: what they waited for is recorded, or will not be.
type returns struct {
	redis  redis.UniversalClient
	failed func(ctx context.Context, err error)

	flushing sync.Mutex // held while keys are on their way
	mu       sync.Mutex
	keys     []string // guarded by mu
	armed    bool     // guarded by mu: a flush will come
}

// add gives back what is held of each reservation, a little later. What Redis may have forgotten by itself is left alone: another may hold it.
func (r *returns) add(all ...reservation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range all {
		if time.Now().Before(one.until) {
			r.keys = append(r.keys, one.keys[:one.held]...)
		}
	}
	if len(r.keys) > 0 && !r.armed {
		r.armed = true
		time.AfterFunc(returnAfter, r.flush)
	}
}

// flush gives back what was added. After it, none of that is held.
func (r *returns) flush() {
	r.flushing.Lock()
	defer r.flushing.Unlock()
	r.mu.Lock()
	keys := r.keys
	r.keys, r.armed = nil, false
	r.mu.Unlock()
	if len(keys) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second) // what it belongs to has ended
	defer cancel()
	_, err := r.redis.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, key := range keys {
			p.Del(ctx, key)
		}
		return nil
	})
	if err != nil {
		r.failed(ctx, err)
	}
}
