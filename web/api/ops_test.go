package api

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/odziv/odziv/survey"
)

const (
	idA = "snd_01KAH3Q9V2J8T5N4E6R7W0XYZA"
	idB = "snd_01KAH3Q9V2J8T5N4E6R7W0XYZB"
)

// opsFake remembers what it was asked for.
type opsFake struct {
	mu      sync.Mutex
	cancels []survey.CancelFilter
	lists   []survey.LetterFilter
	replays []survey.LetterFilter
	ids     []string
	actor   string
	resumed []string
	more    bool // work is left
	fail    error
	lanes   []survey.LaneState
}

func (f *opsFake) ops() Ops { return Ops{Bulk: f, Letters: f, Lanes: f} }

func (f *opsFake) CancelMany(_ context.Context, c survey.CancelFilter, actor string, budget time.Duration) (int64, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cancels, f.actor = append(f.cancels, c), actor
	if budget <= 0 || budget > 12*time.Second {
		return 0, false, errors.New("budget")
	}
	return 7, f.more, f.fail
}

func (f *opsFake) CountPending(_ context.Context, c survey.CancelFilter) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cancels = append(f.cancels, c)
	return 9, f.fail
}

func (f *opsFake) Letters(_ context.Context, l survey.LetterFilter) ([]survey.Letter, string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lists = append(f.lists, l)
	return []survey.Letter{{
		Send: survey.Send{
			ID: idA, Survey: "nps-after-purchase", Reason: survey.ReasonAttempts, ContactID: "con_1", Transaction: survey.Transaction{ID: "order-1"},
			CreatedAt: noon, UpdatedAt: noon.Add(time.Hour), Recipient: survey.Recipient{Name: "Ana", Phone: "+385911234567"},
		},
		Sender: "sms", Fault: "transient", Code: "500",
	}}, "next", f.fail
}

func (f *opsFake) LetterSummary(_ context.Context, l survey.LetterFilter) ([]survey.LetterCount, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lists = append(f.lists, l)
	return []survey.LetterCount{
		{Reason: survey.ReasonAttempts, Sender: "sms", Fault: "transient", Code: "500", Count: 3, First: noon, Last: noon},
		{Reason: survey.ReasonRender, Count: 1, First: noon, Last: noon},
	}, f.more, f.fail
}

func (f *opsFake) ReplayLetters(_ context.Context, l survey.LetterFilter, actor string, _ time.Duration) (int64, string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.replays, f.actor = append(f.replays, l), actor
	if f.more {
		return 5, idB, f.fail
	}
	return 5, "", f.fail
}

func (f *opsFake) ReplayIDs(_ context.Context, _ survey.Mode, ids []string, actor string) (int64, []string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ids, f.actor = ids, actor
	return int64(len(ids)) - 1, ids[len(ids)-1:], f.fail
}

func (f *opsFake) Lanes(context.Context) ([]survey.LaneState, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.lanes), f.fail
}

func (f *opsFake) Resume(_ context.Context, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.resumed, f.lanes = append(f.resumed, name), nil
	return nil
}

// newOps is a rig whose operations are f's.
func newOps(t *testing.T) (*rig, *opsFake) {
	t.Helper()
	f := new(opsFake)
	return newRig(t, func(c *Config) { c.Ops = f.ops() }), f
}

func TestCancelMany(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, query, body string
		more              bool
		status            int
		answer            string
		filter            survey.CancelFilter
	}{
		{
			"survey", "", `{"survey":"nps-after-purchase"}`, false, 200, `{"cancelled":7,"more":false}`,
			survey.CancelFilter{Mode: survey.Live, Survey: "nps-after-purchase"},
		},
		{
			"more", "", `{"survey":"nps-after-purchase"}`, true, 202, `{"cancelled":7,"more":true}`,
			survey.CancelFilter{Mode: survey.Live, Survey: "nps-after-purchase"},
		},
		{
			"all members", "", `{"transaction_type":"order.delivered","touchpoint":"delivery","created_before":"2026-11-20T14:00:00Z","ids":["` + idA + `"]}`,
			false, 200, `{"cancelled":7,"more":false}`,
			survey.CancelFilter{
				Mode: survey.Live, TransactionType: "order.delivered", Touchpoint: "delivery", CreatedBefore: time.Date(2026, 11, 20, 14, 0, 0, 0, time.UTC),
				IDs: []string{idA},
			},
		},
		{
			"dry run", "?dry_run=true", `{"touchpoint":"delivery"}`, false, 200, `{"dry_run":true,"matching":9}`,
			survey.CancelFilter{Mode: survey.Live, Touchpoint: "delivery"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, f := newOps(t)
			f.more = tt.more
			got := r.call(t, "POST", "/v1/sends/cancel"+tt.query, tt.body)
			if got.status != tt.status || got.body != tt.answer {
				t.Errorf("%d %s", got.status, got.body)
			}
			if d := cmp.Diff([]survey.CancelFilter{tt.filter}, f.cancels); d != "" {
				t.Error(d)
			}
			if tt.query == "" && f.actor != "key_bootstrap" {
				t.Errorf("actor %q", f.actor)
			}
		})
	}
}

