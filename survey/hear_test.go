package survey_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/odziv/odziv/survey"
)

// invited is a send whose SMS was taken.
func invited(t *testing.T) *survey.State {
	t.Helper()
	s := newState()
	s.Send.Plan = s.Send.Plan[1:2]
	s.Send.Lane = "sms"
	claim(t, s, "a", noon)
	finish(t, s, "a", survey.Result{ProviderID: "p"}, noon)
	return s
}

func reply(t *testing.T, s *survey.State, n int, text string) {
	t.Helper()
	r := survey.Reply{InboundID: fmt.Sprint("inb_", n), Channel: survey.SMS, Sender: "sms", Address: "+385911234567", Text: text}
	if err := survey.Hear(s, nps(t), r, ids(), false, noon); err != nil {
		t.Fatal(err)
	}
}

func TestConversation(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		replies  []string
		score    int // -1: none
		segment  survey.Segment
		comment  string
		status   survey.Status
		complete bool
		kind     survey.Kind // said last, "" when the invitation
	}{
		{"score, then why, then thanks", []string{"9", "brza dostava"}, 9, survey.Promoter, "brza dostava", survey.Completed, true, survey.ThanksPromoter},
		{"a word", []string{"devet"}, 9, survey.Promoter, "", survey.Answered, false, survey.FollowupPromoter},
		{"persian digits", []string{"۴"}, 4, survey.Detractor, "", survey.Answered, false, survey.FollowupDetractor},
		{"score and why at once", []string{"7 jer su spori"}, 7, survey.Passive, "jer su spori", survey.Completed, true, survey.ThanksPassive},
		{"unclear: asked once", []string{"8-9"}, -1, "", "", survey.Delivered, false, survey.Clarify},
		{"unclear, then clear", []string{"8-9", "8"}, 8, survey.Passive, "", survey.Answered, false, survey.FollowupPassive},
		{"unclear twice: silence", []string{"8-9", "ne znam"}, -1, "", "", survey.Delivered, false, survey.Clarify},
		{"the same score twice", []string{"9", "9"}, 9, survey.Promoter, "", survey.Answered, false, survey.FollowupPromoter},
		{"after the thanks: silence", []string{"9", "super", "bok", "10"}, 9, survey.Promoter, "super", survey.Completed, true, survey.ThanksPromoter},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := invited(t)
			for i, text := range tt.replies {
				reply(t, s, i, text)
			}
			score, segment, comment, complete := -1, survey.Segment(""), "", false
			if r := s.Response; r != nil {
				score, segment, complete = r.Score, r.Segment, r.Complete
				for _, a := range r.Answers {
					if a.Question == survey.QuestionComment {
						comment = a.Text
					}
				}
			}
			if score != tt.score || segment != tt.segment || comment != tt.comment || complete != tt.complete || s.Send.Status != tt.status || s.Send.Kind != tt.kind {
				t.Errorf("got %d %s %q complete=%t, %s, last %s; want %d %s %q complete=%t, %s, last %s", score, segment, comment, complete,
					s.Send.Status, s.Send.Kind, tt.score, tt.segment, tt.comment, tt.complete, tt.status, tt.kind)
			}
		})
	}
}

func TestReplyIsTakenInOnce(t *testing.T) {
	t.Parallel()
	s := invited(t)
	reply(t, s, 1, "9")
	events, said := len(s.Events), s.Send.Thread.Said
	reply(t, s, 1, "9")
	if len(s.Events) != events || s.Send.Thread.Said != said {
		t.Errorf("the same raw record changed the send")
	}
}

// A STOP in any language ends everything and is confirmed once.
func TestLaw07StopWins(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"STOP", "stop.", "Odjava", "ОДЈАВА", "wypisz", "لغو", "لغو۱۱", "unsubscribe"} {
		t.Run(word, func(t *testing.T) {
			t.Parallel()
			s := newState()
			reply(t, s, 1, word)
			if s.Send.Status != survey.Suppressed || s.Send.Reason != survey.ReasonOptedOut || s.Send.Kind != survey.OptOut || s.Send.Lane != "sms" {
				t.Fatalf("%s, %s, says %s in lane %q; want suppressed, opted_out, optout, sms", s.Send.Status, s.Send.Reason, s.Send.Kind, s.Send.Lane)
			}
			claim(t, s, "a", noon)
			finish(t, s, "a", survey.Result{}, noon)
			reply(t, s, 2, word)
			if s.Send.Lane != "" {
				t.Errorf("confirmed twice")
			}
			reply(t, s, 3, "9")
			if s.Response != nil || s.Send.Lane != "" {
				t.Errorf("a reply after STOP was answered")
			}
		})
	}
}

