package console_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/web/console"
)

// An opsFake is what the operators' pages stand on, in memory.
type opsFake struct {
	mu      sync.Mutex
	lanes   []survey.LaneState
	groups  []survey.LetterCount
	letters []survey.Letter
	next    string
	asked   []survey.LetterFilter
	resumed []string
	replays []survey.LetterFilter
	ids     []string
	actor   string
	wakes   int
	fail    error
}

func (f *opsFake) ops() console.Ops {
	senders := []console.Sender{
		{Name: "mail", Channel: survey.Email, Driver: "smtp"},
		{Name: "sms", Channel: survey.SMS, Driver: "twilio"},
		{Name: "bot", Channel: survey.Viber, Driver: "viber-bot"},
	}
	return console.Ops{Lanes: f, Letters: f, Wake: func() { f.wakes++ }, Senders: senders}
}

func (f *opsFake) Lanes(context.Context) ([]survey.LaneState, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.lanes), f.fail
}

func (f *opsFake) Alarms(ctx context.Context) ([]survey.LaneState, error) {
	all, err := f.Lanes(ctx)
	return slices.DeleteFunc(all, func(l survey.LaneState) bool { return !l.Alarm() }), err
}

func (f *opsFake) Resume(_ context.Context, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.resumed, f.lanes = append(f.resumed, name), nil
	return nil
}

func (f *opsFake) Letters(_ context.Context, l survey.LetterFilter) ([]survey.Letter, string, error) {
	if l.Cursor == "x" {
		return nil, "", survey.InvalidError{{Pointer: "/cursor", Code: "invalid_value", Detail: "this is no cursor of this list"}}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, l)
	return f.letters, f.next, nil
}

func (f *opsFake) LetterSummary(context.Context, survey.LetterFilter) ([]survey.LetterCount, bool, error) {
	return f.groups, false, nil
}

func (f *opsFake) ReplayLetters(_ context.Context, l survey.LetterFilter, actor string, _ time.Duration) (int64, string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.replays, f.actor = append(f.replays, l), actor
	return 1204, "", nil
}

func (f *opsFake) ReplayIDs(_ context.Context, _ survey.Mode, ids []string, actor string) (int64, []string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ids, f.actor = ids, actor
	return int64(len(ids)), nil, nil
}

// trouble gives the fake senders in every state and dead letters of several causes.
func (f *opsFake) trouble(now time.Time) {
	f.lanes = []survey.LaneState{
		{Name: "sms", State: survey.LanePaused, Reason: "Twilio refuses its credentials", Code: "20003", Since: now.Add(-4 * time.Hour), Until: now.Add(11 * time.Minute), Pending: 10000, More: true, OldestDue: now.Add(-4 * time.Hour)},
		{Name: "bot", State: survey.LaneSlowed, Code: "12", Factor: 0.25, Pending: 12, OldestDue: now.Add(time.Hour), Since: now},
	}
	f.groups = []survey.LetterCount{
		{Reason: survey.ReasonMisconfigured, Sender: "sms", Fault: "misconfigured", Code: "20003", Count: 1204, First: now.Add(-5 * time.Hour), Last: now.Add(-time.Hour)},
		{Reason: survey.ReasonUncertain, Sender: "sms", Fault: "unconfirmed", Code: "timeout", Count: 3, First: now.Add(-50 * time.Hour), Last: now.Add(-26 * time.Hour)},
		{Reason: survey.ReasonRender, Count: 1, First: now.Add(-time.Hour), Last: now.Add(-time.Hour)},
	}
	for i, name := range []string{"Ana Kovačević", "Nejc Zupančič", "نگار رستمی", "<b>Marta</b>"} {
		f.letters = append(f.letters, survey.Letter{
			Send: survey.Send{
				ID: fmt.Sprintf("snd_%d", i), Mode: survey.Live, Survey: nps, Recipient: survey.Recipient{Name: name, Phone: fmt.Sprintf("+38591555%04d", i)},
				Transaction: survey.Transaction{ID: fmt.Sprintf("order-%d", 10023-i)}, Status: survey.Failed, Reason: f.groups[i%3].Reason,
				UpdatedAt: now.Add(-time.Duration(i) * time.Hour),
			},
			Sender: f.groups[i%3].Sender, Fault: f.groups[i%3].Fault, Code: f.groups[i%3].Code,
		})
	}
}

func TestAlarmsAreOnEveryPage(t *testing.T) {
	t.Parallel()
	app, f := newConsole(t)
	calm := get(t, app, "/console/messages")
	wantNot(t, calm, `class="alarms"`)
	f.ops.trouble(f.now)
	f.addSends()
	for _, path := range []string{"/console/messages", hrSMS, "/console/sends", "/console/sends/snd_0", "/console/publish/" + nps, "/console/letters", "/console/nothing"} {
		a := get(t, app, path)
		for _, w := range []string{`role="alert"`, "Sender <bdi>sms</bdi> is paused:", "Twilio refuses its credentials", `(<span class="mono">20003</span>)`, ">10:32</time>", `href="/console/senders#sms"`} {
			if !strings.Contains(a.body, w) {
				t.Errorf("%s is without %q", path, w)
			}
		}
		wantNot(t, a, "<bdi>bot</bdi> is")
	}
	wantNot(t, do(t, app, request{path: "/console/sign-in"}), "Twilio") // not before the door
	f.ops.fail = errors.New("Redis is away")
	want(t, get(t, app, "/console/messages"), 200, "Messages")
}