// What is wrong is refused with its place, and nothing is asked of the store.
func TestOpsRefuse(t *testing.T) {
	t.Parallel()
	many := `["` + strings.Repeat(idA+`","`, 1000) + idA + `"]`
	tests := []struct{ name, method, path, body, code, pointer string }{
		{"cancel nothing", "POST", "/v1/sends/cancel", `{}`, "missing_member", ""},
		{"cancel null", "POST", "/v1/sends/cancel", `null`, "missing_member", ""},
		{"cancel by no id", "POST", "/v1/sends/cancel", `{"ids":[]}`, "missing_member", "/ids"},
		{"cancel by a wrong id", "POST", "/v1/sends/cancel", `{"ids":["` + idA + `","x"]}`, "invalid_value", "/ids/1"},
		{"cancel too many", "POST", "/v1/sends/cancel", `{"ids":` + many + `}`, "too_many", "/ids"},
		{"cancel an unknown survey", "POST", "/v1/sends/cancel", `{"survey":"nps"}`, "unknown_survey", "/survey"},
		{"cancel misspelt", "POST", "/v1/sends/cancel", `{"touchpont":"x"}`, "unknown_member", "/touchpont"},
		{"cancel at no time", "POST", "/v1/sends/cancel", `{"created_before":"yesterday"}`, "invalid_time", "/created_before"},
		{"cancel without JSON", "POST", "/v1/sends/cancel", `{`, "invalid_json", ""},
		{"cancel half dry", "POST", "/v1/sends/cancel?dry_run=1", `{"survey":"nps-after-purchase"}`, "bad_request", ""},
		{"letters of a wrong reason", "GET", "/v1/dead-letters?reason=cooldown", "", "bad_request", ""},
		{"letters since a wrong time", "GET", "/v1/dead-letters?since=monday", "", "bad_request", ""},
		{"letters by a wrong word", "GET", "/v1/dead-letters?reasn=uncertain", "", "bad_request", ""},
		{"summary with a cursor", "GET", "/v1/dead-letters/summary?cursor=x", "", "bad_request", ""},
		{"replay nothing", "POST", "/v1/dead-letters/replay", `{}`, "missing_member", ""},
		{"replay a cursor alone", "POST", "/v1/dead-letters/replay", `{"cursor":"` + idA + `"}`, "missing_member", ""},
		{"replay by no id", "POST", "/v1/dead-letters/replay", `{"ids":[]}`, "missing_member", "/ids"},
		{"replay both", "POST", "/v1/dead-letters/replay", `{"ids":["` + idA + `"],"sender":"sms"}`, "invalid_value", "/ids"},
		{"replay what may have arrived", "POST", "/v1/dead-letters/replay", `{"reason":"uncertain"}`, "invalid_value", "/reason"},
		{"replay what is not dead", "POST", "/v1/dead-letters/replay", `{"reason":"cooldown"}`, "invalid_value", "/reason"},
		{"resume nobody", "POST", "/v1/senders/nobody/resume", "", "not_found", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, f := newOps(t)
			got := r.call(t, tt.method, tt.path, tt.body)
			p := got.problem(t)
			pointer := ""
			if len(p.Errors) > 0 {
				pointer = p.Errors[0].Pointer
			}
			if p.Code != tt.code || pointer != tt.pointer {
				t.Errorf("%d %s at %q: %s; want %s at %q", got.status, p.Code, pointer, p.Detail, tt.code, tt.pointer)
			}
			if len(f.cancels)+len(f.lists)+len(f.replays)+len(f.ids)+len(f.resumed) > 0 {
				t.Error("the store was asked")
			}
		})
	}
}

func TestLetters(t *testing.T) {
	t.Parallel()
	r, f := newOps(t)
	got := r.call(t, "GET", "/v1/dead-letters?reason=uncertain&sender=sms&survey=s&fault=transient&code=500&since=2026-11-20T14:00:00Z&cursor="+idA+"&limit=7", "")
	want := `{"items":[{"send_id":"` + idA + `","survey":"nps-after-purchase","contact_id":"con_1","transaction_id":"order-1","reason":"attempts_exhausted",` +
		`"sender":"sms","fault":"transient","code":"500","created_at":"2026-11-20T14:05:00Z","failed_at":"2026-11-20T15:05:00Z"}],"next":"next"}`
	if got.status != 200 || got.body != want {
		t.Errorf("%d %s", got.status, got.body)
	}
	filter := survey.LetterFilter{
		Mode: survey.Live, Reason: survey.ReasonUncertain, Sender: "sms", Survey: "s", Fault: "transient", Code: "500",
		Since: time.Date(2026, 11, 20, 14, 0, 0, 0, time.UTC), Cursor: idA, Limit: 7,
	}
	if d := cmp.Diff([]survey.LetterFilter{filter}, f.lists); d != "" {
		t.Error(d)
	}
	got = r.call(t, "GET", "/v1/dead-letters/summary", "", "Authorization", "Bearer "+r.key(t, survey.Test, "sends:read"))
	var sum struct {
		Items []letterCountView
		Total int
		More  *bool
	}
	if err := json.Unmarshal([]byte(got.body), &sum); err != nil {
		t.Fatal(err)
	}
	if sum.Total != 4 || len(sum.Items) != 2 || sum.More == nil || f.lists[1].Mode != survey.Test {
		t.Errorf("%s, %+v", got.body, f.lists[1])
	}
}