// A STOP is confirmed when the replies have used up their budget, and who goes on leaving and coming back is no way out of it.
func TestLaw07StopIsConfirmedBeyondTheBudget(t *testing.T) {
	t.Parallel()
	s := invited(t)
	for i, n := range []int{9, 2, 8, 3} {
		r := survey.Reply{
			InboundID: fmt.Sprint("inb_", i), Channel: survey.SMS, Sender: "sms", Address: "+385911234567", Button: survey.Payload("snd_1", n),
		}
		if err := survey.Hear(s, nps(t), r, ids(), false, noon); err != nil {
			t.Fatal(err)
		}
	}
	reply(t, s, 4, "STOP")
	if s.Send.Kind != survey.OptOut || s.Send.Lane != "sms" {
		t.Fatalf("says %s in lane %q after %d messages; want optout, sms", s.Send.Kind, s.Send.Lane, s.Send.Thread.Said)
	}
	claim(t, s, "o", noon)
	finish(t, s, "o", survey.Result{}, noon)
	for i := range 20 {
		reply(t, s, 5+2*i, "START")
		reply(t, s, 6+2*i, "STOP")
		if s.Send.Thread.Said > 5 || s.Send.Lane != "" || len(s.Suppressions) != 1 {
			t.Fatalf("said %d messages, lane %q, %d suppressions; want at most 5, none, 1", s.Send.Thread.Said, s.Send.Lane, len(s.Suppressions))
		}
	}
}

// Of a survey that is not installed any more STOP and START count, and all else is kept.
func TestHearWithoutSurvey(t *testing.T) {
	t.Parallel()
	s := invited(t)
	for i, text := range []string{"0", "STOP", "START"} {
		r := survey.Reply{InboundID: fmt.Sprint("inb_", i), Channel: survey.SMS, Sender: "sms", Address: "+385911234567", Text: text}
		if err := survey.Hear(s, survey.Survey{}, r, ids(), false, noon); err != nil {
			t.Fatal(err)
		}
		if left := len(s.Suppressions) > 0; left != (text == "STOP") || s.Response != nil || s.Send.Thread.Said > i {
			t.Errorf("after %s: suppressed %t, response %v, said %d", text, left, s.Response, s.Send.Thread.Said)
		}
	}
	if s.Send.Status != survey.Suppressed || s.Send.Reason != survey.ReasonOptedOut || s.Send.Kind != survey.OptOut {
		t.Errorf("%s, %s, says %s; want suppressed, opted_out, optout", s.Send.Status, s.Send.Reason, s.Send.Kind)
	}
}

func TestLaw07StopBeatsAClaim(t *testing.T) {
	t.Parallel()
	s := newState() // loaded and decided by a worker, and then the person leaves
	s.Suppressions = []survey.Suppression{{Mode: survey.Live, Channel: survey.Email, Address: "ana@example.hr", Scope: survey.ScopeAll, Reason: "one_click"}}
	claim(t, s, "a", noon)
	if len(s.Attempts) != 0 || s.Send.Status != survey.Suppressed {
		t.Errorf("%d attempts, %s; want 0, suppressed", len(s.Attempts), s.Send.Status)
	}
}

func TestLaw08WeNeverLoop(t *testing.T) {
	t.Parallel()
	s := invited(t)
	for i := range 50 { // another robot
		reply(t, s, i, fmt.Sprintf("Automatski odgovor %d-%d", i, i+1))
	}
	if s.Response != nil || s.Send.Thread.Said > 1 {
		t.Errorf("said %d messages to a robot", s.Send.Thread.Said)
	}
	s = invited(t)
	for i := range 50 {
		reply(t, s, i, fmt.Sprint(i%11))
	}
	if s.Send.Thread.Said > 4 {
		t.Errorf("said %d messages to somebody who sends numbers", s.Send.Thread.Said)
	}
	s = invited(t)
	for i := range 50 {
		r := survey.Reply{
			InboundID: fmt.Sprint("inb_", i), Channel: survey.SMS, Sender: "sms", Address: "+385911234567", Button: survey.Payload("snd_1", i%11),
		}
		if err := survey.Hear(s, nps(t), r, ids(), false, noon); err != nil {
			t.Fatal(err)
		}
	}
	if s.Send.Thread.Said > 4 || s.Response.Score != 49%11 {
		t.Errorf("said %d messages to somebody who taps, score %d; want at most 4, %d", s.Send.Thread.Said, s.Response.Score, 49%11)
	}
	s = invited(t)
	for i, text := range []string{"8-9", "ne znam", "možda 8-9"} {
		reply(t, s, i, text)
	}
	if s.Send.Thread.Said != 1 {
		t.Errorf("asked %d times what was meant; want once", s.Send.Thread.Said)
	}
}

