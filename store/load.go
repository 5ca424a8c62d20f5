package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/odziv/odziv/survey"
)

const (
	attemptColumns = `id, send_id, kind, step, channel, sender, address, status, provider_id, fault, code, segments, epoch, at, updated_at`

	selectAttempts = `SELECT ` + attemptColumns + ` FROM attempts WHERE send_id IN (%s)`
)

// load gives the states of sends. lock is the end of the SELECT, to hold the rows.
func (s *Store) load(ctx context.Context, q querier, ids []string, lock string) (map[string]*survey.State, error) {
	states := make(map[string]*survey.State, len(ids))
	var tried, answered, addresses []string
	text := selectSends
	if lock != "" {
		text = selectSends + ` ORDER BY id` + lock
	}
	err := in(ctx, q, text, ids, func(rows scanner) error {
		m, err := s.scanSend(rows)
		if err != nil {
			return err
		}
		states[m.ID] = &survey.State{Send: m.Send}
		if m.attempts > 0 {
			tried = append(tried, m.ID)
		}
		if m.responseID != "" {
			answered = append(answered, m.ID)
		}
		addresses = append(addresses, addressesOf(&m.Recipient)...)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("load sends: %w", err)
	}
	if err := loadAttempts(ctx, q, tried, states); err != nil {
		return nil, fmt.Errorf("load attempts: %w", err)
	}
	by, err := s.suppressedBy(ctx, q, addresses)
	if err != nil {
		return nil, err
	}
	for _, st := range states {
		st.Suppressions = suppressionsOf(&st.Send, by)
	}
	if len(answered) > 0 {
		responses, err := selectResponses(ctx, q, responsesOfSends, answered)
		if err != nil {
			return nil, fmt.Errorf("load responses: %w", err)
		}
		for i := range responses {
			states[responses[i].SendID].Response = &responses[i]
		}
	}
	return states, nil
}

func loadAttempts(ctx context.Context, q querier, ids []string, states map[string]*survey.State) error {
	err := in(ctx, q, selectAttempts, ids, func(rows scanner) error {
		a, err := scanAttempt(rows)
		if st := states[a.SendID]; st != nil {
			st.Attempts = append(st.Attempts, a)
		}
		return err
	})
	for _, id := range ids {
		slices.SortFunc(states[id].Attempts, func(a, b survey.Attempt) int {
			return cmp.Or(a.At.Compare(b.At), strings.Compare(a.ID, b.ID))
		})
	}
	return err
}

func scanAttempt(rows scanner) (survey.Attempt, error) {
	var a survey.Attempt
	var at, updated int64
	err := rows.Scan(&a.ID, &a.SendID, (*string)(&a.Kind), &a.Step, (*string)(&a.Channel), &a.Sender, &a.Address,
		(*string)(&a.Status), &a.ProviderID, &a.Fault, &a.Code, &a.Segments, &a.Epoch, &at, &updated)
	a.At, a.UpdatedAt = moment(at), moment(updated)
	return a, err
}

// Load gives the states of the sends that are still at the given epoch, in the order of refs, without a lock.
func (s *Store) Load(ctx context.Context, refs []survey.Ref) ([]survey.State, error) {
	ids := make([]string, len(refs))
	for i, r := range refs {
		ids[i] = r.ID
	}
	states, err := s.load(ctx, &s.reader, ids, "")
	if err != nil {
		return nil, err
	}
	out := make([]survey.State, 0, len(refs))
	for _, r := range refs {
		if st := states[r.ID]; st != nil && st.Send.Epoch == r.Epoch {
			out = append(out, *st)
		}
	}
	return out, nil
}

// clone copies as much of a state as a function may change.
func clone(st *survey.State) survey.State {
	c := *st
	c.Attempts = slices.Clone(st.Attempts)
	c.Suppressions = slices.Clone(st.Suppressions)
	c.Send.Plan = slices.Clone(st.Send.Plan)
	if st.Response != nil {
		r := *st.Response
		r.Answers = slices.Clone(r.Answers)
		c.Response = &r
	}
	c.Lift, c.Events = nil, nil
	return c
}