func TestSendersPage(t *testing.T) {
	t.Parallel()
	app, f := newConsole(t)
	want(t, get(t, app, "/console/senders"), 200, "mail", "Well", "nothing")
	wantNot(t, get(t, app, "/console/senders"), "Try again now")
	f.ops.trouble(f.now)
	a := get(t, app, "/console/senders")
	want(t, a, 200, `id="sms"`, "Paused", "Twilio refuses its credentials", "more than 10,000", "late", "Slowed · 25 % of its rate", "Email · smtp",
		`action="/console/senders/sms/resume"`)
	wantNot(t, a, `class="alarms"`, `/console/senders/bot/resume`)
	if strings.Index(a.body, "<b class=\"clip\"><bdi>sms") > strings.Index(a.body, "<b class=\"clip\"><bdi>mail") {
		t.Error("trouble is not first")
	}
	if got := do(t, app, request{path: "/console/senders/sms/resume", form: url.Values{"csrf": {"x"}}, cookie: goodToken}); got.status != 403 {
		t.Errorf("a foreign form: %d", got.status)
	}
	want(t, post(t, app, "/console/senders/nobody/resume"), 404)
	if len(f.ops.resumed) > 0 {
		t.Fatal("resumed")
	}
	got := post(t, app, "/console/senders/sms/resume")
	if got.status != 303 || !slices.Equal(f.ops.resumed, []string{"sms"}) {
		t.Errorf("%d, resumed %v", got.status, f.ops.resumed)
	}
	want(t, get(t, app, got.header.Get("Location")), 200, "Sender sms is tried again now.")
	wantNot(t, get(t, app, "/console/senders?resumed=%3Cscript%3E"), "tried again")
}

func TestLettersPage(t *testing.T) {
	t.Parallel()
	app, f := newConsole(t)
	want(t, get(t, app, "/console/letters"), 200, "Nothing is dead.")
	f.ops.trouble(f.now)
	f.ops.next = "snd_3"
	a := get(t, app, "/console/letters")
	want(t, a, 200, "1,208", "Misconfigured", "1,204", "Replay 1,204", "none was tried", "&lt;b&gt;Marta&lt;/b&gt;", `name="id" value="snd_0"`, "cursor=snd_3")
	wantNot(t, a, `value="uncertain"`)                                               // no button for what may have been delivered
	want(t, get(t, app, "/console/letters?cursor=x"), 200, "1,208", "Misconfigured") // an address that was changed by hand: no letters
	a = get(t, app, "/console/letters?reason=uncertain&sender=sms&fault=unconfirmed&code=timeout&cursor=snd_9")
	want(t, a, 200, "Ask the provider", "code=timeout", `aria-selected="true"`)
	asked := f.ops.asked[len(f.ops.asked)-1]
	filter := survey.LetterFilter{Reason: survey.ReasonUncertain, Sender: "sms", Fault: "unconfirmed", Code: "timeout", Exact: true, Cursor: "snd_9", Limit: 50}
	if d := cmp.Diff(filter, asked); d != "" {
		t.Error(d)
	}
}

func TestReplayFromTheConsole(t *testing.T) {
	t.Parallel()
	app, f := newConsole(t)
	f.ops.trouble(f.now)
	got := post(t, app, "/console/letters/replay", "what", "class", "reason", "misconfigured", "sender", "sms", "fault", "misconfigured", "code", "20003")
	class := survey.LetterFilter{Reason: survey.ReasonMisconfigured, Sender: "sms", Fault: "misconfigured", Code: "20003", Exact: true}
	if d := cmp.Diff([]survey.LetterFilter{class}, f.ops.replays); got.status != 303 || f.ops.actor != "usr_1" || f.ops.wakes != 1 || d != "" {
		t.Errorf("%d, actor %q, woken %d times\n%s", got.status, f.ops.actor, f.ops.wakes, d)
	}
	want(t, get(t, app, got.header.Get("Location")), 200, "1,204 sends are due again.")
	post(t, app, "/console/letters/replay", "what", "class", "reason", "uncertain", "sender", "sms")
	post(t, app, "/console/letters/replay", "what", "class")
	post(t, app, "/console/letters/replay", "what", "chosen")
	if len(f.ops.replays) != 1 || f.ops.ids != nil {
		t.Errorf("replayed %+v %v", f.ops.replays, f.ops.ids)
	}
	form := url.Values{"csrf": {goodCSRF}, "what": {"chosen"}, "id": {"snd_1", "snd_2"}}
	a := do(t, app, request{path: "/console/letters/replay", form: form, cookie: goodToken})
	if a.status != 303 || !slices.Equal(f.ops.ids, []string{"snd_1", "snd_2"}) {
		t.Errorf("%d, ids %v", a.status, f.ops.ids)
	}
	want(t, get(t, app, "/console/letters?replayed=1&refused=1"), 200, "1 send is due again. The others were no dead letters any more.")
	wantNot(t, get(t, app, "/console/letters?replayed=x"), "due again")
}
