package sandbox_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nyaruka/phonenumbers"

	"github.com/odziv/odziv/channels"
	"github.com/odziv/odziv/channels/channeltest"
	"github.com/odziv/odziv/channels/sandbox"
	"github.com/odziv/odziv/survey"
)

// world is the store and the inbox.
type world struct {
	mu      sync.Mutex
	shown   []sandbox.Message
	reports []channels.Update
	err     error
}

func (w *world) PutSandboxMessage(_ context.Context, m sandbox.Message) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.shown = append(w.shown, m)
	return w.err
}

func (w *world) Report(ctx context.Context, sender string, u channels.Update) error {
	if ctx.Err() != nil || sender != "phone" {
		return errors.New("reported too late, or by another")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reports = append(w.reports, u)
	return nil
}

// said lists the reports: statuses and texts.
func (w *world) said() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for _, u := range w.reports {
		out = append(out, u.Type+" "+string(u.Status)+u.Text)
	}
	return out
}

func sender(t *testing.T, w *world, c survey.Channel) *sandbox.Channel {
	t.Helper()
	s, err := sandbox.New(sandbox.Config{Sender: "phone", Channel: c}, w, w, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestSend(t *testing.T) {
	t.Parallel()
	const delivered = "status delivered"
	tests := []struct {
		name    string
		to      []string
		locale  string
		kind    survey.Kind
		fault   string // "" = accepted
		shown   int
		atOnce  []string
		atLast  []string
		attempt int // 2 = the second try is looked at
	}{
		{"plain", []string{"+385911234567", "ana@example.hr", "01234567890A=", "+385915550000"}, "hr", survey.Invitation, "", 1, []string{delivered}, []string{delivered}, 1},
		{"bounced", []string{"+385915550001", "bounced@example.com", "Bounced@example.hr"}, "hr", survey.Invitation, "unreachable", 0, nil, nil, 1},
		{"slow", []string{"+385915550002", "slow@example.com"}, "hr", survey.Invitation, "", 1, nil, []string{delivered}, 1},
		{"opted out", []string{"+385915550003", "optedout@example.com"}, "hr", survey.Invitation, "opted_out", 0, nil, nil, 1},
		{"transient", []string{"+385915550004", "transient@example.com"}, "hr", survey.Invitation, "transient", 0, nil, nil, 1},
		{"transient again", []string{"+385915550004", "transient@example.com"}, "hr", survey.Invitation, "", 1, []string{delivered}, []string{delivered}, 2},
		{"uncertain", []string{"+385915550005", "uncertain@example.com"}, "hr", survey.Invitation, "unconfirmed", 1, nil, nil, 1},
		{"settled", []string{"+385915550006", "settled@example.com"}, "hr", survey.Invitation, "unconfirmed", 1, nil, []string{delivered}, 1},
		{"rejected", []string{"+385915550007", "rejected@example.com"}, "hr", survey.Invitation, "rejected", 0, nil, nil, 1},
		{"stop", []string{"+385915550008", "stop@example.com"}, "hr", survey.Invitation, "", 1, []string{delivered}, []string{delivered, "reply STOP"}, 1},
		{"score", []string{"+385915550109", "score9@example.com"}, "hr", survey.Invitation, "", 1, []string{delivered}, []string{delivered, "reply 9"}, 1},
		{"ten in Persian", []string{"+989125550110", "score10@example.ir"}, "fa", survey.Reminder, "", 1, []string{delivered}, []string{delivered, "reply ۱۰"}, 1},
		{"comment", []string{"+385915550100", "score0@example.com"}, "pl", survey.FollowupDetractor, "", 1, []string{delivered}, []string{delivered, "reply Przesyłka dotarła dzień wcześniej."}, 1},
		{"silent after thanks", []string{"+385915550100"}, "hr", survey.ThanksDetractor, "", 1, []string{delivered}, []string{delivered}, 1},
		{"no such part", []string{"+385915550009", "+385915550111", "score11@example.com", "score09@example.com", "score@example.com"}, "hr", survey.Invitation, "", 1, []string{delivered}, []string{delivered}, 1},
	}
	for _, tt := range tests {
		for _, to := range tt.to {
			t.Run(tt.name+" "+to, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					w := &world{}
					s := sender(t, w, survey.SMS)
					m := channels.Message{AttemptID: "att_1", SendID: "snd_1", Kind: tt.kind, To: to, Text: "?", Locale: tt.locale}
					var receipt channels.Receipt
					var err error
					for range tt.attempt {
						receipt, err = s.Send(t.Context(), m)
					}
					checkOutcome(t, receipt, err, tt.fault, to)
					if len(w.shown) != tt.shown {
						t.Errorf("%d messages are shown; want %d", len(w.shown), tt.shown)
					}
					if diff := cmp.Diff(tt.atOnce, w.said()); diff != "" {
						t.Errorf("reports at once differ (-want +got):\n%s", diff)
					}
					<-time.After(time.Minute)
					if diff := cmp.Diff(tt.atLast, w.said()); diff != "" {
						t.Errorf("reports at last differ (-want +got):\n%s", diff)
					}
				})
			})
		}
	}
}

func checkOutcome(t *testing.T, receipt channels.Receipt, err error, fault, to string) {
	t.Helper()
	if fault == "" {
		if err != nil || !strings.HasPrefix(receipt.ProviderID, survey.MessagePrefix) {
			t.Errorf("Send = %+v, %v", receipt, err)
		}
		return
	}
	e, ok := errors.AsType[*channels.Error](err)
	if !ok || e.Fault.String() != fault {
		t.Fatalf("Send = %v; want %s", err, fault)
	}
	if strings.Contains(to, "+") {
		channeltest.CheckError(t, err, to)
	}
}

