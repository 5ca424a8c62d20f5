package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"github.com/odziv/odziv/channels/channeltest"
)

// dryRequests is how many requests are made twice: dry, and for real.
const dryRequests = 500

// A dryDecision is a decision as a dry run and the ledger show it.
type dryDecision struct {
	Version                          int
	Verdict, Status, Reason, Instead string
	Release                          int
	Until                            time.Time
	Rules                            []dryRule
}

type dryRule struct {
	Rule          string
	Fired, Waived bool
	Saw           map[string]any
}

// plain takes out what depends on the moment at which one looks.
func (d *dryDecision) plain() *dryDecision {
	if d == nil {
		return nil
	}
	withdrawn := false
	for _, r := range d.Rules {
		delete(r.Saw, "local")
		delete(r.Saw, "expires_at")
		withdrawn = withdrawn || r.Rule == "consent" && r.Saw["basis"] == "withdrawn"
	}
	if withdrawn { // it suppresses the person in the first pause: before the send is decided, or after
		d.Rules = slices.DeleteFunc(d.Rules, func(r dryRule) bool { return r.Rule == "suppression" || r.Rule == "channel" })
	}
	return d
}

// A dryAnswer is what a dry run says.
type dryAnswer struct {
	Outcome struct{ Status, Reason string }
	DueAt   time.Time `json:"due_at"`
	Message *struct {
		Channel, Sender, Subject, Text, Encoding string
		Buttons, Segments                        int
		Price                                    *struct{ Amount, Currency string }
	}
	Steps []struct {
		Step            int
		Channel, Sender string
		Reason          string
		Decision        *dryDecision
	}
}

type drySend struct {
	ID, Status, Reason, Kind string
	ContactID                string     `json:"contact_id"`
	DueAt                    *time.Time `json:"due_at"`
	Attempts                 []struct {
		ID, Kind, Channel, Sender, Status string
		Segments                          int
	}
}

// held reports whether a rule holds the send.
func (s drySend) held() bool {
	return s.Status == "scheduled" && slices.Contains([]string{"outside_window", "cooldown", "limit"}, s.Reason)
}

// quiet reports whether nobody works on the send, nor will at once.
func (s drySend) quiet() bool {
	switch {
	case s.DueAt == nil || s.held():
		return true
	default: // a next step that waits; what is taken is due again when its lease of 60 s ends
		return s.Status != "accepted" && s.Status != "scheduled" && s.Status != "sending" && time.Until(*s.DueAt) > 5*time.Minute
	}
}

// A dryStep is a line of the ledger that says what was decided.
type dryStep struct {
	Type string
	Data struct {
		Reason, From, To, Channel, Sender string
		Step                              int
		Until                             time.Time
		Decision                          *dryDecision
	}
}

// What a dry run says is what then happens: the same refusals, the same decisions with what they saw, the same outcome, and the message that
// the provider gets.
func TestE2EDryRunAgrees(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, env []string, _ string) {
		p := newProcess(t, "", env...)
		ps := dryProviders(t, p.listen)
		p.rewrite(dryConfig(ps))
		p.start()
		rows := newRowCount(t, p.dir, env)
		d := &dryRun{t: t, p: p, ps: ps, w: newDryWorld(t, p, ps, rows, 11), seen: map[string]int{}, rows: rows}
		for i := range dryRequests {
			if what := d.w.happen(); what != "" {
				d.seen["world: "+what]++
			}
			if d.request(i); t.Failed() {
				t.Fatalf("%s\nuntil then: %v", d.last, d.seen)
			}
		}
		d.ends()
		d.variety()
		ps.check(t)
	})
}

// dryProviders take everything and report nothing back: a dry run ends where a provider takes the message.
func dryProviders(t *testing.T, listen string) *providers {
	t.Helper()
	ps, none := new(providers), channeltest.Callbacks{Statuses: []string{}, Retries: 50}
	var err error
	if ps.smtp, err = channeltest.NewSMTP(channeltest.SMTPConfig{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ps.smtp.Close() })
	if ps.twilio, err = channeltest.NewTwilio(channeltest.TwilioConfig{AccountSID: twilioSID, AuthToken: twilioToken, From: twilioFrom, Callbacks: none}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ps.twilio.Close() })
	ps.viber, err = channeltest.NewViber(channeltest.ViberConfig{AuthToken: viberToken, Webhook: "http://" + listen + "/webhooks/viber-bot/bot", Callbacks: none})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ps.viber.Close() })
	return ps
}

