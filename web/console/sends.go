package console

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/odziv/odziv/survey"
)

const recentSends = 50

// A sendsView is the list, and one send beside it when one is open.
type sendsView struct {
	page
	Rows []sendRow
	Open *sendView
}

type sendRow struct {
	ID, Person, Address string
	Mark, Status        string
	Survey, Transaction string
	Reason              string
	At                  time.Time
	On                  bool
}

type sendView struct {
	sendRow
	Mode     survey.Mode
	Locale   string
	Version  int
	Facts    []fact
	Timeline []eventRow
	Attempts []attemptRow
}

type fact struct{ Name, Value string }

type eventRow struct {
	Mark, Icon string
	Title      string
	Type       string
	Why        string // what the rules said
	Details    string
	At         time.Time
}

type attemptRow struct {
	survey.Attempt
	Channel, Mark string
	Facts         []fact
}

func (c *Console) sends(f *fiber.Ctx) error { return c.showSends(f, nil) }

func (c *Console) showSends(f *fiber.Ctx, open *sendView) error {
	list, err := c.deps.Sends.Recent(f.UserContext(), recentSends)
	if err != nil {
		return fmt.Errorf("list sends: %w", err)
	}
	v := sendsView{page: c.pageOf(f, "Sends", "sends"), Open: open}
	for _, s := range list {
		row := c.sendRow(s)
		row.On = open != nil && open.ID == row.ID
		v.Rows = append(v.Rows, row)
	}
	if open != nil {
		v.Title = open.Person
	}
	return c.show(f, "sends", v)
}

func (c *Console) send(f *fiber.Ctx) error {
	ctx, id := f.UserContext(), strings.Clone(f.Params("id"))
	s, attempts, err := c.deps.Sends.Send(ctx, id)
	if err != nil {
		return fmt.Errorf("load send: %w", err)
	}
	events, _, err := c.deps.Sends.Events(ctx, id, "", 200)
	if err != nil {
		return fmt.Errorf("ledger of %s: %w", id, err)
	}
	v := sendView{sendRow: c.sendRow(s), Mode: s.Mode, Locale: s.Locale, Version: s.SurveyVersion}
	v.Facts = []fact{
		{"Survey", v.Survey + ", version " + fmt.Sprint(s.SurveyVersion)},
		{"Language", c.locale(s.Locale).Name},
		{"Transaction", v.Transaction},
		{"Touchpoint", s.Transaction.Touchpoint},
		{"Store", s.Transaction.Attributes["store"]},
		{"Mode", string(s.Mode)},
	}
	v.Facts = slices.DeleteFunc(v.Facts, func(x fact) bool { return x.Value == "" })
	for _, e := range slices.Backward(events) { // a story is read from its beginning
		v.Timeline = append(v.Timeline, eventRowOf(e))
	}
	for _, a := range attempts {
		v.Attempts = append(v.Attempts, attemptRowOf(a))
	}
	return c.showSends(f, &v)
}

func (c *Console) sendRow(s survey.Send) sendRow {
	row := sendRow{
		ID: s.ID, Person: s.Recipient.Name, Status: capital(string(s.Status)), Mark: markOfStatus(s.Status),
		Survey: s.Survey, Transaction: s.Transaction.ID, Reason: strings.ReplaceAll(string(s.Reason), "_", " "), At: s.UpdatedAt,
	}
	if sv, ok := c.surveys[s.Survey]; ok {
		row.Survey = sv.Name
	}
	for _, a := range []string{s.Recipient.Phone, s.Recipient.Email, s.Recipient.ViberID, s.Recipient.ExternalID} {
		if row.Address == "" {
			row.Address = a
		}
	}
	if row.Person == "" {
		row.Person, row.Address = row.Address, ""
	}
	if row.At.IsZero() {
		row.At = s.CreatedAt
	}
	return row
}

func markOfStatus(s survey.Status) string {
	switch s {
	case survey.Answered, survey.Completed:
		return "good"
	case survey.Sending, survey.Sent, survey.Delivered:
		return "accent"
	case survey.Failed:
		return "bad"
	default:
		return ""
	}
}