func TestSendShows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		s := sender(t, w, survey.Viber)
		m := channels.Message{
			AttemptID: "att_1", SendID: "snd_1", Kind: survey.Invitation, To: "+385911234567", Subject: "s", Text: "t", HTML: "h",
			Buttons: []survey.Button{{Text: "9", Payload: "odz:snd_1:9"}}, Links: []string{"https://x"}, Locale: "fa", RTL: true,
			UnsubscribeURL: "https://u",
		}
		receipt, err := s.Send(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now().UTC()
		want := sandbox.Message{
			ID: receipt.ProviderID, SendID: "snd_1", AttemptID: "att_1", Kind: survey.Invitation, Channel: survey.Viber,
			Sender: "phone", To: m.To, Subject: "s", Text: "t", HTML: "h", Buttons: m.Buttons, Links: m.Links, Locale: "fa",
			RTL: true, UnsubscribeURL: "https://u", At: now,
		}
		if diff := cmp.Diff([]sandbox.Message{want}, w.shown); diff != "" {
			t.Errorf("message differs (-want +got):\n%s", diff)
		}
		report := channels.Update{
			Type: channels.StatusUpdate, Key: want.ID + ":delivered", ProviderID: want.ID, AttemptID: "att_1", SendID: "snd_1",
			Channel: survey.Viber, Status: survey.AttemptDelivered, From: m.To, At: now,
		}
		if diff := cmp.Diff([]channels.Update{report}, w.reports); diff != "" {
			t.Errorf("report differs (-want +got):\n%s", diff)
		}
	})
}

func TestSendStoreFails(t *testing.T) {
	t.Parallel()
	w := &world{err: errors.New("disk full")}
	_, err := sender(t, w, survey.SMS).Send(t.Context(), channels.Message{To: "+385911234567"})
	if e, ok := errors.AsType[*channels.Error](err); !ok || e.Fault != channels.Unconfirmed {
		t.Errorf("Send = %v; want unconfirmed", err)
	}
}

func TestCloseDropsAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		s := sender(t, w, survey.SMS)
		if _, err := s.Send(t.Context(), channels.Message{To: "+385915550002"}); err != nil {
			t.Fatal(err)
		}
		_ = s.Close()
		_ = s.Close()
		if _, err := s.Send(t.Context(), channels.Message{To: "+385915550109", Kind: survey.Invitation}); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Minute)
		if got := w.said(); len(got) != 1 {
			t.Errorf("reports after Close: %v", got)
		}
	})
}

func TestMagicPhonesAreValid(t *testing.T) {
	t.Parallel()
	for _, r := range sandbox.Magic() {
		n, err := phonenumbers.Parse(r.Phone, "")
		if err != nil || !phonenumbers.IsValidNumber(n) {
			t.Errorf("%s is no valid number: %v", r.Phone, err)
		}
		if r.Does == "" {
			t.Errorf("%s does nothing", r.Phone)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []survey.Channel{survey.Web, survey.Chat, "fax", ""} {
		if s, err := sandbox.New(sandbox.Config{Channel: c}, nil, nil, nil); err == nil {
			t.Errorf("New(%q) = %v", c, s)
		}
	}
}

func TestReply(t *testing.T) {
	t.Parallel()
	m := sandbox.Message{AttemptID: "att_1", SendID: "snd_1", Channel: survey.Viber, To: "+385911234567", Buttons: []survey.Button{
		{Text: "9", Payload: "odz:snd_1:9"}, {Text: "Da"}, {Text: "Otvori", URL: "https://x"},
	}}
	tests := []struct {
		name, text string
		button     int
		wantText   string
		wantButton string
		code       string
	}{
		{"typed", "۹", sandbox.Typed, "۹", "", ""},
		{"longest", strings.Repeat("a", 4000), sandbox.Typed, strings.Repeat("a", 4000), "", ""},
		{"tapped", "", 0, "9", "odz:snd_1:9", ""},
		{"tapped without payload", "", 1, "Da", "Da", ""},
		{"nothing", "", sandbox.Typed, "", "", "required"},
		{"too long", strings.Repeat("a", 4001), sandbox.Typed, "", "", "too_long"},
		{"broken", "\xff", sandbox.Typed, "", "", "invalid"},
		{"both", "9", 0, "", "", "conflict"},
		{"beyond", "", 3, "", "", "out_of_range"},
		{"below", "", -2, "", "", "out_of_range"},
		{"page", "", 2, "", "", "opens_page"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			u, err := sandbox.Reply(m, tt.text, tt.button)
			if tt.code != "" {
				if e, ok := errors.AsType[survey.InvalidError](err); !ok || e[0].Code != tt.code {
					t.Errorf("Reply = %v; want %s", err, tt.code)
				}
				return
			}
			want := channels.Update{
				Type: channels.ReplyUpdate, AttemptID: "att_1", SendID: "snd_1", Channel: survey.Viber, From: m.To,
				Text: tt.wantText, Button: tt.wantButton,
			}
			if diff := cmp.Diff(want, u); err != nil || diff != "" {
				t.Errorf("Reply: %v, differs (-want +got):\n%s", err, diff)
			}
		})
	}
}