// zoneAt is a time zone in which it is that hour now.
func zoneAt(hour int) string {
	east := hour - time.Now().UTC().Hour()
	if east < -12 {
		east += 24
	}
	return fmt.Sprintf("Etc/GMT%+d", -east) // Etc/GMT-2 is two hours east
}

// dryConfig has a policy with every kind of rule.
func dryConfig(ps *providers) string {
	const policy = `
policy:
  window: "08:00-20:00"
  holidays: ignore
  cooldowns: {invite: {any: 30d, same: 60d}, response: {any: 10d, same: 90d}}
  limits: [{count: 1, per: 7d, where: {tier: gold}}]
  blocked: drop
  rules:
    - {types: [order.receipt], exempt: true}
    - {touchpoints: [support], cooldowns: {invite: {any: 2h, same: 3d}}, blocked: delay}
    - {touchpoints: [short], cooldowns: {invite: {same: 30d}, response: {same: 30d}}, blocked: swap}
    - {touchpoints: [store], limits: [{count: 1, per: 7d}, {count: 1, per: 7d, touchpoints: [store]}]}
  swap: {nps-after-purchase: csat-after-support}
  consent: {bases: [existing_customer, opt_in], max_age: 100d}
  viber: {unanswered: 2}
  reminders: none
`
	cfg := ps.config(4)
	cfg = strings.Replace(cfg, "policy: {window: none, cooldown: none}\n", policy, 1)
	cfg = strings.Replace(cfg, "brand: {name: Lipa}", "brand: {name: Lipa, timezone: "+zoneAt(13)+"}", 1)
	cfg = strings.Replace(cfg, "lease: 2s", "lease: 60s", 1)
	second := fmt.Sprintf("\n  sms-b: {channel: sms, driver: twilio, base_url: %q, account_sid: %s, auth_token: %q, from: %q,"+
		" price: {currency: EUR, default: \"0.05\", \"+385\": \"0.0375\", \"+38\": \"0.4\"}}\n  bot:", ps.twilio.URL(), twilioSID, twilioToken, twilioFrom)
	return strings.Replace(cfg, "\n  bot:", second, 1)
}

type dryRun struct {
	t    *testing.T
	p    *process
	ps   *providers
	w    *dryWorld
	rows *rowCount
	seen map[string]int // how often each kind of outcome was there
	open []expected
	last string // request, and both answers
}

// An expected is a send that is held, and what the dry run says of its end.
type expected struct{ id, status, reason string }

// request makes one request twice, and compares.
func (d *dryRun) request(i int) {
	d.t.Helper()
	body := encodeBody(d.t, d.w.request())
	before := d.rows.count()
	status, said := request(d.t, http.MethodPost, d.p.url()+"/v1/sends?dry_run=true", bootstrapKey, body)
	if after := d.rows.count(); before != after {
		d.t.Errorf("request %d: a dry run stored something: rows were %s and are %s", i, before, after)
	}
	realStatus, done := request(d.t, http.MethodPost, d.p.url()+"/v1/sends", bootstrapKey, body)
	d.last = fmt.Sprintf("request %d: %s\ndry run: %s\nreal: %s", i, body, said, done)
	if status != http.StatusOK || realStatus != http.StatusAccepted {
		d.refused(status, said, realStatus, done)
		return
	}
	var dry dryAnswer
	var accepted struct {
		ID        string
		Duplicate bool
	}
	decode(d.t, said, &dry)
	decode(d.t, done, &accepted)
	if accepted.Duplicate || dry.Outcome.Reason == "duplicate" {
		d.duplicate(dry, accepted.Duplicate, accepted.ID)
		return
	}
	d.compare(dry, accepted.ID)
	d.w.flush()
}

