package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/odziv/odziv/survey"
)

const triggersConfig = `
triggers:
  after-delivery:
    on: [order.delivered, "shopify.*"]
    where: {country: [HR, SI], amount: ">= 20.50", note: contains urgent, employee: exists, store: "!= Split", size: [">1", "<= 5"], code: "= exists"}
    touchpoint: delivery
    survey: nps-after-purchase
    channels: [viber, sms]
    delay: 2h
    expires: 3d
    sample: 0.5
    daily_cap: {count: 50, per: store}
    mode: test
  every-return: {on: order.returned, survey: ces-after-return, daily_cap: 10}
shops:
  main: {kind: shopify, secret: "${SHOPIFY_SECRET}", previous_secret: "", country: HR, mode: live}
  pay: {kind: stripe, secret: whsec_1, previous_secret: whsec_0, mode: test}
`

func TestTriggersConfig(t *testing.T) {
	t.Parallel()
	c, err := loadConfig(newConfigFile(t, triggersConfig), env("SHOPIFY_SECRET=shpss_1"), configFlags{})
	if err != nil {
		t.Fatal(err)
	}
	triggers := []survey.Trigger{
		{
			ID: "after-delivery", Types: []string{"order.delivered", "shopify.*"}, Where: []survey.Condition{
				{Attribute: "country", Op: survey.OpIn, Values: []string{"HR", "SI"}},
				{Attribute: "amount", Op: survey.OpGte, Values: []string{"20.50"}},
				{Attribute: "note", Op: survey.OpContains, Values: []string{"urgent"}},
				{Attribute: "employee", Op: survey.OpExists},
				{Attribute: "store", Op: survey.OpNe, Values: []string{"Split"}},
				{Attribute: "size", Op: survey.OpGt, Values: []string{"1"}},
				{Attribute: "size", Op: survey.OpLte, Values: []string{"5"}},
				{Attribute: "code", Op: survey.OpEq, Values: []string{"exists"}},
			},
			Touchpoint: "delivery", Survey: "nps-after-purchase", Channels: []survey.Channel{survey.Viber, survey.SMS},
			Delay: 2 * time.Hour, Expires: 3 * day, Sample: 0.5, Cap: survey.DailyCap{N: 50, Per: "store"}, Mode: survey.Test,
		},
		{ID: "every-return", Types: []string{"order.returned"}, Survey: "ces-after-return", Sample: 1, Cap: survey.DailyCap{N: 10}},
	}
	if diff := cmp.Diff(triggers, c.Triggers); diff != "" {
		t.Error(diff)
	}
	shops := []Shop{
		{ID: "main", Kind: "shopify", Secret: "shpss_1", Country: "HR", Mode: survey.Live},
		{ID: "pay", Kind: "stripe", Secret: "whsec_1", PreviousSecret: "whsec_0", Mode: survey.Test},
	}
	if diff := cmp.Diff(shops, c.Shops); diff != "" {
		t.Error(diff)
	}
	if said := fmt.Sprintf("%+v", c.Shops); strings.Contains(said, "whsec") || strings.Contains(said, "shpss") {
		t.Errorf("a secret is printed: %s", said)
	}
}

func TestTriggersConfigFaults(t *testing.T) {
	t.Parallel()
	const good = "on: x, survey: nps-after-purchase, "
	tests := []struct{ name, text, want string }{
		{"nothing", "triggers: {a: {}}", "1:12: trigger a: on is missing"},
		{"no survey", "triggers: {a: {on: x}}", "trigger a: survey is missing: one of nps-after-purchase"},
		{"unknown survey", "triggers: {a: {on: x, survey: nps-after-purchse}}", `did you mean "nps-after-purchase"?`},
		{"unknown key", "triggers: {a: {" + good + "wher: {}}}", `unknown key "wher" in trigger a; did you mean "where"?`},
		{"name", "triggers: {A b: {" + good + "}}", "lower case letters"},
		{"star", "triggers: {a: {on: \"*.x\", survey: nps-after-purchase}}", "stands at the end"},
		{"sample", "triggers: {a: {" + good + "sample: 50}}", "write a number from 0"},
		{"sample of nothing", "triggers: {a: {" + good + "sample: NaN}}", "write a number from 0"},
		{"cap", "triggers: {a: {" + good + "daily_cap: 0}}", "not a number from 1"},
		{"cap without a count", "triggers: {a: {" + good + "daily_cap: {per: store}}}", "count is missing"},
		{"cap key", "triggers: {a: {" + good + "daily_cap: {counts: 1}}}", `did you mean "count"?`},
		{"channel", "triggers: {a: {" + good + "channels: [smss]}}", `did you mean "sms"?`},
		{"channel twice", "triggers: {a: {" + good + "channels: [sms, sms]}}", "twice"},
		{"mode", "triggers: {a: {" + good + "mode: dry}}", "no mode: write live, or test"},
		{"delay", "triggers: {a: {" + good + "delay: soon}}", "not a duration"},
		{"number", "triggers: {a: {" + good + "where: {amount: \">= 20,50\"}}}", "compared with a number"},
		{"operator alone", "triggers: {a: {" + good + "where: {amount: \">=\"}}}", "names no value"},
		{"conditions", "triggers: {a: {" + good + "where: [x]}}", "where is not a list of keys and values"},
		{"no secret", "shops: {a: {kind: stripe}}", "secret is missing: without it"},
		{"no kind", "shops: {a: {secret: x}}", "kind is missing"},
		{"kind", "shops: {a: {kind: shopfy, secret: x}}", `did you mean "shopify"?`},
		{"country", "shops: {a: {kind: shopify, secret: x, country: hr}}", "two capital letters"},
		{"variable", "shops: {a: {kind: shopify, secret: \"${NOT_SET}\"}}", "NOT_SET is not set"},
		{"shop name", "shops: {a/b: {kind: shopify, secret: x}}", "part of addresses"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := loadConfig(newConfigFile(t, tt.text), env(), configFlags{})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}
