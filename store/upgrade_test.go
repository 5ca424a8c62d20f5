package store

import (
	"io/fs"
	"testing"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/odziv/odziv/survey"
)

// What the first version kept is still known: who was invited, who left, and what is due.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	ctx, dir := t.Context(), t.TempDir()
	db, _, err := openSQLite(dir)
	if err != nil {
		t.Fatal(err)
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		t.Fatal(err)
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, marked{files}, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.UpTo(ctx, 1); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		`INSERT INTO sends (id, mode, brand, survey, survey_version, locale, contact_id, email, phone, viber_id, transaction_id, status, reason,
kind, lane, due_at, expires_at, created_at, updated_at, actor, plan, doc, accepted, attempts)
VALUES ('snd_1', 'live', 'b', 'nps', 1, 'hr', 'con_1', '', '+1', '', '', 'accepted', '', 'invitation', 'sms', 5, 9, 1, 1, 'k', '[]', '{}', 'evt_00000000000000000000000000', 1)`,
		`INSERT INTO attempts VALUES ('att_1', 'snd_1', 'invitation', 0, 'sms', 'sms', '+1', 'sent', 'p', '', '', 1, 0, 3, 3)`,
		`INSERT INTO ledger VALUES ('snd_1', 'evt_1', 'attempt.claimed', 3, '')`,
		`INSERT INTO threads VALUES ('+1', 'sms', 'live', 'snd_1', 1763647200123456, 4)`,
		`INSERT INTO suppressions VALUES ('+1', 'sms', 'live', 'all', 'stop_keyword', 'sms', 'snd_1', 4)`,
		`INSERT INTO sends (id, mode, brand, survey, survey_version, locale, contact_id, email, phone, viber_id, transaction_id, status, reason,
kind, lane, due_at, expires_at, created_at, updated_at, actor, plan, doc, accepted, attempts)
VALUES ('snd_3', 'live', 'b', 'nps', 1, 'hr', 'con_3', 'Ana@x.hr', '', '', '', 'accepted', '', 'invitation', 'mail', 5, 9, 1, 1, 'k', '[]', '{}', 'evt_00000000000000000000000000', 1)`,
		`INSERT INTO attempts VALUES ('att_3', 'snd_3', 'invitation', 0, 'email', 'mail', 'Ana@x.hr', 'sent', 'p', '', '', 1, 0, 3, 3)`,
		`INSERT INTO threads VALUES ('ana@x.hr', 'email', 'live', 'snd_1', 5, 5), ('Ana@x.hr', 'email', 'live', 'snd_3', 7, 7), ('ANA@x.hr', 'email', 'live', 'snd_1', 6, 6),
('Vib==', 'viber', 'live', 'snd_1', 6, 6)`,
		`INSERT INTO suppressions VALUES ('ANA@x.hr', 'email', 'live', 'all', 'later', 'p', '', 5), ('aNa@x.hr', 'email', 'live', 'all', 'first', 'p', '', 4)`,
	} {
		if _, err := db.ExecContext(ctx, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := Open(ctx, Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	due, err := s.Due(ctx, "sms", time.Now(), 9)
	if err != nil || len(due) != 1 {
		t.Fatalf("due %v, %v", due, err)
	}
	states, err := s.Load(ctx, due)
	if err != nil || len(states) != 1 || len(states[0].Attempts) != 1 || len(states[0].Suppressions) != 1 {
		t.Fatalf("states %+v, %v", states, err)
	}
	events, _, err := s.Events(ctx, "snd_1", "", 9)
	if err != nil || len(events) != 2 {
		t.Errorf("events %+v, %v", events, err)
	}
	states[0].Send.ID = "snd_2"
	facts, err := s.Facts(ctx, states, nil)
	want := survey.Past{SendID: "snd_1", Survey: "nps", Channel: survey.SMS, InvitedAt: moment(1763647200123456)}
	if past := facts["snd_2"].Past; err != nil || len(past) != 1 || past[0] != want {
		t.Errorf("past %+v, %v", past, err)
	}
	emails(t, s)
}

// emails looks at what was kept under several spellings of one address.
func emails(t *testing.T, s *Store) {
	t.Helper()
	ctx := t.Context()
	states, err := s.Load(ctx, []survey.Ref{{ID: "snd_3"}})
	if err != nil || len(states) != 1 {
		t.Fatalf("states %+v, %v", states, err)
	}
	st := states[0]
	if st.Send.Recipient.Email != "ana@x.hr" || st.Attempts[0].Address != "ana@x.hr" || len(st.Suppressions) != 1 || st.Suppressions[0].Reason != "first" {
		t.Errorf("state %+v", st)
	}
	if id, err := s.SendOfThread(ctx, survey.Live, survey.Email, "ana@x.hr"); err != nil || id != "snd_3" {
		t.Errorf("thread of %q, %v", id, err)
	}
	if id, err := s.SendOfThread(ctx, survey.Live, survey.Viber, "Vib=="); err != nil || id != "snd_1" {
		t.Errorf("thread of %q, %v", id, err)
	}
	rows, err := s.threads(ctx, []string{"ana@x.hr", "Ana@x.hr", "ANA@x.hr"})
	want := "I 7 snd_3 email nps \nI 5 snd_1 email nps \n"
	if err != nil || len(rows) != 1 || rows["ana@x.hr"][0].history != want {
		t.Errorf("threads %+v, %v", rows, err)
	}
}
