package store

import (
	"context"
	"fmt"
	"slices"

	"github.com/odziv/odziv/survey"
)

const (
	selectThreads = `SELECT address, channel, mode, history, heard_at, unanswered, said FROM threads WHERE address IN (%s)`

	selectByTransaction = `SELECT id FROM sends
WHERE transaction_id <> '' AND transaction_id = $1 AND survey = $2 AND contact_id = $3 AND mode = $4`
)

// A threadRow is what is known of one address of one channel.
type threadRow struct {
	channel survey.Channel
	mode    survey.Mode
	history string
	session survey.Session
}

// Facts gives, by send, what the decision looks at beside the state: what the person was asked and answered before,
// at any known address, and the session of the address that the due message goes to. wide is what Persons gave; nil = it is looked up.
func (s *Store) Facts(ctx context.Context, states []survey.State, wide map[string][]string) (map[string]survey.Facts, error) {
	if wide == nil {
		var err error
		if wide, err = s.Persons(ctx, states); err != nil {
			return nil, err
		}
	}
	var addresses []string
	for i := range states {
		if m := &states[i].Send; !s.noFatigue {
			addresses = append(append(addresses, m.ContactID), wide[m.ID]...)
		}
		if ch, to := states[i].Target(); ch == survey.Viber && to != "" { // others have no sessions
			addresses = append(addresses, to)
		}
	}
	threads, err := s.threads(ctx, addresses)
	if err != nil {
		return nil, err
	}
	elsewhere, err := s.elsewhere(ctx, states, wide)
	if err != nil {
		return nil, err
	}
	facts := make(map[string]survey.Facts, len(states))
	for i := range states {
		m := &states[i].Send
		f := survey.Facts{Elsewhere: elsewhere[m.ID]}
		var past map[string]survey.Past
		for _, a := range append(wide[m.ID], m.ContactID) {
			for _, row := range threads[a] {
				if s.noFatigue || row.mode != m.Mode || row.history == "" {
					continue
				}
				if past == nil {
					past = map[string]survey.Past{}
				}
				readHistory(row.history, m.ID, past)
			}
		}
		for _, p := range past {
			f.Past = append(f.Past, p)
		}
		ch, to := states[i].Target()
		for _, row := range threads[to] {
			if row.mode == m.Mode && row.channel == ch {
				f.Session = row.session
			}
		}
		facts[m.ID] = f
	}
	return facts, nil
}

// elsewhere gives, by send, what was said at other addresses of its person and holds on all channels.
func (s *Store) elsewhere(ctx context.Context, states []survey.State, wide map[string][]string) (map[string][]survey.Suppression, error) {
	others := make(map[string][]string)
	var addresses []string
	for i := range states {
		m := &states[i].Send
		own := addressesOf(&m.Recipient)
		for _, a := range wide[m.ID] {
			if !slices.Contains(own, a) {
				others[m.ID], addresses = append(others[m.ID], a), append(addresses, a)
			}
		}
	}
	if len(addresses) == 0 {
		return nil, nil
	}
	by, err := s.suppressedBy(ctx, &s.reader, addresses)
	if err != nil {
		return nil, err
	}
	out := make(map[string][]survey.Suppression)
	for i := range states {
		m := &states[i].Send
		for _, a := range others[m.ID] {
			for _, p := range by[a] {
				if p.Mode == m.Mode && (p.Scope == survey.ScopeAll || p.Scope == survey.ScopeBrand || p.Scope == survey.ScopeSurvey) {
					out[m.ID] = append(out[m.ID], p)
				}
			}
		}
	}
	return out, nil
}

func (s *Store) threads(ctx context.Context, addresses []string) (map[string][]threadRow, error) {
	slices.Sort(addresses)
	threads := map[string][]threadRow{}
	err := in(ctx, &s.reader, selectThreads, slices.Compact(addresses), func(row scanner) error {
		var address string
		var t threadRow
		var heard int64
		err := row.Scan(&address, (*string)(&t.channel), (*string)(&t.mode), &t.history, &heard, &t.session.Unanswered, &t.session.Said)
		t.session.HeardAt = moment(heard)
		threads[address] = append(threads[address], t)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("select threads: %w", err)
	}
	return threads, nil
}

func addressesOf(r *survey.Recipient) []string {
	all := make([]string, 0, 3)
	for _, a := range [...]string{r.Email, r.Phone, r.ViberID} {
		if a != "" {
			all = append(all, a)
		}
	}
	return all
}

// SendByTransaction gives the send of a survey, transaction and contact; survey.ErrNotFound when there is none.
func (s *Store) SendByTransaction(ctx context.Context, mode survey.Mode, surveyID, transactionID, contactID string) (id string, err error) {
	err = s.reader.row(ctx, selectByTransaction, []any{transactionID, surveyID, contactID, string(mode)}, &id)
	return id, err
}