func decode(t *testing.T, text []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

// refused compares two refusals: the same code, and the same faults at the same places.
func (d *dryRun) refused(status int, dry []byte, realStatus int, done []byte) {
	d.t.Helper()
	type problem struct {
		Status int
		Code   string
		Errors []struct{ Pointer, Code string }
	}
	var said, was problem
	decode(d.t, dry, &said)
	decode(d.t, done, &was)
	if diff := cmp.Diff(was, said); diff != "" || status != realStatus {
		d.t.Errorf("a dry run is answered with %d, the request with %d (-real +dry):\n%s", status, realStatus, diff)
	}
	d.seen["refused"]++
}

func (d *dryRun) duplicate(dry dryAnswer, duplicate bool, id string) {
	d.t.Helper()
	if !duplicate || dry.Outcome.Status != "suppressed" || dry.Outcome.Reason != "duplicate" || len(dry.Steps) != 1 {
		d.t.Errorf("dry run: %+v; the request is a duplicate: %t", dry.Outcome, duplicate)
		return
	}
	rule := dry.Steps[0].Decision.Rules[0]
	if rule.Rule != "duplicate" || !rule.Fired || rule.Saw["send"] != id {
		d.t.Errorf("dry run names %v, the request %s", rule, id)
	}
	d.seen["duplicate"]++
}

// compare waits until a send is decided and holds the dry run against it.
func (d *dryRun) compare(dry dryAnswer, id string) {
	d.t.Helper()
	var s drySend
	soon(d.t, "send "+id+" is decided", func() (string, bool) {
		s = drySend{}
		d.p.call(http.MethodGet, "/v1/sends/"+id, nil, &s)
		return fmt.Sprintf("%+v", s), s.quiet()
	})
	steps, held := d.steps(id), 0
	for i, real := range steps {
		if i >= len(dry.Steps) {
			d.t.Errorf("send %s: step %d is not in the dry run: %+v", id, i, real)
			return
		}
		said := dry.Steps[i]
		if diff := cmp.Diff(real.Data.Decision.plain(), said.Decision.plain()); diff != "" {
			d.t.Errorf("send %s: decision %d (%s) differs (-real +dry):\n%s", id, i, real.Type, diff)
		}
		if real.Type == "message.dropped" && real.Data.Reason != said.Reason {
			d.t.Errorf("send %s: message dropped for %s, in the dry run for %s", id, real.Data.Reason, said.Reason)
		}
		d.count(real)
		if real.Type == "send.held" {
			held++
		}
	}
	if s.held() {
		last := dry.Steps[len(steps)-1].Decision
		if held != 1 || last == nil || s.Reason != last.Reason || !s.DueAt.Equal(last.Until) || !s.DueAt.Equal(steps[len(steps)-1].Data.Until) {
			d.t.Errorf("send %s is held for %s until %s; dry run: %+v", id, s.Reason, s.DueAt, last)
		}
		d.open = append(d.open, expected{id, dry.Outcome.Status, dry.Outcome.Reason})
		return
	}
	if len(steps) != len(dry.Steps) || s.Status != dry.Outcome.Status || s.Reason != dry.Outcome.Reason {
		d.t.Errorf("send %s took %d steps and is %s %s; dry run: %d, %+v", id, len(steps), s.Status, s.Reason, len(dry.Steps), dry.Outcome)
		return
	}
	d.message(dry, s, steps)
}

// steps reads out of the ledger of a send what was decided, in that order.
func (d *dryRun) steps(id string) []dryStep {
	d.t.Helper()
	var list struct{ Items []dryStep }
	d.p.call(http.MethodGet, "/v1/sends/"+id+"/events?limit=200", nil, &list)
	slices.Reverse(list.Items)
	return slices.DeleteFunc(list.Items, func(e dryStep) bool { return e.Data.Decision == nil && e.Type != "message.dropped" })
}

func (d *dryRun) count(e dryStep) {
	name := e.Type
	if e.Type != "survey.swapped" && e.Data.Decision.Reason != "" {
		name += " " + e.Data.Decision.Reason
	}
	if e.Type == "attempt.claimed" {
		name += " " + e.Data.Sender
		if slices.ContainsFunc(e.Data.Decision.Rules, func(r dryRule) bool { return r.Saw["exempt"] == true }) {
			d.seen["exempt"]++
		}
	}
	d.seen[name]++
}

// blanked takes the token out of links: a dry run has no send for them.
var blanked = regexp.MustCompile(`/([su])/[A-Za-z0-9_-]{32}`)

func words(s string) string {
	return strings.TrimSpace(strings.ReplaceAll(blanked.ReplaceAllString(s, "/$1/…"), "\r\n", "\n"))
}

// message compares what the provider got with what the dry run shows.
func (d *dryRun) message(dry dryAnswer, s drySend, steps []dryStep) {
	d.t.Helper()
	if dry.Message == nil || len(s.Attempts) == 0 {
		if dry.Message != nil || len(s.Attempts) != 0 {
			d.t.Errorf("send %s made %d attempts; dry run: %+v", s.ID, len(s.Attempts), dry.Message)
		}
		return
	}
	a, m, last := s.Attempts[0], dry.Message, dry.Steps[len(dry.Steps)-1]
	if len(s.Attempts) != 1 || a.Channel != m.Channel || a.Sender != m.Sender || steps[len(steps)-1].Data.Step != last.Step {
		d.t.Errorf("send %s: attempts %+v; dry run: step %d, %+v", s.ID, s.Attempts, last.Step, m)
	}
	got := d.received(a.ID)
	type message struct {
		Subject, Text, Price string
		Buttons, Segments    int
	}
	real := message{Subject: got.Subject, Text: words(got.Text), Buttons: len(got.Keys)}
	said := message{Subject: m.Subject, Text: words(m.Text), Buttons: m.Buttons, Segments: m.Segments}
	if a.Channel == "sms" {
		real.Segments = segments(got.Text)
		if real.Segments > 1 {
			d.seen["long SMS"]++
		}
	}
	if a.Sender == "sms-b" { // in 1/10000 EUR
		unit := 500
		switch {
		case strings.HasPrefix(got.To, "+385"):
			unit = 375
		case strings.HasPrefix(got.To, "+38"):
			unit = 4000
		}
		real.Price = fmt.Sprintf("%.4f EUR", float64(unit*real.Segments)/10000)
	}
	if p := m.Price; p != nil {
		amount, err := strconv.ParseFloat(p.Amount, 64)
		if err != nil {
			d.t.Errorf("price %q: %v", p.Amount, err)
		}
		said.Price = fmt.Sprintf("%.4f %s", amount, p.Currency)
		d.seen["price"]++
	}
	if diff := cmp.Diff(real, said); diff != "" {
		d.t.Errorf("send %s: the message differs (-real +dry):\n%s", s.ID, diff)
	}
}

func (d *dryRun) received(attempt string) channeltest.Received {
	d.t.Helper()
	for _, p := range []*channeltest.Provider{d.ps.smtp.Provider, d.ps.twilio.Provider, d.ps.viber.Provider} {
		for _, m := range slices.Backward(p.Received()) {
			if m.AttemptID == attempt {
				return m
			}
		}
	}
	d.t.Fatalf("no provider got attempt %s", attempt)
	return channeltest.Received{}
}

// segments counts as a carrier does, for the letters of these messages: ASCII, or UCS-2.
func segments(text string) int {
	units, single, part := len(text), 160, 153
	if strings.ContainsFunc(text, func(r rune) bool { return r > '~' }) {
		units, single, part = len(utf16.Encode([]rune(text))), 70, 67
	}
	if units <= single {
		return 1
	}
	return (units + part - 1) / part
}

// ends waits for the sends that were held until their expiry.
func (d *dryRun) ends() {
	d.t.Helper()
	for _, e := range d.open {
		if e.status != "expired" {
			continue
		}
		var s drySend
		await(d.t, "send "+e.id+" has ended", 20*time.Second, func() (string, bool) {
			s = drySend{}
			d.p.call(http.MethodGet, "/v1/sends/"+e.id, nil, &s)
			return fmt.Sprintf("%+v", s), s.DueAt == nil
		})
		if s.Status == "cancelled" && s.Reason == "erased" || s.Reason == "opted_out" {
			continue // the world went on
		}
		if s.Status != e.status || s.Reason != e.reason {
			d.t.Errorf("send %s is %s %s; dry run: %s %s", e.id, s.Status, s.Reason, e.status, e.reason)
		}
		d.seen["held until expiry"]++
	}
}

// variety checks that each kind of outcome was there.
func (d *dryRun) variety() {
	d.t.Helper()
	for what, least := range map[string]int{
		"refused": 20, "duplicate": 10, "exempt": 10, "held until expiry": 10, "long SMS": 5, "price": 5,
		"attempt.claimed bot": 10, "attempt.claimed mail": 10, "attempt.claimed sms": 10, "attempt.claimed sms-b": 5,
		"send.held cooldown": 3, "send.held outside_window": 10, "send.suppressed cooldown": 10, "send.suppressed limit": 5,
		"send.suppressed no_consent": 10, "send.suppressed opted_out": 10, "survey.swapped": 3,
		"step.skipped opted_out": 5, "step.skipped session_limit": 5, "step.skipped unreachable": 1,
	} {
		if d.seen[what] < least {
			d.t.Errorf("%q was there %d times, want %d", what, d.seen[what], least)
		}
	}
	d.t.Logf("%v", d.seen)
}
