package store_test

import (
	"testing"

	"github.com/odziv/odziv/store"
	"github.com/odziv/odziv/store/storetest"
	"github.com/odziv/odziv/survey"
)

// ofTest makes a send one of mode test.
func ofTest(m survey.Send) survey.Send {
	m.Mode = survey.Test
	m.ContactID = survey.ContactID(survey.Test, m.Recipient)
	return m
}

// What came to live senders is of nobody of mode test, whatever address it holds.
func TestContactsOfTestHaveNoLiveInbound(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		tried := accept(t, s, ofTest(to(1, survey.Recipient{Phone: anaPhone})))[0].Send
		_, err := s.Apply(ctx, tried.ID, func(st *survey.State) error {
			st.Attempts = append(st.Attempts, survey.Attempt{Kind: survey.Invitation, Channel: survey.SMS, Sender: "lab", Address: anaPhone, At: t0})
			return nil
		})
		must(t, err)
		for _, sender := range []string{"sms", "lab"} {
			_, err := s.PutInbound(ctx, survey.Inbound{ID: "inb_" + sender, Sender: sender, Mode: survey.Live, Key: sender, Body: []byte("From=%2B385911234567&Body=STOP"), At: t0})
			must(t, err)
		}
		d, err := s.ExportContact(ctx, survey.Test, tried.ContactID)
		must(t, err)
		if len(d.Inbound) != 1 || d.Inbound[0].ID != "inb_lab" {
			t.Errorf("exported %+v", d.Inbound)
		}
		done, err := s.EraseContact(ctx, survey.Test, tried.ContactID, "key_test", t0)
		must(t, err)
		if done.Inbound != 1 {
			t.Errorf("erased %+v", done)
		}
	})
}

// A try with somebody's phone in mode test does not keep the phone from being erased in mode live.
func TestEraseContactKnownInTestToo(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		live := accept(t, s, to(1, survey.Recipient{Phone: anaPhone}))[0].Send
		accept(t, s, ofTest(to(2, survey.Recipient{Phone: anaPhone})))
		must(t, s.Suppress(ctx, survey.Suppression{Mode: survey.Live, Channel: survey.SMS, Address: anaPhone, Reason: "stop"}))
		_, err := s.PutInbound(ctx, survey.Inbound{ID: "inb_1", Sender: "sms", Mode: survey.Live, Key: "1", Body: []byte("From=%2B385911234567"), At: t0})
		must(t, err)
		done, err := s.EraseContact(ctx, survey.Live, live.ContactID, "usr_1", t0)
		must(t, err)
		if left, err := s.SuppressionsOf(ctx, survey.Live, []string{anaPhone}); err != nil || len(left) > 0 || done.Suppressions != 1 || done.Inbound != 1 {
			t.Errorf("erased %+v, in clear %+v, %v", done, left, err)
		}
	})
}
