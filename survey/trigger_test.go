package survey

import (
	"fmt"
	"math/big"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestFire(t *testing.T) {
	t.Parallel()
	delivered := Trigger{ID: "d", Types: []string{"order.delivered", "shop.*"}, Survey: "nps", Sample: 1}
	event := func(kind string, attributes ...string) TransactionEvent {
		e := TransactionEvent{ID: "1", Mode: Live, Transaction: Transaction{ID: "t1", Type: kind, Attributes: map[string]string{}}}
		for i := 1; i < len(attributes); i += 2 {
			e.Transaction.Attributes[attributes[i-1]] = attributes[i]
		}
		return e
	}
	where := func(c ...Condition) Trigger {
		w := delivered
		w.Where = c
		return w
	}
	tests := []struct {
		name     string
		triggers []Trigger
		event    TransactionEvent
		want     []Reason // of those that say anything
	}{
		{"exact", []Trigger{delivered}, event("order.delivered"), []Reason{""}},
		{"prefix", []Trigger{delivered}, event("shop.fulfilled"), []Reason{""}},
		{"prefix alone", []Trigger{delivered}, event("shop."), []Reason{""}},
		{"other type", []Trigger{delivered}, event("order.deliveredx"), nil},
		{"everything", []Trigger{{ID: "a", Types: []string{"*"}, Sample: 1}}, event("x"), []Reason{""}},
		{"no types", []Trigger{{ID: "a", Sample: 1}}, event(""), nil},
		{"condition", []Trigger{where(Condition{"country", OpIn, []string{"HR", "SI"}})}, event("shop.x", "country", "RS"), []Reason{SkipCondition}},
		{"all conditions", []Trigger{where(Condition{"a", OpExists, nil}, Condition{"b", OpExists, nil})}, event("shop.x", "a", "1"), []Reason{SkipCondition}},
		{"sample of none", []Trigger{{ID: "a", Types: []string{"*"}}}, event("x"), []Reason{SkipSample}},
		{"same survey", []Trigger{delivered, {ID: "b", Types: []string{"*"}, Survey: "nps", Sample: 1}}, event("shop.x"), []Reason{"", SkipSameSurvey}},
		{"other survey", []Trigger{delivered, {ID: "b", Types: []string{"*"}, Survey: "ces", Sample: 1}}, event("shop.x"), []Reason{"", ""}},
		{"same survey, the first skipped", []Trigger{where(Condition{"a", OpExists, nil}), delivered}, event("shop.x"), []Reason{SkipCondition, ""}},
		{"same survey in test", []Trigger{delivered, {ID: "b", Types: []string{"*"}, Survey: "nps", Sample: 1, Mode: Test}}, event("shop.x"), []Reason{"", ""}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []Reason
			for _, f := range Fire(tt.triggers, tt.event) {
				got = append(got, f.Skipped)
				if (f.Skipped != "") != (f.Saw != nil) {
					t.Errorf("%s: saw %v", f.Skipped, f.Saw)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestConditionHolds(t *testing.T) {
	t.Parallel()
	const absent = "<absent>"
	tests := []struct {
		op     Op
		values []string
		value  string
		want   bool
	}{
		{OpEq, []string{"HR"}, "HR", true},
		{OpEq, []string{"HR"}, "hr", false},
		{OpEq, []string{"20"}, "20.00", true},
		{OpEq, []string{"2e1"}, "20", true},
		{OpEq, []string{"HR"}, absent, false},
		{OpEq, []string{"0.1"}, "0.10000000000000000001", false}, // one float
		{OpNe, []string{"HR"}, "SI", true},
		{OpNe, []string{"HR"}, "HR", false},
		{OpNe, []string{"HR"}, absent, true},
		{OpIn, []string{"HR", "SI"}, "SI", true},
		{OpIn, []string{"HR", "SI"}, "RS", false},
		{OpIn, nil, "RS", false},
		{OpGte, []string{"20"}, "19.99", false},
		{OpGte, []string{"20"}, "20.00", true},
		{OpGte, []string{"20"}, "129.90", true},
		{OpGte, []string{"20"}, "1e2", true},
		{OpGt, []string{"9"}, "10", true}, // not as text
		{OpGt, []string{"9007199254740993"}, "9007199254740992", false},
		{OpGt, []string{"9007199254740992"}, "9007199254740993", true}, // one float
		{OpLt, []string{"0"}, "-0.01", true},
		{OpLt, []string{"0"}, "-0", false},
		{OpLte, []string{"-5"}, "-4", false},
		{OpLte, []string{"-5"}, "-50", true},
		{OpGt, []string{"20"}, "129,90", false},
		{OpGt, []string{"20"}, "many", false},
		{OpGt, []string{"20"}, absent, false},
		{OpGt, []string{"1e9999"}, "1", false},
		{OpGt, []string{"1"}, "1e99999", false}, // no such exponent
		{OpExists, nil, "x", true},
		{OpExists, nil, "", false},
		{OpExists, nil, absent, false},
		{OpContains, []string{"hitno"}, "Vrlo HITNO", true},
		{OpContains, []string{"hitno"}, "mirno", false},
		{OpContains, []string{""}, absent, false},
		{"", []string{"x"}, "x", false},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.value, " ", tt.op, " ", tt.values), func(t *testing.T) {
			t.Parallel()
			if got := (Condition{"a", tt.op, tt.values}).Holds(tt.value, tt.value != absent); got != tt.want {
				t.Errorf("%t, want %t", got, tt.want)
			}
		})
	}
}

// Decimals order as exact fractions do.
func TestDecimalOrder(t *testing.T) {
	t.Parallel()
	number := rapid.StringMatching(`[+-]?[0-9]{1,6}(\.[0-9]{1,6})?([eE][+-]?[0-9]{1,2})?`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := number.Draw(t, "a"), number.Draw(t, "b")
		x, okX := parseDecimal(a)
		y, okY := parseDecimal(b)
		if !okX || !okY {
			t.Fatalf("%q, %q: not read", a, b)
		}
		p, _ := new(big.Rat).SetString(a)
		q, _ := new(big.Rat).SetString(b)
		got := x.compare(y)
		if want := p.Cmp(q); want < 0 != (got < 0) || want > 0 != (got > 0) {
			t.Fatalf("%s against %s is %d; want %d", a, b, got, want)
		}
	})
}

func FuzzDecimal(f *testing.F) {
	for _, s := range []string{"1", "-0.00", "1e9999", "+1.5E-3", ".5", "5.", "1e", "٩", "1e+-1", "--1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, ok := parseDecimal(s)
		if !ok {
			return
		}
		if len(d.digits) > len(s) || d.digits == "" && (d.negative || d.point != 0) || d.compare(d) != 0 {
			t.Errorf("%q is %+v", s, d)
		}
	})
}

// A repetition decides the same, and of many transactions the share is asked about.
func TestSample(t *testing.T) {
	t.Parallel()
	rules := []Trigger{{ID: "after", Types: []string{"*"}, Sample: 0.3}, {ID: "other", Types: []string{"*"}, Survey: "x", Sample: 0.3}}
	const n = 10_000
	counts, both := [2]int{}, 0
	for i := range n {
		e := TransactionEvent{Transaction: Transaction{ID: fmt.Sprint("order-", i)}}
		first, again := Fire(rules, e), Fire(rules, e)
		if !reflect.DeepEqual(first, again) {
			t.Fatal(cmp.Diff(first, again))
		}
		for k, f := range first {
			if f.Skipped == "" {
				counts[k]++
			}
		}
		if first[0].Skipped == "" && first[1].Skipped == "" {
			both++
		}
	}
	for k, c := range counts {
		if c < n*28/100 || c > n*32/100 {
			t.Errorf("rule %d asks about %d of %d", k, c, n)
		}
	}
	if both < n*7/100 || both > n*11/100 {
		t.Errorf("both ask about %d of %d: their samples depend on each other", both, n)
	}
}

func TestTriggerSend(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 14, 0, 0, 0, time.UTC)
	hour := time.Hour
	tests := []struct {
		name         string
		trigger      Trigger
		occurred     time.Time
		mode         Mode
		due, expires time.Duration // from now
		status       Status
		want         Mode
	}{
		{"at once", Trigger{}, time.Time{}, Live, 0, 7 * 24 * hour, Accepted, Live},
		{"later", Trigger{Delay: 2 * hour}, now, Live, 2 * hour, 7*24*hour + 2*hour, Scheduled, Live},
		{"the delay runs from when it happened", Trigger{Delay: 2 * hour}, now.Add(-hour), Live, hour, 7*24*hour + hour, Scheduled, Live},
		{"told late", Trigger{Delay: 2 * hour, Expires: 3 * hour}, now.Add(-4 * hour), Live, 0, hour, Accepted, Live},
		{"told too late", Trigger{Expires: hour}, now.Add(-2 * hour), Live, 0, -hour, Accepted, Live},
		{"test event", Trigger{Mode: Live}, now, Test, 0, 7 * 24 * hour, Accepted, Test},
		{"test rule", Trigger{Mode: Test}, now, Live, 0, 7 * 24 * hour, Accepted, Test},
		{"no mode is test", Trigger{}, now, "", 0, 7 * 24 * hour, Accepted, Test},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := TransactionEvent{Mode: tt.mode, Transaction: Transaction{ID: "1", OccurredAt: tt.occurred}}
			s := tt.trigger.Send(e, Survey{DefaultLocale: "en"}, now)
			if s.DueAt.Sub(now) != tt.due || s.ExpiresAt.Sub(now) != tt.expires || s.Status != tt.status || s.Mode != tt.want || s.Locale != "en" {
				t.Errorf("due in %s, expires in %s, %s, %s, %s", s.DueAt.Sub(now), s.ExpiresAt.Sub(now), s.Status, s.Mode, s.Locale)
			}
		})
	}
}

func TestTriggerPlace(t *testing.T) {
	t.Parallel()
	zagreb, err := time.LoadLocation("Europe/Zagreb")
	if err != nil {
		t.Fatal(err)
	}
	s := Send{
		Mode: Live, ContactID: "con_1", DueAt: time.Date(2026, 11, 20, 23, 30, 0, 0, time.UTC),
		Transaction: Transaction{ID: "o1", Attributes: map[string]string{"store": "Zagreb-1"}},
	}
	if _, ok := (Trigger{ID: "a"}).Place(s, zagreb); ok {
		t.Error("a rule without a cap takes a place")
	}
	got, _ := Trigger{ID: "a", Cap: DailyCap{N: 5, Per: "store"}}.Place(s, zagreb)
	want := Place{Trigger: "a", Mode: Live, Per: "Zagreb-1", Day: "2026-11-21", Key: "o1 con_1", N: 5}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	got, _ = Trigger{ID: "a", Cap: DailyCap{N: 5}}.Place(s, nil)
	if got.Per != "" || got.Day != "2026-11-20" {
		t.Errorf("without an attribute and a zone: %+v", got)
	}
}
