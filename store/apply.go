package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/odziv/odziv/survey"
)

type applyWork struct {
	id    string
	fn    func(*survey.State) error
	known *survey.State // nil: the state has to be loaded
	ready *change       // of known, by the caller; nil when fn went wrong or changed nothing
	keys  []string      // under which a suppression of the addresses of known would be kept
	out   survey.State
}

// Apply changes one send: it loads the state under a lock, calls fn, and writes what fn changed and the events that
// it added in one commit. Calls for one send see each other's results. An error of fn is returned as it is, and
// nothing of it is written; fn may run more than once, also after the context ended, so it must be pure.
// survey.ErrNotFound when there is no such send.
//
// Of the send these are written: Status, Reason, Kind, Step, Lane, DueAt, Epoch, Tries, Thread, Locale, ExpiresAt,
// UpdatedAt, Recipient and Plan; the rest must not be changed, nor must Transaction.Attributes and Metadata be
// written into, which states share. Attempts are added or brought forward, never removed. Events get what they lack of
// ID, SendID and At. Rev grows by one with each change of the send, its attempts or its response.
func (s *Store) Apply(ctx context.Context, sendID string, fn func(*survey.State) error) (survey.State, error) {
	w := &applyWork{id: clean(sendID), fn: fn}
	if err := s.do(ctx, applyJob, 4, w); err != nil {
		return survey.State{}, err
	}
	return w.out, nil
}

// ApplyFrom is Apply for who has the state already, from Load, Apply or ApplyFrom: it is not loaded again unless it
// changed since, or unless its addresses have suppressions: who left meanwhile has left.
func (s *Store) ApplyFrom(ctx context.Context, known survey.State, fn func(*survey.State) error) (survey.State, error) {
	w := &applyWork{id: known.Send.ID, fn: fn, known: &known}
	if len(known.Suppressions) == 0 {
		if c, err := s.change(&known, fn); err == nil && !c.nothing() {
			w.ready = c
			w.keys, _ = s.askedFor(addressesOf(&known.Send.Recipient))
		}
	}
	if err := s.do(ctx, applyJob, 4, w); err != nil {
		return survey.State{}, err
	}
	return w.out, nil
}

// A turn is all that a group of calls does to one send.
type turn struct {
	id      string
	works   []*applyWork
	jobs    []*job
	rev     int64    // of the row
	keys    []string // under which there must be no suppression; none = whatever there is
	now     *survey.State
	changes []*change
	row     bool // of the send: it has to be written
}

// turns puts the calls of a group together by send, in the order of ids: two writers never wait for each other in a circle.
func turns(jobs []*job) []*turn {
	by := make(map[string]*turn, len(jobs))
	all := make([]*turn, 0, len(jobs))
	for _, j := range jobs {
		w := j.work.(*applyWork)
		t := by[w.id]
		if t == nil {
			t = &turn{id: w.id}
			by[w.id] = t
			all = append(all, t)
		}
		t.works, t.jobs = append(t.works, w), append(t.jobs, j)
	}
	slices.SortFunc(all, func(a, b *turn) int { return strings.Compare(a.id, b.id) })
	return all
}

// known is the call that knows the latest state; nil when one of them knows none.
func (u *turn) known() *applyWork {
	var known *applyWork
	for _, w := range u.works {
		if w.ready == nil {
			return nil
		}
		if known == nil || w.known.Send.Rev > known.known.Send.Rev {
			known = w
		}
	}
	return known
}

func (s *Store) runApply(ctx context.Context, t *tx, jobs []*job) error {
	all := turns(jobs)
	var hopeful, sure []*turn
	for _, u := range all {
		if u.known() != nil {
			hopeful = append(hopeful, u)
		} else {
			sure = append(sure, u)
		}
	}
	missed, err := s.hope(ctx, t, hopeful)
	if err == nil {
		err = s.lock(ctx, t, append(sure, missed...))
	}
	if err != nil {
		return fmt.Errorf("apply: %w", err)
	}
	d := diff{attempts: map[string]survey.Attempt{}, threads: map[threadKey]thread{}, noFatigue: s.noFatigue}
	for _, u := range all {
		for _, c := range u.changes {
			d.add(c)
		}
	}
	if err := s.write(ctx, t, &d); err != nil {
		return fmt.Errorf("apply: %w", err)
	}
	return nil
}

// hope works from what the callers know. It gives those for which that was not the latest, or went wrong, or whose addresses have
// suppressions now: nothing of them is written.
func (s *Store) hope(ctx context.Context, t *tx, turns []*turn) (missed []*turn, err error) {
	good := make([]*turn, 0, len(turns))
	for _, u := range turns {
		w := u.known()
		u.begin(w.known)
		u.keys = w.keys
		if s.run(u, true) {
			good = append(good, u)
		} else {
			missed = append(missed, u)
		}
	}
	late, err := s.writeSends(ctx, t, good)
	return append(missed, late...), err
}

// lock loads the sends and holds their rows.
func (s *Store) lock(ctx context.Context, t *tx, turns []*turn) error {
	if len(turns) == 0 {
		return nil
	}
	slices.SortFunc(turns, func(a, b *turn) int { return strings.Compare(a.id, b.id) })
	ids := make([]string, len(turns))
	for i, u := range turns {
		ids[i] = u.id
	}
	states, err := s.load(ctx, t, ids, cmp.Or(t.dialect.lock, " "))
	if err != nil {
		return err
	}
	var changed []*turn
	for _, u := range turns {
		st := states[u.id]
		if st == nil {
			u.changes = nil
			for _, j := range u.jobs {
				j.err = survey.ErrNotFound
			}
			continue
		}
		u.begin(st)
		s.run(u, false)
		if u.row {
			changed = append(changed, u)
		}
	}
	late, err := s.writeSends(ctx, t, changed)
	if err == nil && len(late) > 0 {
		err = errors.New("a row changed under its lock")
	}
	return err
}

func (u *turn) begin(st *survey.State) {
	u.rev, u.keys, u.now, u.changes, u.row = st.Send.Rev, nil, st, nil, false
}

// run makes the changes of a turn one after the other. In hope each must go well, and is written to the row: it alone
// tells whether the state was the latest.
func (s *Store) run(u *turn, hope bool) bool {
	for i, w := range u.works {
		c := w.ready
		if c == nil || c.before.Send.Rev != u.now.Send.Rev || !slices.Equal(c.before.Suppressions, u.now.Suppressions) {
			c, u.jobs[i].err = s.change(u.now, w.fn)
		} else {
			ready := *c // it may be tried again with another row
			c, u.jobs[i].err = &ready, nil
		}
		if u.jobs[i].err != nil {
			if hope {
				return false
			}
			continue
		}
		if hope && !c.row {
			c.row = true
			c.after.Send.Rev++
		}
		u.row = u.row || c.row
		u.now, w.out = &c.after, c.after
		u.changes = append(u.changes, c)
	}
	return true
}