func TestReplayLetters(t *testing.T) {
	t.Parallel()
	r, f := newOps(t)
	got := r.call(t, "POST", "/v1/dead-letters/replay", `{"ids":["`+idA+`","`+idB+`"]}`)
	if want := `{"replayed":1,"refused":["` + idB + `"],"more":false}`; got.status != 200 || got.body != want || r.wakes != 1 {
		t.Errorf("%d %s, woken %d times", got.status, got.body, r.wakes)
	}
	f.more = true
	got = r.call(t, "POST", "/v1/dead-letters/replay", `{"sender":"sms","reason":"misconfigured","code":"20003","survey":"nps-after-purchase","cursor":"`+idA+`"}`)
	if want := `{"replayed":5,"more":true,"cursor":"` + idB + `"}`; got.status != 202 || got.body != want {
		t.Errorf("%d %s", got.status, got.body)
	}
	want := survey.LetterFilter{
		Mode: survey.Live, Sender: "sms", Reason: survey.ReasonMisconfigured, Code: "20003", Survey: "nps-after-purchase", Cursor: idA,
	}
	if d := cmp.Diff([]survey.LetterFilter{want}, f.replays); d != "" || f.actor != "key_bootstrap" {
		t.Error(f.actor, d)
	}
}

func TestSenders(t *testing.T) {
	t.Parallel()
	r, f := newOps(t)
	f.lanes = []survey.LaneState{{
		Name: "sms", State: survey.LanePaused, Reason: "Twilio refuses its credentials", Code: "20003", Since: noon, Until: noon.Add(time.Minute),
		Pending: 10000, More: true, OldestDue: noon.Add(-time.Hour),
	}}
	phone := `{"name":"phone","channel":"sms","driver":"sandbox","state":"ok","factor":1,"pending":0,"pending_more":false}`
	want := `{"items":[{"name":"sms","channel":"sms","driver":"twilio","state":"paused","reason":"Twilio refuses its credentials","code":"20003",` +
		`"since":"2026-11-20T14:05:00Z","until":"2026-11-20T14:06:00Z","factor":0,"pending":10000,"pending_more":true,"oldest_due":"2026-11-20T13:05:00Z"},` + phone + `]}`
	if got := r.call(t, "GET", "/v1/senders", ""); got.body != want {
		t.Errorf("%d %s", got.status, got.body)
	}
	test := r.key(t, survey.Test, "sends:read", "sends:write")
	if got := r.call(t, "GET", "/v1/senders", "", "Authorization", "Bearer "+test); got.body != `{"items":[`+phone+`]}` {
		t.Errorf("with a test key: %d %s", got.status, got.body)
	}
	// Law 11: a test key wakes no real sender.
	if got := r.call(t, "POST", "/v1/senders/sms/resume", "", "Authorization", "Bearer "+test); got.status != 404 || len(f.resumed) > 0 {
		t.Errorf("resume with a test key: %d, %v", got.status, f.resumed)
	}
	got := r.call(t, "POST", "/v1/senders/sms/resume", "")
	if got.status != 200 || !strings.Contains(got.body, `"state":"ok"`) || !slices.Equal(f.resumed, []string{"sms"}) || r.wakes != 1 {
		t.Errorf("%d %s, resumed %v, woken %d times", got.status, got.body, f.resumed, r.wakes)
	}
}

// Whatever comes in the body of a bulk call, nothing is chosen that was not asked for.
func FuzzBulkBodies(f *testing.F) {
	for _, seed := range []string{
		`{"survey":"nps-after-purchase"}`, `{"ids":["` + idA + `"]}`, `{"reason":"misconfigured","cursor":"x"}`, `{}`, `null`, `{"ids":null}`, `[`,
		`{"created_before":"2026-11-20T14:00:00Z","touchpoint":"a\u0000"}`,
	} {
		f.Add(seed)
	}
	r := newRig(f)
	f.Fuzz(func(t *testing.T, body string) {
		if c, err := r.api.readCancel(body); err == nil && (c.Empty() || len(c.IDs) > maxBulkIDs) {
			t.Errorf("%q cancels %+v", body, c)
		}
		ids, l, err := r.api.readReplay(body)
		if err == nil && (ids == nil) == (l == survey.LetterFilter{Cursor: l.Cursor}) {
			t.Errorf("%q replays %v %+v", body, ids, l)
		}
		if err == nil && l.Reason == survey.ReasonUncertain {
			t.Errorf("%q replays what may have arrived", body)
		}
	})
}