func TestStartLiftsOnlyAStop(t *testing.T) {
	t.Parallel()
	s := invited(t)
	reply(t, s, 1, "STOP")
	reply(t, s, 2, "START")
	if len(s.Suppressions) != 0 || len(s.Lift) != 1 {
		t.Errorf("%d suppressions, %d lifted; want 0, 1", len(s.Suppressions), len(s.Lift))
	}
	s = invited(t)
	s.Suppressions = []survey.Suppression{{Channel: survey.SMS, Address: "+385911234567", Scope: survey.ScopeAll, Reason: "complaint"}}
	reply(t, s, 1, "START")
	if len(s.Suppressions) != 1 {
		t.Errorf("a complaint was lifted by a word")
	}
}

func TestAnswerPage(t *testing.T) {
	t.Parallel()
	answer := func(s *survey.State, n int, now time.Time) error {
		return survey.AnswerPage(s, nps(t), survey.Answer{Question: survey.QuestionScore, Value: &n, Text: fmt.Sprint(n)}, ids(), now)
	}
	s := invited(t)
	if err := answer(s, 3, noon); err != nil {
		t.Fatal(err)
	}
	if err := answer(s, 10, noon); err != nil {
		t.Fatal(err)
	}
	if s.Response.Score != 10 || len(s.Response.Answers) != 1 || s.Send.Status != survey.Answered {
		t.Errorf("score %d, %d answers, %s; want 10, 1, answered", s.Response.Score, len(s.Response.Answers), s.Send.Status)
	}
	for _, bad := range []int{-1, 11} {
		if err := answer(s, bad, noon); err == nil {
			t.Errorf("%d was taken", bad)
		}
	}
	if err := answer(s, 5, s.Send.ExpiresAt); err == nil {
		t.Errorf("an answer after the end was taken")
	}
}

func TestOf(t *testing.T) {
	t.Parallel()
	s := invited(t)
	if !s.Of(survey.SMS, "+385911234567") || s.Of(survey.SMS, "+385911234568") || s.Of(survey.Viber, "+385911234567") || s.Of(survey.SMS, "") {
		t.Error("whose send it is was told wrong")
	}
}

// An answer counts whatever became of the send, and its outcome stays.
func TestLaw02AnswersDoNotChangeAnOutcome(t *testing.T) {
	t.Parallel()
	for _, final := range []survey.Status{survey.Failed, survey.Suppressed} {
		s := invited(t)
		s.Send.Status = final
		n := 3
		if err := survey.AnswerPage(s, nps(t), survey.Answer{Question: survey.QuestionScore, Value: &n, Text: "3"}, ids(), noon); err != nil {
			t.Fatal(err)
		}
		if err := survey.AnswerPage(s, nps(t), survey.Answer{Question: survey.QuestionComment, Text: "spori"}, ids(), noon); err != nil {
			t.Fatal(err)
		}
		if s.Send.Status != final || !s.Response.Complete || s.Response.Score != 3 {
			t.Errorf("%s became %s; response %+v", final, s.Send.Status, s.Response)
		}
	}
}

func TestRepliesAfterTheEndAreKeptOnly(t *testing.T) {
	t.Parallel()
	s := invited(t)
	s.Send.ExpiresAt = noon
	reply(t, s, 1, "9")
	if s.Response != nil || s.Send.Lane != "" {
		t.Error("a reply after the end was answered")
	}
	reply(t, s, 2, "STOP")
	if s.Send.Kind != survey.OptOut || s.Send.Lane == "" {
		t.Error("a STOP after the end was not heard")
	}
}

// A step that comes too late does not undo one that reached a provider in time.
func TestLateStepLeavesTheSendAsItIs(t *testing.T) {
	t.Parallel()
	s := newState()
	claim(t, s, "a", noon)
	finish(t, s, "a", survey.Result{ProviderID: "p"}, noon)
	late := s.Send.ExpiresAt
	if err := survey.Settle(s, "sms", s.Send.Epoch, survey.Decide(s, survey.Facts{}, survey.Policy{}, late), late); err != nil {
		t.Fatal(err)
	}
	if s.Send.Status != survey.Sent || s.Send.Lane != "" {
		t.Errorf("%s in lane %q; want sent, none", s.Send.Status, s.Send.Lane)
	}
}

// Words to a send that has asked nothing yet do not take the place of its invitation.
func TestReplyBeforeTheInvitation(t *testing.T) {
	t.Parallel()
	s := newState()
	s.Send.Plan, s.Send.Lane = s.Send.Plan[1:2], "sms"
	claim(t, s, "a", noon)
	finish(t, s, "a", survey.Result{Fault: survey.FaultTransient, Backoff: time.Minute}, noon)
	due := s.Send.DueAt
	reply(t, s, 1, "tko je to?")
	if s.Send.Lane != "sms" || s.Send.Kind != survey.Invitation || !s.Send.DueAt.Equal(due) {
		t.Errorf("%s is due in lane %q at %s; want the invitation in sms at %s", s.Send.Kind, s.Send.Lane, s.Send.DueAt, due)
	}
	if r := s.Events[len(s.Events)-1]; r.Type != "reply.kept" {
		t.Errorf("the last event is %s", r.Type)
	}
}