// eventRowOf makes a sentence of a ledger row: «send.accepted» is «Send accepted».
func eventRowOf(e survey.Event) eventRow {
	row := eventRow{Type: e.Type, At: e.At, Title: capital(strings.NewReplacer(".", " ", "_", " ").Replace(e.Type))}
	switch _, what, _ := strings.Cut(e.Type, "."); what {
	case "failed", "rejected", "suppressed", "expired":
		row.Mark, row.Icon = "bad", "x"
	case "delivered", "read", "sent", "recorded", "answered":
		row.Mark, row.Icon = "good", "check"
	case "completed":
		row.Mark = "accent"
	}
	row.Why = decisionWords(e.Data["decision"])
	keys := make([]string, 0, len(e.Data))
	for k := range e.Data {
		if k != "decision" || row.Why == "" {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b string) int { // what only a machine asks for goes last
		return cmp.Or(cmp.Compare(rankOf(a), rankOf(b)), strings.Compare(a, b))
	})
	parts := make([]string, 0, len(keys))
	for _, k := range keys {
		if s := fmt.Sprint(e.Data[k]); s != "" && s != "<nil>" {
			parts = append(parts, strings.ReplaceAll(k, "_", " ")+" "+s)
		}
	}
	row.Details = strings.Join(parts, " · ")
	return row
}

func rankOf(key string) int {
	switch key {
	case "attempt", "actor", "inbound", "provider_id", "response":
		return 1
	default:
		return 0
	}
}

// decisionWords says which rules were looked at and what they did, "" when there is no decision.
func decisionWords(kept any) string {
	if kept == nil {
		return ""
	}
	var d survey.Decision
	if text, err := json.Marshal(kept); err != nil || json.Unmarshal(text, &d) != nil || d.Verdict == "" {
		return ""
	}
	var held, waived, passed []string
	for _, r := range d.Rules {
		name := r.Name
		if r.Fired {
			name += sawWords(r.Saw)
		}
		switch {
		case r.Waived:
			waived = append(waived, name)
		case r.Fired:
			held = append(held, name)
		default:
			passed = append(passed, name)
		}
	}
	var out []string
	for _, part := range []struct {
		words string
		rules []string
	}{{"stopped by ", held}, {"would wait if it were live: ", waived}, {"passed ", passed}} {
		if len(part.rules) > 0 {
			out = append(out, part.words+strings.Join(part.rules, ", "))
		}
	}
	return capital(strings.Join(out, "; "))
}

// sawWords are the facts that a rule looked at.
func sawWords(saw map[string]any) string {
	facts := make([]string, 0, len(saw))
	for _, k := range slices.Sorted(maps.Keys(saw)) {
		v := fmt.Sprint(saw[k])
		if at, err := time.Parse(time.RFC3339, v); err == nil {
			v = at.UTC().Format("2 Jan 2006, 15:04 UTC")
		}
		facts = append(facts, strings.ReplaceAll(k, "_", " ")+" "+v)
	}
	if len(facts) == 0 {
		return ""
	}
	return " (" + strings.Join(facts, ", ") + ")"
}

func attemptRowOf(a survey.Attempt) attemptRow {
	row := attemptRow{Attempt: a, Channel: channelName(a.Channel)}
	switch a.Status {
	case survey.AttemptFailed:
		row.Mark = "bad"
	case survey.AttemptUncertain:
		row.Mark = "warn"
	case survey.AttemptDelivered, survey.AttemptRead, survey.AttemptSent, survey.AttemptAccepted:
		row.Mark = "good"
	case survey.AttemptClaimed, survey.AttemptAnswered:
		row.Mark = "accent"
	}
	row.Facts = []fact{
		{"Attempt", a.ID}, {"Message", kindName(a.Kind)}, {"Provider id", a.ProviderID}, {"Fault", a.Fault}, {"Code", a.Code},
	}
	if a.Segments > 0 {
		row.Facts = append(row.Facts, fact{"Segments", fmt.Sprint(a.Segments)})
	}
	row.Facts = slices.DeleteFunc(row.Facts, func(x fact) bool { return x.Value == "" })
	return row
}
