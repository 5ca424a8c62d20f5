package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/odziv/odziv/survey"
)

func TestPolicyConfig(t *testing.T) {
	t.Parallel()
	got, err := loadPolicy(filepath.Join("..", "..", "examples", "policy.yaml"), env())
	if err != nil {
		t.Fatal(err)
	}
	office, saturday := Window{9 * time.Hour, 20 * time.Hour}, Window{10 * time.Hour, 14 * time.Hour}
	want := Policy{
		Days: map[time.Weekday]Window{
			time.Monday: office, time.Tuesday: office, time.Wednesday: office, time.Thursday: office, time.Friday: office, time.Saturday: saturday, time.Sunday: {},
		},
		Fatigue: survey.Fatigue{
			AfterInvite:   survey.Cooldown{Any: 30 * day, Same: 180 * day},
			AfterResponse: survey.Cooldown{Any: 60 * day, Same: 180 * day},
			Caps: []survey.Cap{
				{N: 3, Per: 180 * day},
				{N: 1, Per: 30 * day, Touchpoints: []string{"store", "delivery"}},
				{N: 1, Per: 365 * day, Where: map[string]string{"tier": "gold"}},
			},
			Blocked: survey.BlockedSwap,
		},
		Swap: map[string]string{"nps-after-purchase": "ces-after-return"},
		Rules: []survey.FatigueRule{
			{Types: []string{"call.ended"}, Exempt: true},
			{Surveys: []string{"ces-after-return"}, Fatigue: &survey.Fatigue{AfterInvite: survey.Cooldown{Any: 7 * day}}, Blocked: survey.BlockedDelay},
		},
		Consent:   survey.ConsentPolicy{Required: true, Bases: []string{"existing_customer", "explicit"}, MaxAge: 730 * day},
		Reach:     map[survey.Channel]time.Duration{survey.Viber: 30 * day, survey.SMS: 30 * day, survey.Email: survey.Forever},
		Viber:     survey.SessionPolicy{Unanswered: 5, Total: 60, Window: 24 * time.Hour},
		Reminders: survey.Reminders{Count: 1, After: 3 * day, Channel: survey.Email},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	p, err := got.survey("Europe/Zagreb")
	if err != nil {
		t.Fatal(err)
	}
	if p.Days[time.Saturday] != (survey.Window{From: 600, To: 840}) || p.Zone.String() != "Europe/Zagreb" || p.Atlas == nil {
		t.Errorf("the decision gets %+v", p)
	}
}

// What the two keys of the first configurations mean has not changed.
func TestPolicyConfigShort(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		change     func(*Policy)
	}{
		{"nothing", "policy:\n", func(*Policy) {}},
		{"cooldown alone", "policy: {cooldown: 30d}\n", func(p *Policy) { p.Fatigue.AfterInvite = survey.Cooldown{Any: 30 * day} }},
		{"no cooldown", "policy: {cooldown: none}\n", func(p *Policy) { p.Fatigue.AfterInvite = survey.Cooldown{} }},
		{"one of the four", "policy: {cooldowns: {invite: {any: none}}}\n", func(p *Policy) { p.Fatigue.AfterInvite.Any = 0 }},
		{"window", "policy: {window: \"08:00-12:30\"}\n", func(p *Policy) { p.Window = Window{8 * time.Hour, 12*time.Hour + 30*time.Minute} }},
		{"no window", "policy: {window: none}\n", func(p *Policy) { p.Window = Window{} }},
		{"holidays", "policy: {holidays: ignore}\n", func(p *Policy) { p.OpenHolidays = true }},
		{"no reach", "policy: {reach: none}\n", func(p *Policy) { p.Reach = nil }},
		{"reach of one", "policy: {reach: {sms: none, email: 90d}}\n", func(p *Policy) {
			p.Reach = map[survey.Channel]time.Duration{survey.Viber: 30 * day, survey.Email: 90 * day}
		}},
		{"no reminders", "policy: {reminders: none}\n", func(p *Policy) { p.Reminders = survey.Reminders{} }},
		{"no reminders, by number", "policy: {reminders: {count: 0}}\n", func(p *Policy) { p.Reminders.Count = 0 }},
		{"no reminders, by word", "policy: {reminders: {count: none}}\n", func(p *Policy) { p.Reminders.Count = 0 }},
		{"as many reminders as may be", "policy: {reminders: {count: 3}}\n", func(p *Policy) { p.Reminders.Count = 3 }},
		{"viber", "policy: {viber: {unanswered: none, session_only: true}}\n", func(p *Policy) { p.Viber.Unanswered, p.Viber.SessionOnly = 0, true }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := defaultConfig()
			if faults := parseConfig("odziv.yaml", []byte(tt.text), env(), &c); len(faults) > 0 {
				t.Fatal(faults)
			}
			want := defaultPolicy()
			tt.change(&want)
			if diff := cmp.Diff(want, c.Policy); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestPolicyConfigRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		want       []string
	}{
		{"both cooldowns", `{cooldown: 1d, cooldowns: {invite: {any: 2d}}}`, []string{`odziv.yaml:1:9: cooldown is short for cooldowns.invite.any: write one of cooldown and cooldowns`}},
		{"inner key", `{cooldowns: {invites: {any: 1d}}}`, []string{`odziv.yaml:1:22: unknown key "invites" in cooldowns; did you mean "invite"?`}},
		{"days missing", `{window: {mon-fri: "09:00-20:00", sat: none}}`, []string{`odziv.yaml:1:18: window says nothing about sun: name every day, with none for a closed one`}},
		{"a day twice", `{window: {mon-sun: "09:00-20:00", sat: none}}`, []string{`odziv.yaml:1:48: sat: Saturday is there twice: name each day once`}},
		{"no day", `{window: {monday: none}}`, []string{`odziv.yaml:1:19: "monday" is no day: write mon, tue, wed, thu, fri, sat, sun, or a range such as mon-fri`}},
		{"never open", `{window: {mon-sun: none}}`, []string{`odziv.yaml:1:18: window is closed on every day: write window: none when there is to be no window`}},
		{"holidays", `{holidays: closed}`, []string{`odziv.yaml:1:20: holidays: "closed" is unknown; write observe or ignore`}},
		{"blocked", `{blocked: dealy}`, []string{`odziv.yaml:1:19: blocked: "dealy" is unknown; did you mean "delay"?; write drop or delay or swap`}},
		{"half a limit", `{limits: [{count: 2}]}`, []string{`odziv.yaml:1:19: a limit needs count and per: write {count: 2, per: 30d}`}},
		{"limits are a list", `{limits: 3}`, []string{`odziv.yaml:1:18: limits is a list: write each item after a dash`}},
		{"a rule without effect", `{rules: [{surveys: [ces-after-return]}]}`, []string{`odziv.yaml:1:18: a rule says what holds: write exempt: true, or cooldowns, limits or blocked`}},
		{"a rule about nothing", `{rules: [{exempt: true}]}`, []string{`odziv.yaml:1:18: a rule says for which sends it is: write surveys, touchpoints, types or where`}},
		{"exempt, and yet not", `{rules: [{types: [a], exempt: true, blocked: drop}]}`, []string{`odziv.yaml:1:18: a rule that is exempt needs no cooldowns, limits or blocked: take them out`}},
		{"channel", `{reach: {mail: 3d}, reminders: {channel: mail}}`, []string{
			`odziv.yaml:1:18: reach: unknown channel "mail"; did you mean "email"?; the channels are viber, sms, email`,
			`odziv.yaml:1:50: channel: unknown channel "mail"; did you mean "email"?; the channels are viber, sms, email`,
		}},
		{"too many reminders", `{reminders: {count: 4, after: 3d}}`, []string{`odziv.yaml:1:29: count: "4" is not a number from 0 to 3: nobody is asked again more often than a send may say`}},
		{"no number of reminders", `{reminders: {count: -1}}`, []string{`odziv.yaml:1:29: count: "-1" is not a number from 0 to 3: nobody is asked again more often than a send may say`}},
		{"swap without a way", `{blocked: swap}`, []string{`odziv.yaml:1:9: blocked: swap needs swap: write swap: {long-survey: short-survey}`}},
		{"a rule swaps without a way", `{rules: [{types: [a], blocked: swap}]}`, []string{`odziv.yaml:1:9: blocked: swap needs swap: write swap: {long-survey: short-survey}`}},
		{"swap to itself", `{swap: {ces-after-return: ces-after-return}}`, []string{`odziv.yaml:1:35: swap: ces-after-return cannot stand for itself: name a shorter survey`}},
		{"swap of unknown surveys", `{swap: {nps-after-purchas: ces-after-return, ces-after-return: nps}}`, []string{
			`odziv.yaml:1:17: swap: there is no survey "nps-after-purchas"; did you mean "nps-after-purchase"?; there are nps-after-purchase, csat-after-support, ces-after-return`,
			`odziv.yaml:1:72: swap: there is no survey "nps"; there are nps-after-purchase, csat-after-support, ces-after-return`,
		}},
		{"a rule of an unknown survey", `{rules: [{surveys: [ces-after-return, cse-after-return], exempt: true}]}`, []string{
			`odziv.yaml:1:47: surveys: there is no survey "cse-after-return"; did you mean "ces-after-return"?; there are nps-after-purchase, csat-after-support, ces-after-return`,
		}},
		{"not a boolean", `{consent: {required: maybe}}`, []string{`odziv.yaml:1:30: required: "maybe" is not true or false`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			checkFaults(t, "policy: "+tt.text+"\n", tt.want)
		})
	}
}

func TestLoadPolicyRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tests := []struct{ name, text, want string }{
		{"no key", "polcy: {}\n", "has no key policy: write policy: and the rules below it"},
		{"empty", "", "has no key policy: write policy: and the rules below it"},
		{"a mistake", "listen: x\npolicy: {cooldwn: 1d}\n", `2:10: unknown key "cooldwn" in policy; did you mean "cooldown"?`},
		{"no mapping", "policy\n", "the file is not a list of keys and values: write key: value"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(dir, strings.ReplaceAll(tt.name, " ", "-")+".yaml")
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := loadPolicy(path, env()); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
	if _, err := loadPolicy(filepath.Join(dir, "none.yaml"), env()); err == nil {
		t.Error("a file that is not there was read")
	}
}

func FuzzPolicy(f *testing.F) {
	text, err := os.ReadFile(filepath.Join("..", "..", "examples", "policy.yaml"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text))
	f.Add("policy: {window: {mon-sun: '00:00-24:00'}, limits: [], rules: [{}], reach: {}, reminders: {}}\n")
	f.Fuzz(func(t *testing.T, text string) {
		c := defaultConfig()
		if faults := parseConfig("odziv.yaml", []byte(text), env("A=b"), &c); len(faults) > 0 {
			for _, fault := range faults {
				if !strings.HasPrefix(fault.Place, "odziv.yaml") || fault.Text == "" {
					t.Errorf("a mistake without place or text: %+v", fault)
				}
			}
			return
		}
		p := c.Policy
		if n := len(p.Days); n != 0 && n != 7 {
			t.Errorf("hours of %d days were taken", n)
		}
		for _, limit := range p.Fatigue.Caps {
			if limit.N < 1 || limit.Per < time.Minute {
				t.Errorf("a limit that limits nothing was taken: %+v", limit)
			}
		}
		for _, r := range p.Rules {
			if !r.Exempt && r.Fatigue == nil && r.Blocked == "" {
				t.Errorf("a rule without effect was taken: %+v", r)
			}
		}
	})
}
